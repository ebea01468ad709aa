"""The scores of one CNN classifier, of every cohort."""

import pandas as pd

from glioma import folds, scoring
from glioma.files import write_csv
from glioma.job import job
from glioma.summaries import Entry, Settings

with job(snakemake):
    keys = snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    table = folds.read(snakemake.input.folds)
    predictions = pd.read_csv(snakemake.input.predictions, dtype={"patient": str})
    network, parts = snakemake.wildcards.classifier, []
    for cohort, split in (("train", "development"), ("validation", "development"), ("test", "test")):
        chosen = predictions[predictions["cohort"] == cohort].rename(columns={"probability": "p_hgg"})
        entry = Entry("classification", network, "cnn", network, cohort, snakemake.params.crops)
        parts.append(scoring.score_cnn_classifier(chosen, folds.grades(table, split), entry, settings))
    scores = scoring.merge(parts)
    write_csv(scores.patients, snakemake.output.patients)
    write_csv(scores.summary, snakemake.output.summary)
