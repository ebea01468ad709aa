"""The figures of the results: comparison, distributions, GLDR, confusion, consistency, overlays."""

from pathlib import Path

from glioma import folds
from glioma.figures import comparison, distributions, grading, overlays
from glioma.job import job

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    crops = Path(given.crops).parent
    grades = folds.grades(folds.read(given.folds)).to_dict()
    comparison.comparison(given.summary, keys.label, out.comparison)
    grading.gldr(given.classification, keys.label, out.gldr, denominator=keys.gldr)
    grading.confusion([*given.classifiers, *given.classification], keys.label, out.confusion)
    grading.consistency(
        dict(zip(keys.consistency, given.consistency, strict=True)), grades, keys.label, out.consistency
    )
    located = [*given.segmenters, *given.shapes, given.baselines]
    distributions.distributions(located, keys.unit, keys.label, out.distributions)
    networks = {
        name: (path, f"results/cnn/{name}/masks") for name, path in zip(keys.segmenters, given.segmenters, strict=True)
    }
    overlays.cnn_overlays(networks, crops, keys.label, out.cnn_overlays)
    answers = {task: {} for task, _ in keys.shapes}
    for (task, model), path in zip(keys.shapes, given.answers, strict=True):
        answers[task][model] = path
    overlays.shape_overlays(answers, crops, keys.label, out.shape_overlays, side=keys.side)
