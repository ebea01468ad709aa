"""The scores of one VLM run: per slice, per patient, and the summary."""

from pathlib import Path

from glioma import answers, folds, scoring, truth
from glioma.files import write_csv
from glioma.job import job
from glioma.summaries import Entry, Settings

with job(snakemake):
    run, keys = snakemake.params.run, snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    entry = Entry(
        run["task"], f"{run['model']} {run['label']}", "vlm", snakemake.wildcards.run, "test", snakemake.params.crops
    )
    grades = folds.grades(folds.read(snakemake.input.folds), "test")
    crops = Path(snakemake.input.crops).parent
    masks = truth.masks(crops, grades.index)
    table = answers.read_answers(snakemake.input.answers)
    if run["repeats"]:
        scores = scoring.score_consistency(table, grades, entry, settings)
    elif run["task"] == "classification":
        shown = scoring.slice_truth(masks, run["orientations"], keys["tumour_pixels"])
        scores = scoring.score_classification(table, shown, grades, entry, settings)
    else:
        spacings = truth.spacings(crops, grades.index)
        scores = scoring.score_shapes(run["task"], table, masks, entry, settings, spacings, keys["tumour_pixels"])
    for name in scores._fields:
        write_csv(getattr(scores, name), snakemake.output[name])
