"""Whether masks follow the tumour's size, all patients of each segmenter."""

from glioma.base.job import job
from glioma.report.figures.mask_sizes import mask_sizes

with job(snakemake):
    mask_sizes(snakemake.input, snakemake.params.label, snakemake.output.mask_sizes, snakemake.params.cohort)
