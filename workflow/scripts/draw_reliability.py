"""Whether a probability of HGG means what it says, and what a method is worth that may abstain."""

from glioma.base.job import job
from glioma.report.figures import abstention, calibration

with job(snakemake):
    keys = snakemake.params
    calibration.reliability(snakemake.input.graders, keys.label, snakemake.output.reliability, keys.cohort, keys.bins)
    abstention.curves(snakemake.input.graders, keys.label, snakemake.output.abstention, keys.cohort)
