"""What the published figures really say: the patients behind the printed scores of tables 1 to 3.

Every printed score of a row is a fraction of whole patients, so the row's confusion matrix can be found by trying all
that fit. From it follow the scores that were not printed, and what becomes of patients who went missing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from glioma.metrics import classification
from glioma.metrics.classification import Confusion
from glioma.stats import statistics

COHORTS = {"train": (196, 52), "validation": (49, 13), "test": (44, 11)}
"""HGG and LGG patients: of 289 and 76, 44 and 11 are tested, and a fifth of the others (245 and 65) validates."""
PRINTED = ("accuracy", "f1", "precision", "recall", "specificity")
HALF_A_DIGIT = 0.5e-4 * (1 + 1e-6)
"""Scores are printed with four decimals; a hair more, for a tie is no exact binary fraction."""


class Row(NamedTuple):
    """A row of a published table: which, its patients (whole numbers), and how many other matrices would fit."""

    table: int
    setting: str
    cohort: str
    counts: Confusion
    others: int

    @property
    def missing(self) -> tuple[int, int]:
        """HGG and LGG patients of the cohort that the row leaves out."""
        hgg, lgg = COHORTS[self.cohort]
        return hgg - self.counts.tp - self.counts.fn, lgg - self.counts.tn - self.counts.fp

    @property
    def everyone(self) -> Confusion:
        """The matrix of the whole cohort, each missing patient counted as wrong."""
        tp, fn, tn, fp = self.counts
        hgg, lgg = self.missing
        return Confusion(tp, fn + hgg, tn, fp + lgg)


def matrices(printed: Mapping[str, float], hgg: int, lgg: int) -> list[Confusion]:
    """Every confusion matrix of at most so many patients of each grade that prints these scores, largest first.

    Of each number of HGG patients only one number of true positives can print the recall; likewise the specificity.
    """
    positives = [(tp, n - tp) for n in range(1, hgg + 1) for tp in {round(printed["recall"] * n)}]
    negatives = [(tn, n - tn) for n in range(1, lgg + 1) for tn in {round(printed["specificity"] * n)}]
    tp, fn = (column[:, None] for column in np.array(positives).T)
    tn, fp = (column[None, :] for column in np.array(negatives).T)
    counts = Confusion(*np.broadcast_arrays(tp, fn, tn, fp))
    scores = classification.scores(counts)
    fits = np.all([np.abs(scores[name] - printed[name]) <= HALF_A_DIGIT for name in PRINTED], axis=0)
    found = [Confusion(*map(int, cells)) for cells in zip(*(count[fits] for count in counts), strict=True)]
    return sorted(found, key=sum, reverse=True)


def recover(published: pd.DataFrame) -> list[Row]:
    """The patients behind each classification row of the published tables; the fewest missing where several fit.

    `published` has the columns of `resources/published_tables.csv`. A row that no matrix fits is a `ValueError`.
    """
    rows = []
    graded = published[published["task"] == "classification"]
    for (table, setting, cohort), group in graded.groupby(["table", "setting", "cohort"], sort=False):
        fitting = matrices(group.set_index("metric")["value"], *COHORTS[cohort])
        if not fitting:
            raise ValueError(f"table {table}, {setting}, {cohort}: no confusion matrix has these scores")
        rows.append(Row(int(table), setting, cohort, fitting[0], len(fitting) - 1))
    return rows


def read(path: str | Path) -> list[Row]:
    """`recover` from a CSV file."""
    return recover(pd.read_csv(path))


def mcnemar_range(first: int, second: int, trials: int) -> dict[int, float]:
    """Exact McNemar p of two methods that get `first` and `second` of the same `trials` patients right.

    Which patients those are was not printed, so the answer is p for each number that both may get right.
    """
    found = {}
    for both in range(max(0, first + second - trials), min(first, second) + 1):
        patients = np.arange(trials)
        found[both] = statistics.mcnemar(
            patients < first, (patients >= first - both) & (patients < first - both + second)
        )
    return found


def always_hgg(hgg: int, lgg: int) -> dict[str, float]:
    """The scores of answering HGG for everyone."""
    return {name: float(value) for name, value in classification.scores(Confusion(hgg, 0, 0, lgg)).items()}
