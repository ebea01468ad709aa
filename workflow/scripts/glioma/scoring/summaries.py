"""Tidy rows of the result tables: one value, its interval, and the number of patients it rests on."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from glioma.base import seeds
from glioma.metrics import abstention, calibration, classification, records
from glioma.scoring.settings import Settings
from glioma.stats import statistics

COLUMNS = (
    *("task", "family", "run", "model", "adapter", "cohort", "crops", "slices", "orientation", "unit"),
    *("metric", "value", "low", "high", "n", "n_undecided"),
)


@dataclass(frozen=True)
class Entry:
    """What a group of rows is about: facts, the first columns of every table of scores. Labels are made of them later.

    family: "cnn", "radiomics", "sam", "vlm" or "baseline".
    run: the entry's name in the configuration, or the baseline's.
    model: the VLM's name, or the network's architecture; "" for a baseline.
    adapter: the adapter's name; "" for a model off the shelf and for what has none.
    cohort: "validation" (development patients out of fold), "test", or "pooled" (both of those: every patient, by a
        model that has not seen it); of the one CNN that stands beside published rows "train", "fold_validation" and
        "fold_test", see `tables.SINGLE`.
    crops: what the images were cut around, "brain" or "tumour"; "" where images play no part.
    """

    task: str
    family: str
    run: str
    model: str = ""
    adapter: str = ""
    cohort: str = ""
    crops: str = ""

    def facts(self) -> dict[str, str]:
        """The columns that say whose rows these are, the cohort left out."""
        return {name: value for name, value in asdict(self).items() if name != "cohort"}

    def generator(self, seed: int, *names: str) -> np.random.Generator:
        """Random numbers that belong to one value of this entry, whatever else is computed before it.

        They are keyed by task, run, cohort and crops: neither a label nor the name of a model changes them.
        """
        return seeds.generator(seed, self.task, self.run, self.cohort, self.crops, *names)


@dataclass(frozen=True)
class Scope:
    """Which slices, in which orientation, and what is one observation."""

    slices: str
    orientation: str
    unit: str = "patient"


def row(
    entry: Entry,
    scope: Scope,
    metric: str,
    value: float,
    n: int,
    n_undecided: int = 0,
    interval: statistics.Interval = statistics.NO_INTERVAL,
) -> dict:
    """One row of a summary; n counts patients, or slices where the unit is the slice and there is no patient mean."""
    return {
        **asdict(entry),
        **asdict(scope),
        "metric": metric,
        "value": float(value),
        "low": interval.low,
        "high": interval.high,
        "n": int(n),
        "n_undecided": int(n_undecided),
    }


def table(rows: Iterable[dict]) -> pd.DataFrame:
    """Rows as a summary table with `COLUMNS`."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def concatenate(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Several summary tables as one, in the order given; columns must be `COLUMNS`."""
    tables = list(tables)
    for position, each in enumerate(tables):
        if tuple(each.columns) != COLUMNS:
            raise ValueError(f"table {position} is no summary: its columns are {list(each.columns)}")
    filled = [each for each in tables if len(each)]
    return pd.concat(filled, ignore_index=True) if filled else table([])


def mean_rows(
    entry: Entry, scope: Scope, patients: pd.DataFrame, metrics: Iterable[str], settings: Settings, n_undecided: int = 0
) -> list[dict]:
    """The mean over patients of each metric column, with its interval; NaN cells are left out."""
    rows = []
    for metric in metrics:
        values = patients[metric].dropna().to_numpy(dtype=float)
        value = values.mean() if values.size else float("nan")
        rng = entry.generator(settings.seed, *asdict(scope).values(), metric)
        record = records.get(metric)
        interval = statistics.mean_interval(
            values,
            rng,
            record.bounds if record else (-np.inf, np.inf),
            resamples=settings.resamples,
            confidence=settings.confidence,
        )
        rows.append(row(entry, scope, metric, value, values.size, n_undecided, interval))
    return rows


def classification_rows(
    entry: Entry, scope: Scope, grades: Iterable[str], labels: Iterable[str], settings: Settings
) -> list[dict]:
    """Scores of patient labels, over decided patients and, with the suffix `_all`, over all of them.

    `labels` are "LGG", "HGG", "no glioma" (decided, and wrong for either grade) or "" (undecided: left out of the
    first set of scores, wrong in the second). The counts of the confusion matrix are rows too.
    """
    truth = np.asarray(list(grades)) == "HGG"
    labels = np.asarray(list(labels), dtype=object)
    undecided = labels == ""
    predicted = np.where(np.isin(labels, ("LGG", "HGG")), labels == "HGG", ~truth)
    rows = []
    for suffix, keep in (("", ~undecided), ("_all", np.ones_like(undecided))):
        rows += _confusion_rows(entry, scope, truth[keep], predicted[keep], settings, suffix, int(undecided.sum()))
    return rows


def _confusion_rows(
    entry: Entry,
    scope: Scope,
    truth: np.ndarray,
    predicted: np.ndarray,
    settings: Settings,
    suffix: str,
    n_undecided: int,
) -> list[dict]:
    counts = classification.confusion(truth, predicted)
    shares = classification.proportions(counts)
    rows = []
    for metric, value in classification.scores(counts).items():
        n = int(shares[metric][1]) if metric in shares else truth.size
        interval = statistics.confusion_interval(metric, counts, settings.confidence)
        rows.append(row(entry, scope, metric + suffix, float(value), n, n_undecided, interval))
    cells = zip(counts._fields, counts, strict=True)
    return rows + [row(entry, scope, name + suffix, int(count), truth.size, n_undecided) for name, count in cells]


def auc_row(
    entry: Entry, scope: Scope, metric: str, grades: Iterable[str], score: Iterable[float], settings: Settings
) -> dict:
    """Area under the ROC curve of a patient score, higher for HGG; patients without a score count as undecided."""
    truth, score = np.asarray(list(grades)) == "HGG", np.asarray(list(score), dtype=float)
    known = np.isfinite(score)
    truth, score = truth[known], score[known]
    value = float(classification.auc(score[truth], score[~truth]))
    interval = statistics.auc_interval(value, int(truth.sum()), int((~truth).sum()), settings.confidence)
    return row(entry, scope, metric, value, int(known.sum()), int((~known).sum()), interval)


def aurc_row(
    entry: Entry,
    scope: Scope,
    metric: str,
    patients: tuple[Iterable[str], Iterable[str], Iterable[float]],
    settings: Settings,
) -> dict:
    """Area under the risk-coverage curve of patients' (grades, labels, scores), higher for HGG.

    An undecided patient is wrong and the last to be answered; one without a score counts as undecided.
    """
    grades, labels, score = (np.asarray(list(each), dtype=object) for each in patients)
    score = np.where(labels == "", 0.5, score.astype(float))
    known = np.isfinite(score)
    wrong = (labels != grades)[known]
    sure = abstention.confidence(labels[known], score[known])
    value = float(abstention.aurc(wrong, sure))
    interval = statistics.bootstrap(
        (np.arange(len(wrong)),),
        lambda drawn, axis=-1: abstention.aurc(wrong[drawn], sure[drawn]),
        entry.generator(settings.seed, *asdict(scope).values(), metric),
        settings.resamples,
        settings.confidence,
    )
    return row(entry, scope, metric, value, int(known.sum()), int((~known).sum()), interval)


def calibration_rows(
    entry: Entry, scope: Scope, grades: Iterable[str], p_hgg: Iterable[float], settings: Settings
) -> list[dict]:
    """Brier score, ECE, and what ECE would be by chance if the probabilities were right; no rows without any.

    The last one's value is its mean over samples drawn so, and its interval holds the middle of them. Patients without
    a probability count as undecided.
    """
    truth, p_hgg = np.asarray(list(grades)) == "HGG", np.asarray(list(p_hgg), dtype=float)
    known = np.isfinite(p_hgg)
    if not known.any():
        return []
    truth, p_hgg = truth[known], p_hgg[known]
    grades_apart, bins = (p_hgg[truth], p_hgg[~truth]), settings.calibration_bins
    rngs = {name: entry.generator(settings.seed, *asdict(scope).values(), name) for name in calibration.METRICS}
    interval = statistics.brier_interval(
        truth, p_hgg, rngs["brier"], resamples=settings.resamples, confidence=settings.confidence
    )
    chance = calibration.ece_if_calibrated(p_hgg, rngs["ece_if_calibrated"], bins, settings.resamples)
    tail = (1 - settings.confidence) / 2
    values = {
        "brier": (calibration.brier(*grades_apart), interval),
        "ece": (calibration.ece(*grades_apart, bins=bins), statistics.NO_INTERVAL),
        "ece_if_calibrated": (chance.mean(), statistics.Interval(*np.quantile(chance, [tail, 1 - tail]).tolist())),
    }
    n, missing = int(known.sum()), int((~known).sum())
    return [row(entry, scope, name, value, n, missing, found) for name, (value, found) in values.items()]
