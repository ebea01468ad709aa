"""Test set and folds, by subject and stratified by grade."""

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import folds

with job(snakemake):
    settings = snakemake.params.folds
    patients = pd.read_csv(snakemake.input[0], dtype=str, keep_default_na=False)
    table = folds.make(patients, settings["test_fraction"], settings["count"], snakemake.params.seed)
    write_csv(table, snakemake.output[0])
    print(table.groupby(["split", "fold", "grade"]).size().to_string())
