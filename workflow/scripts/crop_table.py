"""All crops in one table: how each was cut, how much of its tumour it holds, and a digest of its content."""

from pathlib import Path

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import crops

with job(snakemake):
    folder = Path(snakemake.output[0]).parent
    table = crops.table(folder, snakemake.params.patients)
    write_csv(table, snakemake.output[0])
    print(table.describe().to_string())
