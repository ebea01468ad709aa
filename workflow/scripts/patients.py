"""The table of the cohort; its files were checked before the first job (rules/start.smk)."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import index as cohort_index

with job(snakemake):
    table = cohort_index.index(snakemake.params.cohort)
    write_csv(table, snakemake.output[0])
    print(table["grade"].value_counts().to_string())
