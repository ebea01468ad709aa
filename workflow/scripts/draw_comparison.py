"""Every method's main score beside the others, with intervals."""

from glioma.base.job import job
from glioma.report.figures import comparison

with job(snakemake):
    comparison.comparison(
        snakemake.input.summary,
        snakemake.params.label,
        snakemake.output.comparison,
        snakemake.params.cohort,
        snakemake.params.declared,
    )
