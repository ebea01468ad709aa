"""The scores of one classifier, a CNN or radiomics, of every cohort."""

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import folds
from glioma.scoring.grades import score_cnn_classifier
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry
from glioma.scoring.tables import members, merge, single_fold

# The predictions that a cohort is scored by: pooled patients by networks that have not seen them; of one fold's network
# its own.
PREDICTIONS = {"validation": ["validation"], "test": ["test"], "pooled": ["validation", "test"]}
OF_ONE = {"train": ["train"], "fold_validation": ["validation"], "fold_test": ["test_fold"]}

with job(snakemake):
    keys = snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    table = folds.read(snakemake.input.folds)
    published = snakemake.params.published
    alone = {} if published is None else single_fold(table, published)
    cohorts = alone | members(table)
    predictions = pd.read_csv(snakemake.input.predictions, dtype={"patient": str})
    predictions = predictions.rename(columns={"probability": "p_hgg"})
    parts = []
    for cohort, by in {**(OF_ONE if alone else {}), **PREDICTIONS}.items():
        grades = folds.grades(table[table["patient"].isin(cohorts[cohort])])
        entry = Entry("classification", cohort=cohort, **snakemake.params.facts)
        chosen = predictions[predictions["cohort"].isin(by)]
        if cohort in OF_ONE:
            chosen = chosen[chosen["fold"] == published]
        parts.append(score_cnn_classifier(chosen, grades, entry, settings))
    scores = merge(parts)
    write_csv(scores.patients, snakemake.output.patients)
    write_csv(scores.summary, snakemake.output.summary)
