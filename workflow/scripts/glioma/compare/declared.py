"""Paired tests of the declared family: pairs of readers of the same patients, with effects and Holm's adjustment.

A reader is a network, a VLM run or a baseline. Only patients that both readers of a pair have are compared. Each pair
has one primary test by what its readers do, and secondary ones; "pooled" patients (each read by a model that has not
seen them) come first where both readers have them, the test patients second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.metrics import classification
from glioma.scoring.summaries import Settings
from glioma.stats import effects, statistics
from glioma.stats.effects import Effect
from glioma.stats.statistics import Result

COLUMNS = (
    *("role", "cohort", "first", "second", "slices", "metric", "test", "value_first", "value_second"),
    *("effect", "effect_name", "effect_low", "effect_high", "statistic", "p", "p_holm", "n"),
)
COHORTS = ("pooled", "test")
KINDS = {
    "classification": "grades",
    "segmentation": "draws",
    "bounding_box": "draws",
    "polygon": "draws",
    "center_point": "points",
}
"""What a reader of each task does; only readers of one kind can be compared."""
METRICS = {"draws": ("dice", "hd95"), "points": ("fraction_in_box", "p95_euclidean_distance")}
"""The scores that Wilcoxon's test compares, the primary one first."""
SLICES = {"3d": ("volume", "tumour volume"), "2d": ("tumour", "all")}
"""Where they are taken from, the preferred one first: stacked to a volume, or a mean over slices."""


@dataclass(frozen=True)
class Reader:
    """A reader's patients table (of all cohorts), and what it is called in the configuration and in the report.

    `every`: it was asked about every n-th of the slices only.
    """

    name: str
    label: str
    task: str
    crops: str
    patients: pd.DataFrame
    every: int = 1

    def places(self, cohort: str) -> list[tuple[str, str]]:
        """The (slices, orientation) that it has scores for, in the order of its table."""
        own = self.patients[self.patients["cohort"] == cohort]
        return list(dict.fromkeys(zip(own["slices"], own["orientation"], strict=True)))

    def table(self, cohort: str, place: tuple[str, str]) -> pd.DataFrame:
        """Its rows of one cohort and place, indexed by patient."""
        wanted = {"cohort": cohort, "slices": place[0], "orientation": place[1]}
        rows = self.patients[np.logical_and.reduce([self.patients[key] == value for key, value in wanted.items()])]
        if rows["patient"].duplicated().any():
            raise ValueError(f"{self.name}: patient {rows['patient'][rows['patient'].duplicated()].iloc[0]} twice")
        return rows.set_index("patient")


def compare(
    readers: Iterable[Reader], pairs: Iterable[Sequence[str]], dimension: str, settings: Settings
) -> pd.DataFrame:
    """All tests of the declared pairs of reader names, a table with `COLUMNS`.

    Several readers may have one name (a baseline in several tasks and crops): then those of a pair that do the same are
    compared. `dimension`: whether boxes, polygons and masks are compared as volumes ("3d") or slice by slice ("2d").
    Effects are the first less the second. The primary tests of one cohort are one family; a secondary test's family is
    all pairs under its metric.
    """
    readers = list(readers)
    chosen = [_find(readers, *pair) for pair in pairs]
    labels = _labels([reader for pair in chosen for reader in pair])
    rows = []
    for first, second in chosen:
        for cohort in _cohorts(first, second):
            where, tables = _tables(first, second, cohort, dimension)
            rng = partial(seeds.generator, settings.seed, cohort, first.name, second.name)
            if KINDS[first.task] == "grades":
                tests = _grading_tests(*tables, rng, settings)
            else:
                tests = _score_tests(*tables, METRICS[KINDS[first.task]], rng, settings)
            head = {"cohort": cohort, "first": labels[first.name, first.task], "slices": where}
            rows += [head | {"second": labels[second.name, second.task]} | test for test in tests]
    return _adjusted(pd.DataFrame(rows, columns=list(COLUMNS)))


def _find(readers: list[Reader], first: str, second: str) -> tuple[Reader, Reader]:
    """The two readers of these names that do the same, of one task and on the same crops where there are such."""
    named = [[reader for reader in readers if reader.name == name] for name in (first, second)]
    for name, found in zip((first, second), named, strict=True):
        if not found:
            known = ", ".join(dict.fromkeys(reader.name for reader in readers)) or "none"
            raise _fault(first, second, f"there are no scores of {name!r} to compare; there are those of {known}")
    if first == second:
        raise _fault(first, second, "a reader cannot be compared with itself; name two")
    alike = [pair for pair in product(*named) if len({KINDS[reader.task] for reader in pair}) == 1]
    if not alike:
        tasks = [" and ".join(dict.fromkeys(reader.task for reader in found)) for found in named]
        reason = f"the first does {tasks[0]}, the second {tasks[1]}; compare readers of one task"
        raise _fault(first, second, reason)
    return min(alike, key=lambda pair: (pair[0].task != pair[1].task, pair[0].crops != pair[1].crops))


def _fault(first: str, second: str, reason: str) -> UserError:
    return UserError(f"configuration, key comparisons, pair [{first}, {second}]: {reason}")


def _labels(readers: list[Reader]) -> dict[tuple[str, str], str]:
    """What each reader (name, task) is called; those that share a label are told apart by their names."""
    names = pd.DataFrame([(reader.label, reader.name) for reader in readers], columns=["label", "name"])
    shared = names.groupby("label")["name"].nunique() > 1
    return {
        (reader.name, reader.task): f"{reader.label} ({reader.name})" if shared[reader.label] else reader.label
        for reader in readers
    }


def _cohorts(first: Reader, second: Reader) -> list[str]:
    """The cohorts that both readers have."""
    found = [cohort for cohort in COHORTS if first.places(cohort) and second.places(cohort)]
    if "test" not in found:
        raise _fault(first.name, second.name, "they have no test patients in common; score both on the test set")
    return found


def _tables(
    first: Reader, second: Reader, cohort: str, dimension: str
) -> tuple[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Which slices are compared, and both readers' rows of the patients that both have, in one order.

    Grades are those of all axial slices where the reader was asked about them, else of what it was asked first;
    everything else must be of the same slices. A reader that was asked about every n-th of them only can be compared
    with one that was asked about all, as an estimate: the name of the slices then says so.
    """
    places = [reader.places(cohort) for reader in (first, second)]
    if KINDS[first.task] == "grades":
        chosen = [("all", "axial") if ("all", "axial") in found else found[0] for found in places]
    else:
        order = SLICES["2d" if KINDS[first.task] == "points" else dimension]
        # A network's volume has no orientation: it is the one that all slices of any orientation make up.
        shared = [
            (ours, theirs)
            for ours, theirs in product(*places)
            if ours[0] in order and ours[0] == theirs[0] and (ours == theirs or "volume" in (ours[1], theirs[1]))
        ]
        if not shared:
            reason = (
                f"they share no slices ({_listed(places[0])} against {_listed(places[1])}); ask both about the same"
            )
            raise _fault(first.name, second.name, reason)
        preference = {"volume": 0, "axial": 1}
        chosen = min(
            shared, key=lambda pair: (order.index(pair[0][0]), *(preference.get(place[1], 2) for place in pair))
        )
    ours, theirs = (reader.table(cohort, place) for reader, place in zip((first, second), chosen, strict=True))
    both = ours.index.intersection(theirs.index)
    if both.empty:
        raise _fault(first.name, second.name, f"no patient of cohort {cohort} was read by both; score both on the same")
    names = dict.fromkeys(_every(place, each.every) for place, each in zip(chosen, (first, second), strict=True))
    return " / ".join(names), (ours.loc[both], theirs.loc[both])


def _every(place: tuple[str, str], every: int) -> str:
    """What the slices of a reader are called that was asked about every n-th of them."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(every % 10 if every % 100 not in (11, 12, 13) else 0, "th")
    return _listed([place]) + (f", every {every}{ending} slice" if every > 1 else "")


def _listed(places: Iterable[tuple[str, str]]) -> str:
    names = (slices if slices == orientation else f"{slices}, {orientation}" for slices, orientation in places)
    return " / ".join(names)


def _grading_tests(ours: pd.DataFrame, theirs: pd.DataFrame, rng: partial, settings: Settings) -> list[dict]:
    """Tests of balanced accuracy (primary), of accuracy, recall and specificity, and of the area under the ROC curve.

    Balanced accuracy, for a reader that always says HGG has a high accuracy where most patients have one. Tables have
    columns grade and label; an undecided patient is wrong. DeLong's test takes the mean HGG probability (p_hgg), or the
    share of HGG slices (gldr) of a reader without one, of patients for whom both readers have it.
    """
    hgg = (ours["grade"] == "HGG").to_numpy(dtype=bool)
    right = [(table["label"] == table["grade"]).to_numpy(dtype=bool) for table in (ours, theirs)]
    options = {"confidence": settings.confidence}
    balanced = [(_means([correct[hgg]])[0] + _means([correct[~hgg]])[0]) / 2 for correct in right]
    metric = "balanced_accuracy_all"
    effect = effects.balanced_accuracy_difference(hgg, *right, rng(metric), resamples=settings.resamples, **options)
    result = statistics.paired_permutation(hgg, *right)
    rows = [_row("primary", metric, "paired permutation, exact", balanced, effect, result)]
    for metric, among in (("accuracy_all", hgg | True), ("recall_all", hgg), ("specificity_all", ~hgg)):
        chosen = [correct[among] for correct in right]
        effect = effects.risk_difference(*chosen, **options)
        rows.append(_row("secondary", metric, "McNemar, exact", _means(chosen), effect, statistics.mcnemar(*chosen)))
    scores = np.stack([_score(ours), _score(theirs)])
    known = np.isfinite(scores).all(axis=0)
    truth, scores = hgg[known], scores[:, known]
    areas = [float(classification.auc(score[truth], score[~truth])) for score in scores]
    effect, result = effects.auc_difference(truth, *scores, **options), statistics.delong(truth, *scores)
    return [*rows, _row("secondary", "auc", "DeLong", areas, effect, result)]


def _score_tests(
    ours: pd.DataFrame, theirs: pd.DataFrame, metrics: Sequence[str], rng: partial, settings: Settings
) -> list[dict]:
    """Wilcoxon signed-rank tests of patient scores, the first one primary; values are means over the pairs' patients.

    The primary test has two effects: the median difference beside the test, the rank-biserial correlation in a row of
    its own without a test.
    """
    options = {"confidence": settings.confidence}
    rows = []
    for metric in metrics:
        values = pd.concat([ours[metric], theirs[metric]], axis=1).dropna().to_numpy(dtype=float).T
        role = "secondary" if rows else "primary"
        effect = effects.hodges_lehmann(*values, **options)
        result = statistics.wilcoxon(*values)
        rows.append(_row(role, metric, "Wilcoxon signed-rank", _means(values), effect, result))
        if role == "primary":
            effect = effects.rank_biserial(*values, rng(metric), resamples=settings.resamples, **options)
            alone = Result(float("nan"), float("nan"), result.n)
            rows.append(_row("secondary", metric, "effect only", _means(values), effect, alone))
    return rows


def _means(values: Iterable[np.ndarray]) -> list[float]:
    return [float(np.mean(value)) if len(value) else float("nan") for value in values]


def _score(table: pd.DataFrame) -> np.ndarray:
    """The column that ranks a reader's patients, (P,); NaN where there is none."""
    for column in ("p_hgg", "gldr"):
        if column in table and table[column].notna().any():
            return table[column].to_numpy(dtype=float)
    return np.full(len(table), np.nan)


def _row(role: str, metric: str, test: str, values: Sequence[float], effect: Effect, result: Result) -> dict:
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
        "statistic": result.statistic,
        "p": result.p,
        "n": result.n,
    }


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with Holm's adjustment: primary tests together within a cohort, secondary ones within their metric."""
    family = table["metric"].where(table["role"] == "secondary", "primary")
    for _, members in table.groupby(["cohort", family]):
        adjusted = statistics.holm(members["p"].to_dict())
        table.loc[list(adjusted), "p_holm"] = list(adjusted.values())
    return table
