"""Paired tests of the declared family: pairs of methods on the same patients, with effects and Holm's adjustment.

A method is a network, a VLM run or a baseline. Only patients that both methods of a pair have are compared. Each pair
has one primary test by what its methods deliver, and secondary ones; "pooled" patients (each judged by a model that has
not seen them) come first where both methods have them, the test patients second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from glioma import tasks
from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.metrics import classification
from glioma.scoring.settings import Settings
from glioma.stats import effects, statistics
from glioma.stats.effects import Effect

COLUMNS = (
    *("role", "cohort", "task", "first", "second", "slices", "metric", "test", "value_first", "value_second"),
    *("effect", "effect_name", "effect_low", "effect_high", "p", "p_holm", "n"),
)
COHORTS = ("pooled", "test")
METRICS = {
    "region": ("dice", "hd95"),
    "point": ("fraction_in_box", "p95_euclidean_distance"),
    "label": ("correct",),
}
"""The scores of each output that Wilcoxon's test compares, the primary one first."""
SLICES = {"3d": ("volume", "tumour volume"), "2d": ("tumour", "all")}
"""Where they are taken from, the preferred one first: stacked to a volume, or a mean over slices."""


@dataclass(frozen=True)
class Method:
    """A method: its name in the configuration, and its patients table of all cohorts.

    `every`: it was given every n-th of the slices only.
    """

    name: str
    task: str
    crops: str
    patients: pd.DataFrame
    every: int = 1

    @property
    def output(self) -> str:
        """What it delivers, see `tasks.Task`: only methods of one output can be compared."""
        return tasks.get(self.task).output

    def scopes(self, cohort: str) -> list[tuple[str, str]]:
        """The (slices, orientation) that it has scores for, in the order of its table."""
        own = self.patients[self.patients["cohort"] == cohort]
        return list(dict.fromkeys(zip(own["slices"], own["orientation"], strict=True)))

    def table(self, cohort: str, scope: tuple[str, str]) -> pd.DataFrame:
        """Its rows of one cohort and scope, indexed by patient."""
        wanted = {"cohort": cohort, "slices": scope[0], "orientation": scope[1]}
        rows = self.patients[np.logical_and.reduce([self.patients[key] == value for key, value in wanted.items()])]
        if rows["patient"].duplicated().any():
            raise ValueError(f"{self.name}: patient {rows['patient'][rows['patient'].duplicated()].iloc[0]} twice")
        return rows.set_index("patient")


def compare(
    methods: Iterable[Method], pairs: Iterable[Sequence[str]], dimension: str, settings: Settings
) -> pd.DataFrame:
    """All tests of the declared pairs of names, a table with `COLUMNS`.

    Several methods may have one name (a baseline in several tasks and crops): then those of a pair that deliver the
    same are compared. `dimension`: whether boxes, polygons and masks are compared as volumes ("3d") or slice by slice
    ("2d"). Effects are the first less the second. The primary tests of one cohort are one family; a secondary test's
    family is all pairs under its metric.
    """
    methods = list(methods)
    chosen = [_find(methods, *pair) for pair in pairs]
    rows = []
    for first, second in chosen:
        for cohort in _cohorts(first, second):
            where, tables = _tables(first, second, cohort, dimension)
            rng = partial(seeds.generator, settings.seed, cohort, first.name, second.name)
            if first.output == "grade":
                tests = _grading_tests(*tables, settings)
            else:
                tests = _score_tests(*tables, METRICS[first.output], rng, settings)
            head = {"cohort": cohort, "task": first.task, "first": first.name, "second": second.name, "slices": where}
            rows += [head | test for test in tests]
    return _adjusted(pd.DataFrame(rows, columns=list(COLUMNS)))


def _find(methods: list[Method], first: str, second: str) -> tuple[Method, Method]:
    """The two methods of these names that deliver the same, of one task and on the same crops where there are such."""
    named = [[method for method in methods if method.name == name] for name in (first, second)]
    for name, found in zip((first, second), named, strict=True):
        if not found:
            known = ", ".join(dict.fromkeys(method.name for method in methods)) or "none"
            raise _error(first, second, f"there are no scores of {name!r} to compare; there are those of {known}")
    if first == second:
        raise _error(first, second, "a method cannot be compared with itself; name two")
    alike = [pair for pair in product(*named) if len({method.output for method in pair}) == 1]
    if not alike:
        labels = [" and ".join(dict.fromkeys(method.task for method in found)) for found in named]
        reason = f"the first is for {labels[0]}, the second for {labels[1]}; compare methods of one task"
        raise _error(first, second, reason)
    return min(alike, key=lambda pair: (pair[0].task != pair[1].task, pair[0].crops != pair[1].crops))  # type: ignore[return-value]


def _error(first: str, second: str, reason: str) -> UserError:
    return UserError(f"configuration, key comparisons, pair [{first}, {second}]: {reason}")


def _cohorts(first: Method, second: Method) -> list[str]:
    """The cohorts that both methods have."""
    found = [cohort for cohort in COHORTS if first.scopes(cohort) and second.scopes(cohort)]
    if "test" not in found:
        raise _error(first.name, second.name, "they have no test patients in common; score both on the test set")
    return found


def _tables(
    first: Method, second: Method, cohort: str, dimension: str
) -> tuple[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Which slices are compared, and both methods' rows of the patients that both have, in one order.

    Grades are those of all axial slices where the method was given them, else of what it was given first;
    everything else must be of the same slices. A method that was given every n-th of them only can be compared
    with one that was given all, as an estimate: the name of the slices then says so.
    """
    scopes = [method.scopes(cohort) for method in (first, second)]
    if first.output == "grade":
        chosen = [("all", "axial") if ("all", "axial") in found else found[0] for found in scopes]
    else:
        order = SLICES[dimension if first.output == "region" else "2d"]
        # A network's volume has no orientation: it is the one that all slices of any orientation make up.
        shared = [
            (ours, theirs)
            for ours, theirs in product(*scopes)
            if ours[0] in order and ours[0] == theirs[0] and (ours == theirs or "volume" in (ours[1], theirs[1]))
        ]
        if not shared:
            reason = f"they share no slices ({_listed(scopes[0])} against {_listed(scopes[1])}); give both the same"
            raise _error(first.name, second.name, reason)
        preference = {"volume": 0, "axial": 1}
        chosen = min(
            shared, key=lambda pair: (order.index(pair[0][0]), *(preference.get(scope[1], 2) for scope in pair))
        )
    ours, theirs = (method.table(cohort, scope) for method, scope in zip((first, second), chosen, strict=True))
    both = ours.index.intersection(theirs.index)
    if both.empty:
        raise _error(
            first.name, second.name, f"no patient of cohort {cohort} was judged by both; score both on the same"
        )
    names = dict.fromkeys(_every(scope, each.every) for scope, each in zip(chosen, (first, second), strict=True))
    return " / ".join(names), (ours.loc[both], theirs.loc[both])


def _every(scope: tuple[str, str], every: int) -> str:
    """What the slices of a method are called that was given every n-th of them."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(every % 10 if every % 100 not in (11, 12, 13) else 0, "th")
    return _listed([scope]) + (f", every {every}{ending} slice" if every > 1 else "")


def _listed(scopes: Iterable[tuple[str, str]]) -> str:
    names = (slices if slices == orientation else f"{slices}, {orientation}" for slices, orientation in scopes)
    return " / ".join(names)


def _grading_tests(ours: pd.DataFrame, theirs: pd.DataFrame, settings: Settings) -> list[dict]:
    """Tests of balanced accuracy (primary), of accuracy, recall and specificity, and of the area under the ROC curve.

    Balanced accuracy, for a method that always says HGG has a high accuracy where most patients have one. Tables have
    columns grade and label; an undecided patient is wrong. DeLong's test takes the mean HGG probability (p_hgg), or the
    share of HGG slices (gldr) of a method without one, of patients for whom both methods have it.
    """
    hgg = (ours["grade"] == "HGG").to_numpy(dtype=bool)
    right = [(table["label"] == table["grade"]).to_numpy(dtype=bool) for table in (ours, theirs)]
    balanced = [(_means([correct[hgg]])[0] + _means([correct[~hgg]])[0]) / 2 for correct in right]
    effect = effects.balanced_accuracy_difference(hgg, *right, settings.confidence)
    rows = [_row("primary", "balanced_accuracy_all", "MOVER", balanced, effect, hgg.size)]
    for metric, among in (("accuracy_all", hgg | True), ("recall_all", hgg), ("specificity_all", ~hgg)):
        chosen = [correct[among] for correct in right]
        effect = effects.risk_difference(*chosen, settings.confidence)
        rows.append(_row("secondary", metric, "Newcombe", _means(chosen), effect, chosen[0].size))
    scores = np.stack([_score(ours), _score(theirs)])
    known = np.isfinite(scores).all(axis=0)
    truth, scores = hgg[known], scores[:, known]
    areas = [float(classification.auc(score[truth], score[~truth])) for score in scores]
    effect = effects.auc_difference(truth, *scores, settings.confidence)
    return [*rows, _row("secondary", "auc", "DeLong", areas, effect, truth.size)]


def _score_tests(
    ours: pd.DataFrame, theirs: pd.DataFrame, metrics: Sequence[str], rng: partial, settings: Settings
) -> list[dict]:
    """Wilcoxon signed-rank tests of patient scores, the first one primary; values are means over the pairs' patients.

    The primary test has two effects: the median difference beside the test, the rank-biserial correlation in a row of
    its own without a test.
    """
    options: dict[str, Any] = {"confidence": settings.confidence}
    rows = []
    for metric in metrics:
        values = pd.concat([ours[metric], theirs[metric]], axis=1).dropna().to_numpy(dtype=float).T
        role = "secondary" if rows else "primary"
        effect = effects.hodges_lehmann(*values, **options)
        n = values.shape[1]
        rows.append(_row(role, metric, "Wilcoxon signed-rank", _means(values), effect, n))
        if role == "primary":
            effect = effects.rank_biserial(*values, rng(metric), resamples=settings.resamples, **options)
            rows.append(_row("secondary", metric, "effect only", _means(values), effect, n))
    return rows


def _means(values: Iterable[np.ndarray]) -> list[float]:
    return [float(np.mean(value)) if len(value) else float("nan") for value in values]


def _score(table: pd.DataFrame) -> np.ndarray:
    """The column that ranks a method's patients, (P,); NaN where there is none."""
    for column in ("p_hgg", "gldr"):
        if column in table and table[column].notna().any():
            return table[column].to_numpy(dtype=float)
    return np.full(len(table), np.nan)


def _row(role: str, metric: str, test: str, values: Sequence[float], effect: Effect, n: int) -> dict:
    return {
        "role": role,
        "metric": metric,
        "test": test,
        "value_first": values[0],
        "value_second": values[1],
        "effect": effect.value,
        "effect_name": effect.name,
        "effect_low": effect.low,
        "effect_high": effect.high,
        "p": effect.p,
        "n": n,
    }


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with Holm's adjustment: primary tests together within a cohort, secondary ones within their metric."""
    family = table["metric"].where(table["role"] == "secondary", "primary")
    for _, members in table.groupby(["cohort", family]):
        adjusted = statistics.holm(members["p"].to_dict())
        table.loc[list(adjusted), "p_holm"] = list(adjusted.values())
    return table
