"""The figures of the results: comparison, grading, distributions of scores, overlays."""

from pathlib import Path

import pandas as pd

from glioma.base.job import job
from glioma.cohort import folds
from glioma.report import labels
from glioma.report.figures import calibration, comparison, distributions, grading, overlays

DISTRIBUTIONS = {
    "distributions": "segmentation",
    "box_distributions": "bounding_box",
    "polygon_distributions": "polygon",
    "centre_distances": "center_point",
}
OVERLAYS = {"box_overlays": "bounding_box", "polygon_overlays": "polygon", "centre_overlays": "center_point"}


def named(facts: list[dict]) -> list[str]:
    """What runs are called beside each other."""
    table = pd.DataFrame(facts, columns=labels.FACTS)
    return (labels.labels(table) + labels.crop_notes(table)).tolist()


with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    label, cohort = keys.label, keys.cohort
    graders = [*given.classifiers, *given.classification]
    comparison.comparison(given.summary, label, out.comparison, cohort)
    grading.gldr(graders, label, out.gldr, cohort, keys.gldr)
    grading.confusion(graders, label, out.confusion, cohort)
    calibration.reliability(graders, label, out.reliability, cohort, keys.bins)
    grades = folds.grades(folds.read(given.folds)).to_dict()
    repeated = dict(zip(named(keys.consistency), given.consistency, strict=True))
    grading.consistency(repeated, grades, label, out.consistency)

    located = [*given.segmenters, *given.shapes, *given.baselines]
    for name, task in DISTRIBUTIONS.items():
        distributions.distributions(located, keys.unit, label, out[name], cohort, task=task)

    folders = {Path(path).parent.name: Path(path).parent for path in given.crops}
    networks = {
        name: (path, masks, folders[crops])
        for (name, crops, masks), path in zip(keys.segmenters, given.segmenters, strict=True)
    }
    overlays.cnn_overlays(networks, label, out.cnn_overlays, cohort)
    overlays.cnn_failures(networks, label, out.cnn_failures, cohort)
    facts = pd.DataFrame(keys.shapes, columns=labels.FACTS)
    runs = []
    for row, name, path, slices in zip(
        facts.to_dict("records"), named(keys.shapes), given.answers, given.slices, strict=True
    ):
        shown = (name, labels.group(row["family"], row["adapter"]))
        folder = folders[row["crops"]]
        runs.append((row["task"], overlays.Shown(*shown, slices, folder), overlays.Shown(*shown, path, folder)))
    for name, task in OVERLAYS.items():
        of_task = [shown for its, shown, _ in runs if its == task]
        overlays.answer_overlays(task, of_task, label, out[name], keys.side)
    # One picture has one background: the crops of the first run.
    answers = {}
    for task, _, shown in runs:
        if shown.crops == runs[0][2].crops:
            answers.setdefault(task, []).append(shown)
    background = runs[0][2].crops if runs else ""
    overlays.shape_overlays(answers, background, label, out.shape_overlays, side=keys.side)
