"""The phantom cohort's `name_mapping.csv`."""

from glioma.base.job import job
from glioma.demo import phantom

with job(snakemake):
    cohort = snakemake.params.cohort
    phantom.write_name_mapping(snakemake.output[0], phantom.roster(cohort["hgg"], cohort["lgg"], cohort["seed"]))
