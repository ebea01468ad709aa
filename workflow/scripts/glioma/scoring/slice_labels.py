"""Scores of labels of slices: slice by slice, with intervals over patients."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from glioma.metrics import classification, records
from glioma.metrics.classification import Confusion
from glioma.scoring import samples, summaries
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry, Scope
from glioma.scoring.tables import Scores, assemble, of_masks, status_rows
from glioma.stats.clustered import clustered_interval

METRICS = ("balanced_accuracy", "recall", "specificity", "precision", "f1", "mcc", "accuracy")
_KEY = ["patient", "orientation"]


def score_labels(
    answers: pd.DataFrame,
    masks: Mapping[str, np.ndarray],
    entry: Entry,
    settings: Settings,
    tumour_pixels: int = 1,
    cohorts: Mapping[str, Collection[str]] | None = None,
) -> Scores:
    """Score answers "tumour or not" (choice 1 or 0), for every orientation requested.

    `masks` holds the label volumes (slice, row, column) of the patients, `cohorts` as `assemble`. Positive is a slice
    with at least `tumour_pixels` tumour pixels; an answer that could not be parsed is wrong. The patients table has the
    share of right answers and the four counts; metrics are of all slices together, their intervals over patients.
    """
    own = of_masks(answers, masks, tumour_pixels)
    said = own["choice"].where(own["status"].eq("ok"))
    right = said.eq(own["tumour"].astype(int)).fillna(False).astype(bool)
    own = own.assign(
        correct=right, tp=right & own["tumour"], fn=~right & own["tumour"], tn=right & ~own["tumour"],
        fp=~right & ~own["tumour"],
    )  # fmt: skip
    cells = list(Confusion._fields)
    patients = own.groupby(_KEY, sort=False).agg({"correct": "mean", **dict.fromkeys(cells, "sum")}).reset_index()
    patients.insert(1, "slices", "all")

    def summarise(entry: Entry, chosen: pd.DataFrame, patients: pd.DataFrame) -> list[dict]:
        rows = []
        for orientation, group in patients.groupby("orientation", sort=False):
            scope = Scope("all", orientation, "slice")
            counts = group[cells].to_numpy(dtype=float)
            total = Confusion(*counts.sum(axis=0))
            values = classification.scores(total)
            for metric in METRICS:
                interval = clustered_interval(
                    counts,
                    lambda summed, metric=metric: classification.scores(Confusion(*summed.T))[metric],  # type: ignore[misc]
                    entry.generator(settings.seed, scope.slices, scope.orientation, scope.unit, metric),
                    records.BY_NAME[metric].bounds,
                    settings.resamples,
                    settings.confidence,
                )
                rows.append(summaries.row(entry, scope, metric, float(values[metric]), int(sum(total)), 0, interval))
            rows += [
                summaries.row(entry, scope, name, count, int(sum(total))) for name, count in total._asdict().items()
            ]
            rows += status_rows(entry, scope, chosen[chosen["orientation"] == orientation])
        return [*rows, *samples.rows(entry, chosen, settings, "correct")]

    return assemble(own, patients, entry, cohorts, summarise)
