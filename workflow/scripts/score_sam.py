"""The scores of one promptable segmenter's masks, a method for each source of its boxes."""

from glioma import tasks
from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import folds, truth
from glioma.sam import masks
from glioma.sam.settings import TRUTH
from glioma.scoring.outlines import score_located
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry
from glioma.scoring.tables import members, merge

with job(snakemake):
    given, params, keys = snakemake.input, snakemake.params, snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    # A mask is held against the mask, whatever a box is held against.
    settings = settings.model_copy(update={"truth": "mask"})
    table, boxes = folds.read(given.folds), tasks.read_answers(given.boxes)
    known, spacings = (each(given.crops, boxes["patient"].unique()) for each in (truth.masks, truth.spacings))
    cohorts = members(table, boxes["patient"])
    parts = []
    for source, answers in boxes.groupby("source", sort=False):
        entry = Entry("segmentation", "sam", f"{snakemake.wildcards.sam}-{source}", params.model, crops=params.crops)
        parts.append(
            score_located(
                tasks.get(params.task),
                answers.drop(columns="source"),
                known,
                entry,
                settings,
                spacings,
                keys["tumour_pixels"],
                cohorts,
                "tumour" if source == TRUTH else "all",
                masks.read(f"{given.masks}/{source}", answers["patient"].unique(), keys["side"]),
            )
        )
    scores = merge(parts)
    for name in scores._fields:
        write_csv(getattr(scores, name), snakemake.output[name])
