"""The scores of one CNN segmenter: out of fold and on the test set."""

from pathlib import Path

import numpy as np

from glioma import folds, scoring, truth
from glioma.files import write_csv
from glioma.job import job
from glioma.summaries import Entry, Settings

with job(snakemake):
    keys = snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    table = folds.read(snakemake.input.folds)
    crops, masks = Path(snakemake.input.crops).parent, Path(snakemake.input.predictions).parent / "masks"
    network, parts = snakemake.wildcards.segmenter, []
    for cohort, split in (("validation", "development"), ("test", "test")):
        patients = folds.grades(table, split).index
        predicted = ((patient, np.load(masks / f"{patient}.npy")) for patient in patients)
        entry = Entry("segmentation", network, "cnn", network, cohort, snakemake.params.crops)
        spacings = truth.spacings(crops, patients)
        known = truth.masks(crops, patients)
        parts.append(scoring.score_cnn_segmenter(predicted, known, entry, settings, spacings, keys["tumour_pixels"]))
    scores = scoring.merge(parts)
    write_csv(scores.patients, snakemake.output.patients)
    write_csv(scores.summary, snakemake.output.summary)
