"""The trivial baselines of every task on one set of crops, scored by the same functions as the models."""

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import folds
from glioma.scoring import baseline_scores
from glioma.scoring.settings import Settings

with job(snakemake):
    keys = snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    crops, mode = snakemake.input.crops, snakemake.wildcards.crops
    cohort = pd.read_csv(snakemake.input.cohort, dtype=str, keep_default_na=False).set_index("patient")
    table = folds.read(snakemake.input.folds)
    scores = baseline_scores.score(table, crops, settings, keys["tumour_pixels"], mode, cohort["site"])
    write_csv(scores.patients, snakemake.output.patients)
    write_csv(scores.summary, snakemake.output.summary)
