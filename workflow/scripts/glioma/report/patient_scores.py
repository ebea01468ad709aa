"""Scores by patient for other programs: a list of methods, each with its cases and their mean.

nnU-Net's summary.json has the same for one method.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glioma.report.labels import FACTS
from glioma.scoring.tables import read_patients

WHERE = ["cohort", "slices", "orientation"]


def collect(paths: Iterable[str | Path], study: str, cohort_label: str) -> dict[str, Any]:
    """Everything in patients.csv tables.

    {study, cohort, methods: [{task, family, run, model, adapter, crops, groups: [{cohort, slices, orientation,
    metric_per_case: [{patient, metrics}], mean}]}]}. `mean` is over the patients with a value; what is undefined is
    null, texts (a grade, a label) have no mean.
    """
    table = pd.concat(map(read_patients, paths), ignore_index=True)
    methods = []
    for facts, own in table.groupby(FACTS, sort=False, dropna=False):
        groups = []
        for where, group in own.groupby(WHERE, sort=False):
            scores = group.drop(columns=[*FACTS, *WHERE]).dropna(axis="columns", how="all")
            cases = scores.drop(columns="patient")
            groups.append(
                dict(zip(WHERE, where, strict=True))
                | {
                    "metric_per_case": [
                        {"patient": patient, "metrics": _plain(metrics)}
                        for patient, metrics in zip(scores["patient"], cases.to_dict("records"), strict=True)
                    ],
                    "mean": _plain(cases.mean(numeric_only=True).to_dict()),
                }
            )
        named = {name: "" if pd.isna(value) else value for name, value in zip(FACTS, facts, strict=True)}
        methods.append(named | {"groups": groups})
    return {"study": study, "cohort": cohort_label, "methods": methods}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON knows them."""
    found = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
    return {name: None if pd.isna(value) else value for name, value in found.items()}
