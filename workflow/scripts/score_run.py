"""The scores of one VLM run: per slice, per patient, and the summary of every cohort that it was answers about."""

from glioma import tasks
from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import folds, truth
from glioma.scoring import samples
from glioma.scoring.grades import score_classification, score_consistency
from glioma.scoring.outlines import score_located
from glioma.scoring.settings import Settings
from glioma.scoring.slice_labels import score_labels
from glioma.scoring.summaries import Entry
from glioma.scoring.tables import members, slice_truth

with job(snakemake):
    run, keys = snakemake.params.run, snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    facts = {"run": snakemake.wildcards.run, "model": run["model"], "adapter": run["adapter"] or ""}
    entry = Entry(run["task"], "vlm", **facts, crops=snakemake.params.crops)
    crops, table = snakemake.input.crops, folds.read(snakemake.input.folds)
    answers = tasks.read_answers(snakemake.input.answers)
    cohorts = members(table, answers["patient"])
    everyone = set().union(*cohorts.values())
    grades = folds.grades(table[table["patient"].isin(everyone)])
    masks = truth.masks(crops, grades.index)
    task = tasks.get(run["task"])
    if run["samples"] > 1:
        answers = samples.combine(answers, task, keys["side"], settings.box_maximum == "inclusive")
    if run["repeats"]:
        scores = score_consistency(answers, grades, entry, settings, cohorts)
    elif task.output == "grade":
        shown = slice_truth(masks, run["orientations"], keys["tumour_pixels"])
        scores = score_classification(answers, shown, grades, entry, settings, cohorts, run["selection"])
    elif task.output == "label":
        scores = score_labels(answers, masks, entry, settings, keys["tumour_pixels"], cohorts)
    else:
        spacings = truth.spacings(crops, grades.index)
        pixels, selection = keys["tumour_pixels"], run["selection"]
        scores = score_located(task, answers, masks, entry, settings, spacings, pixels, cohorts, selection)
    for name in scores._fields:
        write_csv(getattr(scores, name), snakemake.output[name])
