"""The leak audit: what a score owes to a crop around the true tumour, and to slices chosen with the true mask.

Two factors with two levels each: crops cut around the "brain" or the "tumour", and "all" slices or those with "tumour".
The first level of either uses no truth. A method is scored in each of the four cells that it has, and an effect is the
difference of two cells on the same patients: a factor alone with the other held at one level, or both at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from glioma import tasks
from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.metrics import classification
from glioma.scoring import names
from glioma.scoring.tables import read_patients
from glioma.stats import effects, statistics

COLUMNS = (
    *("run", "family", "model", "adapter", "task", "metric", "cohort", "crops", "slices", "factor"),
    *("value", "low", "high", "n"),
)
CROPS = ("brain", "tumour")
SLICES = ("all", "tumour")
BASELINES = tuple(name for name in names.BASELINES if name != names.BY_SITE)
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
    """A score: its column in a patients table, and what the two levels of the slice choice may be called there."""

    name: str
    column: str
    levels: tuple[tuple[str, ...], tuple[str, ...]]


_SLICES = (("all",), ("tumour",))
METRICS = {
    "point": (Metric("fraction_in_box", "fraction_in_box", _SLICES),),
    "region": (
        Metric("dice_volume", "dice", (("volume",), ("tumour volume",))),
        Metric("dice_slices", "dice", _SLICES),
    ),
    # A network sees the whole volume at once.
    "grade": (Metric("balanced_accuracy", "correct", (("all", "volume"), ("tumour",))),),
}
"""What is audited of each output, see `tasks.Task`. Labels of slices are not: they depend on no slice choice."""


class Method(NamedTuple):
    """One method in one task: its facts, and crops ("brain", "tumour") -> its patients table of all cohorts.

    `pair`: the two names by which it was declared, () for a baseline.
    """

    facts: Mapping[str, str]
    patients: Mapping[str, pd.DataFrame]
    pair: tuple[str, ...] = ()


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


def model(pair: Sequence[str], tables: Mapping[str, str | Path]) -> Method:
    """The networks or runs of a declared pair from their patients.csv by crops; the first of them says who it is."""
    return _method({mode: _read(path) for mode, path in tables.items()}, pair)


def _method(patients: Mapping[str, pd.DataFrame], pair: Sequence[str] = ()) -> Method:
    first = next((table for table in patients.values() if len(table)), None)
    if first is None:
        raise _nothing(pair, "neither has scores of any patient")
    return Method({name: str(first[name].iloc[0]) for name in FACTS}, patients, tuple(pair))


def _nothing(pair: Sequence[str], reason: str) -> UserError:
    names = ", ".join(pair)
    return UserError(
        f"configuration, key leak_audit, pair [{names}]: there is nothing to compare: {reason}; give both the same "
        "task, patients and slices, or take the pair out"
    )


def audit(methods: Iterable[Method], seed: int, resamples: int, confidence: float) -> pd.DataFrame:
    """Cells and effects of all methods, with `COLUMNS`; rows of effects have a `factor`.

    An effect's `crops` or `slices` is the level at which the other factor is held, "" for the factors that change. Its
    n counts the patients that both cells have. Intervals are over patients, paired for effects; in balanced accuracy an
    undecided patient is wrong. A declared pair without any effect is an error. The cohort is "pooled" where every
    table of the method has it, else "test".
    """
    options = {"resamples": resamples, "confidence": confidence}
    rows: list[dict] = []
    for method in methods:
        cohort, found = _cohort(method), len(rows)
        for metric in METRICS.get(tasks.get(method.facts["task"]).output, ()):
            cells = _cells(method, metric, cohort)
            owner = {**method.facts, "metric": metric.name, "cohort": cohort}
            for (crops, slices), values in cells.items():
                rows.append(_row(owner | {"crops": crops, "slices": slices, "factor": ""}, values, seed, options))
            for factor, without, leaking in EFFECTS:
                if without in cells and leaking in cells:
                    crops, slices = (x if x == y else "" for x, y in zip(without, leaking, strict=True))
                    gained = _difference(cells[without], cells[leaking])
                    if len(gained):
                        key = owner | {"crops": crops, "slices": slices, "factor": factor}
                        rows.append(_row(key, gained, seed, options))
        if method.pair and not any(row["factor"] for row in rows[found:]):
            raise _nothing(method.pair, f"they share no scores of {cohort} patients on the same slices")
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
        for level, known_as in zip(SLICES, metric.levels, strict=True):
            chosen = table[table["slices"].isin(known_as)].set_index("patient").dropna(subset=metric.column)
            if len(chosen):
                grade = chosen["grade"] if metric.column == "correct" else ""
                found[crops, level] = pd.DataFrame({"value": chosen[metric.column], "grade": grade})
    return found


def _difference(without: pd.DataFrame, leaking: pd.DataFrame) -> pd.DataFrame:
    """Both cells' values of the patients that both have."""
    both = without.index.intersection(leaking.index)
    return without.loc[both].assign(leaking=leaking.loc[both, "value"])


def _estimate(table: pd.DataFrame, rng: np.random.Generator, **options) -> tuple[float, statistics.Interval]:
    """The value of a cell, or of a difference of two, and its interval: of correctness by grade balanced accuracy."""
    value = table["value"].to_numpy(dtype=float)
    if not table["grade"].iloc[0]:
        change = table["leaking"].to_numpy(dtype=float) - value if "leaking" in table else value
        bounds = (-1, 1) if "leaking" in table else (0, 1)
        return float(change.mean()), statistics.mean_interval(change, rng, bounds, **options)
    hgg, right = (table["grade"] == "HGG").to_numpy(), value == 1
    confidence = options["confidence"]
    if "leaking" in table:
        leaking = table["leaking"].to_numpy(dtype=float) == 1
        effect = effects.balanced_accuracy_difference(hgg, leaking, right, confidence)
        return effect.value, statistics.Interval(effect.low, effect.high)
    counts = classification.confusion(hgg, right == hgg)
    score = float(classification.scores(counts)["balanced_accuracy"])
    return score, statistics.confusion_interval("balanced_accuracy", counts, confidence)
