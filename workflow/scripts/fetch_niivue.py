"""NiiVue's script, which draws a patient in three dimensions, from npm."""

from glioma.base.job import job
from glioma.report import view3d

with job(snakemake):
    view3d.fetch(snakemake.output[0])
