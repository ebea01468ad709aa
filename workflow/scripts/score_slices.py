"""The scores of one slice network, whose answers are voted as a VLM's are."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import folds, truth
from glioma.scoring.grades import score_classification
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry
from glioma.scoring.tables import members, slice_truth
from glioma.tasks import read_answers

with job(snakemake):
    keys = snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    network = snakemake.wildcards.slicer
    entry = Entry("classification", "cnn", network, snakemake.params.model, crops=snakemake.params.crops)
    table = folds.read(snakemake.input.folds)
    requested = read_answers(snakemake.input.answers)
    grades = folds.grades(table)
    masks = truth.masks(snakemake.input.crops, grades.index)
    shown = slice_truth(masks, ["axial"], keys["tumour_pixels"])
    cohorts = members(table, requested["patient"])
    scores = score_classification(requested, shown, grades, entry, settings, cohorts)
    for name in scores._fields:
        write_csv(getattr(scores, name), snakemake.output[name])
