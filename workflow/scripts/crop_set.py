"""A study's crops of one set in one folder, with a table of how each was cut and how much of its tumour it holds."""

from pathlib import Path

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import crop_files, crops

with job(snakemake):
    folder = Path(snakemake.output[0])
    crop_files.gather(Path(snakemake.input[0]).parent, snakemake.params.patients, folder)
    table = crops.table(folder, snakemake.params.patients)
    write_csv(table, folder / crop_files.TABLE)
    print(table.describe().to_string())
