"""Whether a probability of HGG means what it says."""

from glioma.base.job import job
from glioma.report.figures import calibration

with job(snakemake):
    keys = snakemake.params
    calibration.reliability(snakemake.input.graders, keys.label, snakemake.output.reliability, keys.cohort, keys.bins)
