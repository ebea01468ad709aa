"""Tidy rows of the result tables: one value, its interval, and the number of patients it rests on."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import pandas as pd

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.metrics import calibration, classification, segmentation
from glioma.scoring.votes import Policy
from glioma.stats import statistics

COLUMNS = (
    *("task", "model", "arm", "run", "cohort", "crops", "slices", "orientation", "unit"),
    *("metric", "value", "low", "high", "n", "n_undecided"),
)

CHOICES = {
    "truth": ("mask", "shape"),
    "unreadable": ("empty", "exclude"),
    "hd95_unit": ("px", "mm"),
    "box_maximum": ("inclusive", "exclusive"),
}


@dataclass(frozen=True)
class Settings:
    """How answers become scores; the names are those of the `scores` section of the configuration.

    truth: a box or polygon is scored against the true "mask" or against the true mask's own box or polygon ("shape").
    unreadable: a shape answer that cannot be read is an "empty" prediction, or its slice is left out ("exclude").
    hd95_unit: "px" of the rendered slice (voxels of the crop for a volume) or "mm".
    hd95_empty: HD95 where exactly one of two masks is empty, in that unit; `None` is the frame's diagonal.
    box_maximum: whether the last row and column of a box are in it ("inclusive") or not, for both boxes compared.
    square_box: whether the true box is widened to a square, when it is scored as a shape.
    nsd_tolerance: how far apart surfaces may be and still agree for NSD, in the unit of HD95.
    calibration_bins: bins of equal width of the expected calibration error.
    """

    votes: Policy = field(default_factory=Policy)
    truth: str = "mask"
    unreadable: str = "empty"
    hd95_unit: str = "px"
    hd95_empty: float | None = None
    box_maximum: str = "inclusive"
    square_box: bool = False
    nsd_tolerance: float = segmentation.TOLERANCE
    calibration_bins: int = calibration.BINS
    side: int = 128
    confidence: float = statistics.CONFIDENCE
    resamples: int = statistics.RESAMPLES
    seed: int = 2020

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UserError(f"scores.{name}: {getattr(self, name)!r} is unknown; choose from {', '.join(allowed)}")

    @classmethod
    def from_config(cls, scores: Mapping, votes: Mapping, side: int = 128, seed: int = 2020) -> "Settings":
        """From the `scores` and `votes` sections; keys that belong to other code are not looked at."""
        known = {item.name for item in fields(cls)} - {"votes", "side", "seed"}
        rules = {item.name for item in fields(Policy)}
        policy = Policy(**{key: value for key, value in votes.items() if key in rules})
        return cls(votes=policy, side=side, seed=seed, **{k: v for k, v in scores.items() if k in known})


@dataclass(frozen=True)
class Entry:
    """What a group of rows is about: the first columns of every summary.

    cohort: "train", "validation" (development patients out of fold), "test", or "pooled" (both of those: every patient,
        by a model that has not seen it).
    crops: what the images were cut around, "brain" or "tumour"; "" where images play no part.
    """

    task: str
    model: str
    arm: str
    run: str
    cohort: str
    crops: str

    def generator(self, seed: int, *names: str) -> np.random.Generator:
        """Random numbers that belong to one value of this entry, whatever else is computed before it."""
        return seeds.generator(seed, *asdict(self).values(), *names)


@dataclass(frozen=True)
class Place:
    """Which slices, in which orientation, and what is one observation."""

    slices: str
    orientation: str
    unit: str = "patient"


def row(
    entry: Entry,
    place: Place,
    metric: str,
    value: float,
    n: int,
    n_undecided: int = 0,
    interval: statistics.Interval = statistics.NO_INTERVAL,
) -> dict:
    """One row of a summary; n counts patients, or slices where the unit is the slice and there is no patient mean."""
    return {
        **asdict(entry),
        **asdict(place),
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
    entry: Entry, place: Place, patients: pd.DataFrame, metrics: Iterable[str], settings: Settings, n_undecided: int = 0
) -> list[dict]:
    """The mean over patients of each metric column, with its bootstrap interval; NaN cells are left out."""
    rows = []
    for metric in metrics:
        values = patients[metric].dropna().to_numpy(dtype=float)
        value = values.mean() if values.size else float("nan")
        rng = entry.generator(settings.seed, *asdict(place).values(), metric)
        interval = statistics.mean_interval(values, rng, resamples=settings.resamples, confidence=settings.confidence)
        rows.append(row(entry, place, metric, value, values.size, n_undecided, interval))
    return rows


def classification_rows(
    entry: Entry, place: Place, grades: Iterable[str], labels: Iterable[str], settings: Settings
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
        rows += _confusion_rows(entry, place, truth[keep], predicted[keep], settings, suffix, int(undecided.sum()))
    return rows


def _confusion_rows(
    entry: Entry,
    place: Place,
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
        n = truth.size
        if metric in shares:
            n = int(shares[metric][1])
            interval = statistics.wilson(int(shares[metric][0]), n, settings.confidence)
        elif np.isnan(value):
            interval = statistics.NO_INTERVAL
        else:
            rng = entry.generator(settings.seed, *asdict(place).values(), metric + suffix)
            interval = statistics.classification_interval(
                metric, truth, predicted, rng, resamples=settings.resamples, confidence=settings.confidence
            )
        rows.append(row(entry, place, metric + suffix, float(value), n, n_undecided, interval))
    cells = zip(counts._fields, counts, strict=True)
    return rows + [row(entry, place, name + suffix, int(count), truth.size, n_undecided) for name, count in cells]


def auc_row(
    entry: Entry, place: Place, metric: str, grades: Iterable[str], score: Iterable[float], settings: Settings
) -> dict:
    """Area under the ROC curve of a patient score, higher for HGG; patients without a score count as undecided."""
    truth, score = np.asarray(list(grades)) == "HGG", np.asarray(list(score), dtype=float)
    known = np.isfinite(score)
    truth, score = truth[known], score[known]
    value = float(classification.auc(score[truth], score[~truth]))
    interval = statistics.NO_INTERVAL
    if np.isfinite(value):
        rng = entry.generator(settings.seed, *asdict(place).values(), metric)
        interval = statistics.auc_interval(
            truth, score, rng, resamples=settings.resamples, confidence=settings.confidence
        )
    return row(entry, place, metric, value, int(known.sum()), int((~known).sum()), interval)


def calibration_rows(
    entry: Entry, place: Place, grades: Iterable[str], p_hgg: Iterable[float], settings: Settings
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
    rngs = {name: entry.generator(settings.seed, *asdict(place).values(), name) for name in calibration.METRICS}
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
    return [row(entry, place, name, value, n, missing, found) for name, (value, found) in values.items()]
