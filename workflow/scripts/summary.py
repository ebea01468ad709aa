"""Every number that the report shows, in one tidy table."""

import pandas as pd

from glioma import summaries
from glioma.files import write_csv
from glioma.job import job

with job(snakemake):
    write_csv(summaries.concatenate(pd.read_csv(path) for path in snakemake.input), snakemake.output[0])
