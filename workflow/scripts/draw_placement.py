"""Whether answers follow the picture, all patients of each run."""

from glioma.base.job import job
from glioma.report.figures.placement import placement

with job(snakemake):
    placement(snakemake.input, snakemake.params.label, snakemake.output.placement, snakemake.params.side)
