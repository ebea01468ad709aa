"""The phantom cohort's `name_mapping.csv`."""

from glioma.base.job import job
from glioma.demo import phantom

with job(snakemake):
    sizes = snakemake.params.phantom
    phantom.write_name_mapping(snakemake.output[0], phantom.roster(sizes["hgg"], sizes["lgg"], snakemake.params.seed))
