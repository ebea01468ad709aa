"""The figures of the results: comparison, grading, distributions of scores, overlays."""

from pathlib import Path

from glioma.base.job import job
from glioma.cohort import folds
from glioma.report.figures import calibration, comparison, distributions, grading, overlays

DISTRIBUTIONS = {
    "distributions": "segmentation",
    "box_distributions": "bounding_box",
    "polygon_distributions": "polygon",
    "centre_distances": "center_point",
}
OVERLAYS = {"box_overlays": "bounding_box", "polygon_overlays": "polygon", "centre_overlays": "center_point"}

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    label, cohort = keys.label, keys.cohort
    graders = [*given.classifiers, *given.classification]
    comparison.comparison(given.summary, label, out.comparison, cohort)
    grading.gldr(graders, label, out.gldr, cohort, keys.gldr)
    grading.confusion(graders, label, out.confusion, cohort)
    calibration.reliability(graders, label, out.reliability, cohort, keys.bins)
    grades = folds.grades(folds.read(given.folds)).to_dict()
    asked = dict(zip(keys.consistency, given.consistency, strict=True))
    grading.consistency(asked, grades, label, out.consistency)

    located = [*given.segmenters, *given.shapes, *given.baselines]
    for name, task in DISTRIBUTIONS.items():
        distributions.distributions(located, keys.unit, label, out[name], cohort, task)

    folders = {Path(path).parent.name: Path(path).parent for path in given.crops}
    networks = {
        name: (path, masks, folders[crops])
        for (name, crops, masks), path in zip(keys.segmenters, given.segmenters, strict=True)
    }
    overlays.cnn_overlays(networks, label, out.cnn_overlays, cohort)
    overlays.cnn_failures(networks, label, out.cnn_failures, cohort)
    runs = list(zip(keys.shapes, given.answers, given.slices, strict=True))
    for name, task in OVERLAYS.items():
        of_task = [(model, path, folders[crops]) for (its, model, crops), _, path in runs if its == task]
        overlays.answer_overlays(task, of_task, label, out[name], keys.side)
    # One picture has one background: the crops of the first run.
    answers = {}
    for (task, model, crops), path, _ in runs:
        if crops == runs[0][0][2]:
            answers.setdefault(task, {})[model] = path
    shown = folders[runs[0][0][2]] if runs else ""
    overlays.shape_overlays(answers, shown, label, out.shape_overlays, side=keys.side)
