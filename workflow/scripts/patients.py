"""The table of the cohort; its files were checked before the first job (rules/common.smk)."""

from glioma import cohort
from glioma.files import write_csv
from glioma.job import job

with job(snakemake):
    table = cohort.index(snakemake.params.cohort)
    write_csv(table, snakemake.output[0])
    print(table["grade"].value_counts().to_string())
