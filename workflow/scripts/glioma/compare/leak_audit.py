"""The leak audit: what a score owes to a crop around the true tumour, and to slices chosen with the true mask.

Two factors with two levels each: crops cut around the "brain" or the "tumour", and "all" slices or those with "tumour".
The first level of either uses no truth. A reader is scored in each of the four cells that it has, and an effect is the
difference of two cells on the same patients: a factor alone with the other held at one level, or both at once.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from glioma.base import seeds
from glioma.stats import statistics

COLUMNS = (
    *("reader", "arm", "model", "task", "metric", "cohort", "crops", "slices", "factor"),
    *("value", "low", "high", "n"),
)
CROPS = ("brain", "tumour")
SLICES = ("all", "tumour")
BASELINES = ("image centre", "mean training box", "whole frame", "FLAIR threshold", "always HGG")
"""The trivial readers that are audited: whatever one of them gains is no reading of the image."""
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
    "center_point": (Metric("fraction_in_box", "fraction_in_box", SLICES),),
    "bounding_box": (_VOLUME, _SLICES),
    "polygon": (_VOLUME, _SLICES),
    "segmentation": (_VOLUME, _SLICES),
    "classification": (Metric("balanced_accuracy", "correct", SLICES),),
}


class Reader(NamedTuple):
    """One reader: crops ("brain", "tumour") -> its patients table, of one task, all cohorts."""

    name: str
    arm: str
    model: str
    task: str
    patients: Mapping[str, pd.DataFrame]


def baseline_readers(tables: Mapping[str, str | Path]) -> list[Reader]:
    """The readers of `BASELINES`, a task each, from patients.csv of the baselines by crops."""
    read = {mode: _read(path) for mode, path in tables.items()}
    kinds = sorted({pair for table in read.values() for pair in zip(table["task"], table["model"], strict=True)})
    return [
        Reader(
            model, "baseline", model, task,
            {mode: table[(table["task"] == task) & (table["model"] == model)] for mode, table in read.items()},
        )
        for task, model in kinds
        if model in BASELINES
    ]  # fmt: skip


def model_reader(name: str, tables: Mapping[str, str | Path]) -> Reader:
    """A network or run from its patients.csv by crops; the summary.csv beside the first says task, arm and model."""
    owner = pd.read_csv(Path(next(iter(tables.values()))).with_name("summary.csv"), keep_default_na=False).iloc[0]
    return Reader(
        name, owner["arm"], owner["model"], owner["task"], {mode: _read(path) for mode, path in tables.items()}
    )


def audit(readers: Iterable[Reader], seed: int, resamples: int, confidence: float) -> pd.DataFrame:
    """Cells and effects of all readers, with `COLUMNS`; rows of effects have a `factor`.

    An effect's `crops` or `slices` is the level at which the other factor is held, "" for the factors that change. Its
    n counts the patients that both cells have. Intervals are bootstrap intervals over patients, paired for effects and
    within grades for balanced accuracy, in which an undecided patient is wrong. The cohort is "pooled" where every
    table of the reader has it, else "test".
    """
    options = {"resamples": resamples, "confidence": confidence}
    rows = []
    for reader in readers:
        cohort = _cohort(reader)
        for metric in METRICS[reader.task]:
            cells = _cells(reader, metric, cohort)
            owner = {"reader": reader.name, "arm": reader.arm, "model": reader.model, "task": reader.task}
            owner |= {"metric": metric.name, "cohort": cohort}
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
    value, interval = _estimate(values, seeds.generator(seed, "audit", *key.values()), **options)
    return key | {"value": value, **interval._asdict(), "n": len(values)}


def _read(path: str | Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype={"patient": str}, keep_default_na=True)
    if "label" in table:
        table["correct"] = (table["label"] == table["grade"]).where(table["grade"].notna()).astype(float)
    # The table of a volume classifier names no slices: it has all of them.
    for column, value in (("slices", "all"), ("orientation", "axial")):
        if column not in table:
            table[column] = value
    return table


def _cohort(reader: Reader) -> str:
    return "pooled" if all((table["cohort"] == "pooled").any() for table in reader.patients.values()) else "test"


def _cells(reader: Reader, metric: Metric, cohort: str) -> dict[tuple[str, str], pd.DataFrame]:
    """(crops, slices) -> the patients of that cell, indexed by patient: value, and grade where scores are by grade."""
    found = {}
    for crops in (mode for mode in CROPS if mode in reader.patients):
        table = reader.patients[crops]
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
