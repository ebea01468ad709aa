"""The scores of one CNN classifier, of every cohort."""

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import folds
from glioma.scoring.grades import score_cnn_classifier
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry
from glioma.scoring.tables import members, merge

# The predictions that a cohort is scored by: pooled patients by networks that have not seen them.
PREDICTIONS = {
    "train": ["train"],
    "validation": ["validation"],
    "test": ["test"],
    "pooled": ["validation", "test"],
}

with job(snakemake):
    keys = snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    table = folds.read(snakemake.input.folds)
    cohorts = members(table)
    cohorts["train"] = cohorts["validation"]
    predictions = pd.read_csv(snakemake.input.predictions, dtype={"patient": str})
    predictions = predictions.rename(columns={"probability": "p_hgg"})
    network, parts = snakemake.wildcards.classifier, []
    for cohort, by in PREDICTIONS.items():
        grades = folds.grades(table[table["patient"].isin(cohorts[cohort])])
        entry = Entry("classification", "cnn", network, snakemake.params.model, "", cohort, snakemake.params.crops)
        chosen = predictions[predictions["cohort"].isin(by)]
        parts.append(score_cnn_classifier(chosen, grades, entry, settings))
    scores = merge(parts)
    write_csv(scores.patients, snakemake.output.patients)
    write_csv(scores.summary, snakemake.output.summary)
