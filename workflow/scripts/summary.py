"""Every number that the report shows, in one tidy table."""

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.scoring import summaries

with job(snakemake):
    write_csv(summaries.concatenate(pd.read_csv(path) for path in snakemake.input), snakemake.output[0])
