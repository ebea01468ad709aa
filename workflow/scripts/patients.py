"""The table of the cohort, as it was found when the workflow started; its files were checked before the first job."""

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job

with job(snakemake):
    table = pd.DataFrame(snakemake.params.table)
    write_csv(table, snakemake.output[0])
    print(table["grade"].value_counts().to_string())
