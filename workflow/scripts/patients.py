"""The table of the cohort, with every file checked and all faults reported together."""

from glioma import cohort
from glioma.files import write_csv
from glioma.job import job

with job(snakemake):
    table = cohort.index(snakemake.params.cohort)
    cohort.check(table, cohort.labels(snakemake.params.cohort), snakemake.threads)
    write_csv(table, snakemake.output[0])
    print(table["grade"].value_counts().to_string())
