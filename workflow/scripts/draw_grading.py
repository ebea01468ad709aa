"""Grades: decisions of patients, shares of slices, and how often a model repeats itself."""

import pandas as pd

from glioma.base.job import job
from glioma.cohort import folds
from glioma.report import labels
from glioma.report.figures import grading

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    grading.gldr(given.graders, keys.label, out.gldr, keys.cohort, keys.gldr)
    grading.confusion(given.graders, keys.label, out.confusion, keys.cohort)
    grades = folds.grades(folds.read(given.folds)).to_dict()
    names = labels.beside_each_other(pd.DataFrame(keys.runs, columns=labels.FACTS))
    names = [f"{name}, temperature {each:g}" for name, each in zip(names, keys.temperatures, strict=True)]
    grading.consistency(dict(zip(names, given.consistency, strict=True)), grades, keys.label, out.consistency)
