"""The leak audit: what a score owes to a crop around the true tumour, and to slices chosen with the true mask.

Two factors with two levels each: crops cut around the "brain" or the "tumour", and "all" slices or those with "tumour".
The first level of either uses no truth. A method is scored in each of the four cells that it has, and an effect is the
difference of two cells on the same patients: a factor alone with the other held at one level, or both at once.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from glioma import tasks
from glioma.base import seeds
from glioma.scoring.tables import read_patients
from glioma.stats import statistics

COLUMNS = (
    *("run", "family", "model", "adapter", "task", "metric", "cohort", "crops", "slices", "factor"),
    *("value", "low", "high", "n"),
)
CROPS = ("brain", "tumour")
SLICES = ("all", "tumour")
BASELINES = ("image centre", "mean training box", "whole frame", "FLAIR threshold", "always HGG")
"""The trivial methods that are audited: whatever one of them gains is not read off the image."""
EFFECTS = (
    ("crops", ("brain", "all"), ("tumour", "all")),
    ("crops", ("brain", "tumour"), ("tumour", "tumour")),
    ("slices", ("brain", "all"), ("brain", "tumour")),
    ("slices", ("tumour", "all"), ("tumour", "tumour")),
    ("both", ("brain", "all"), ("tumour", "tumour")),
)
"""(factor, cell without the leak, cell with it); cells are (crops, slices)."""


class Metric(NamedTuple):
    """A score: its column in a patients table, and what the two levels of the slice choice are called there."""

    name: str
    column: str
    levels: tuple[str, str]


_VOLUME = Metric("dice_volume", "dice", ("volume", "tumour volume"))
_SLICES = Metric("dice_slices", "dice", SLICES)
METRICS = {
    "point": (Metric("fraction_in_box", "fraction_in_box", SLICES),),
    "region": (_VOLUME, _SLICES),
    "grade": (Metric("balanced_accuracy", "correct", SLICES),),
}
"""What is audited of each output, see `tasks.Task`. Labels of slices are not: they depend on no slice choice."""


class Method(NamedTuple):
    """One method in one task: its facts, and crops ("brain", "tumour") -> its patients table of all cohorts."""

    facts: Mapping[str, str]
    patients: Mapping[str, pd.DataFrame]


FACTS = ("run", "family", "model", "adapter", "task")


def baselines(tables: Mapping[str, str | Path]) -> list[Method]:
    """The methods of `BASELINES`, a task each, from patients.csv of the baselines by crops."""
    read = {mode: _read(path) for mode, path in tables.items()}
    pairs = sorted({pair for table in read.values() for pair in zip(table["task"], table["run"], strict=True)})
    return [
        _method({mode: table[(table["task"] == task) & (table["run"] == run)] for mode, table in read.items()})
        for task, run in pairs
        if run in BASELINES
    ]


def model(tables: Mapping[str, str | Path]) -> Method:
    """A network or run from its patients.csv by crops; the first of them says who it is."""
    return _method({mode: _read(path) for mode, path in tables.items()})


def _method(patients: Mapping[str, pd.DataFrame]) -> Method:
    first = next(table for table in patients.values() if len(table))
    return Method({name: str(first[name].iloc[0]) for name in FACTS}, patients)


def audit(methods: Iterable[Method], seed: int, resamples: int, confidence: float) -> pd.DataFrame:
    """Cells and effects of all methods, with `COLUMNS`; rows of effects have a `factor`.

    An effect's `crops` or `slices` is the level at which the other factor is held, "" for the factors that change. Its
    n counts the patients that both cells have. Intervals are bootstrap intervals over patients, paired for effects and
    within grades for balanced accuracy, in which an undecided patient is wrong. The cohort is "pooled" where every
    table of the method has it, else "test".
    """
    options = {"resamples": resamples, "confidence": confidence}
    rows = []
    for method in methods:
        cohort = _cohort(method)
        for metric in METRICS.get(tasks.get(method.facts["task"]).output, ()):
            cells = _cells(method, metric, cohort)
            owner = {**method.facts, "metric": metric.name, "cohort": cohort}
            for (crops, slices), values in cells.items():
                rows.append(_row(owner | {"crops": crops, "slices": slices, "factor": ""}, values, seed, options))
            for factor, without, leaking in EFFECTS:
                if without in cells and leaking in cells:
                    crops, slices = (x if x == y else "" for x, y in zip(without, leaking, strict=True))
                    gained = _difference(cells[without], cells[leaking])
                    rows.append(
                        _row(owner | {"crops": crops, "slices": slices, "factor": factor}, gained, seed, options)
                    )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(key: dict[str, str], values: pd.DataFrame, seed: int, options: Mapping) -> dict:
    names = (key[name] for name in ("run", "task", "metric", "cohort", "crops", "slices", "factor"))
    value, interval = _estimate(values, seeds.generator(seed, "audit", *names), **options)
    return key | {"value": value, **interval._asdict(), "n": len(values)}


def _read(path: str | Path) -> pd.DataFrame:
    table = read_patients(path)
    if "label" in table:
        table["correct"] = (table["label"] == table["grade"]).where(table["grade"].notna()).astype(float)
    return table


def _cohort(method: Method) -> str:
    return "pooled" if all((table["cohort"] == "pooled").any() for table in method.patients.values()) else "test"


def _cells(method: Method, metric: Metric, cohort: str) -> dict[tuple[str, str], pd.DataFrame]:
    """(crops, slices) -> the patients of that cell, indexed by patient: value, and grade where scores are by grade."""
    found = {}
    for crops in (mode for mode in CROPS if mode in method.patients):
        table = method.patients[crops]
        if metric.column not in table:
            continue
        table = table[table["cohort"].eq(cohort) & table["orientation"].isin(("axial", "volume"))]
        for level, name in zip(SLICES, metric.levels, strict=True):
            chosen = table[table["slices"] == name].set_index("patient").dropna(subset=metric.column)
            if len(chosen):
                grade = chosen["grade"] if metric.column == "correct" else ""
                found[crops, level] = pd.DataFrame({"value": chosen[metric.column], "grade": grade})
    return found


def _difference(without: pd.DataFrame, leaking: pd.DataFrame) -> pd.DataFrame:
    """Patient by patient, what the leak adds; patients that only one cell has are left out."""
    both = without.index.intersection(leaking.index)
    return without.loc[both].assign(value=leaking.loc[both, "value"] - without.loc[both, "value"])


def _estimate(table: pd.DataFrame, rng: np.random.Generator, **options) -> tuple[float, statistics.Interval]:
    """The mean over patients, each grade with the same weight where grades are given, and its interval."""
    samples = tuple(group.to_numpy(dtype=float) for _, group in table.groupby("grade")["value"])
    if not samples or (table["grade"].iloc[0] and len(samples) < 2):
        return float("nan"), statistics.NO_INTERVAL
    return float(_mean_of_grades(*samples)), statistics.bootstrap(samples, _mean_of_grades, rng, **options)


def _mean_of_grades(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over grades of the mean over patients: of correctness it is the balanced accuracy."""
    return np.mean([sample.mean(axis=axis) for sample in samples], axis=0)
