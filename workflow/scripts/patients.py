"""The table of the cohort, with every header checked and all faults reported together."""

from pathlib import Path

from glioma import cohort
from glioma.files import write_csv
from glioma.job import job

with job(snakemake):
    table = cohort.index(Path(snakemake.input.mapping).parent, snakemake.params.exclude)
    cohort.check(table)
    write_csv(table, snakemake.output[0])
    print(table["grade"].value_counts().to_string())
