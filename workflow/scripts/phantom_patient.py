"""One phantom patient: four sequences and the mask, in BraTS 2020 layout."""

from pathlib import Path

from glioma.base.job import job
from glioma.demo import phantom
from glioma.demo.phantom import template

with job(snakemake):
    folder = Path(snakemake.output[0]).parent
    prepared = template.load(snakemake.input[0]) if snakemake.input else template.prepare()
    phantom.write_patient(folder, snakemake.wildcards.patient, snakemake.params.grade, snakemake.params.seed, prepared)
