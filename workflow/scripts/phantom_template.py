"""The brain that all phantom patients are deformations of, prepared once for all of them."""

from glioma.base.job import job
from glioma.demo.phantom import template

with job(snakemake):
    template.save(template.prepare(), snakemake.output[0])
