"""The trivial baselines of every task, scored by the same functions as the models."""

from pathlib import Path

from glioma import folds, reference
from glioma.files import write_csv
from glioma.job import job
from glioma.summaries import Settings

with job(snakemake):
    keys = snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    crops = Path(snakemake.input.crops).parent
    scores = reference.score(folds.read(snakemake.input.folds), crops, settings, keys["tumour_pixels"])
    write_csv(scores.patients, snakemake.output.patients)
    write_csv(scores.summary, snakemake.output.summary)
