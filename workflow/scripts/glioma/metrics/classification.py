"""Two-class scores, HGG positive. An undefined score is NaN, never 0."""

from typing import Any, NamedTuple

import numpy as np

METRICS = ("accuracy", "f1", "precision", "recall", "specificity", "balanced_accuracy", "mcc")


class Confusion(NamedTuple):
    """True positives, false negatives, true negatives and false positives: numbers, or arrays of one shape."""

    tp: Any
    fn: Any
    tn: Any
    fp: Any


def confusion(truth: np.ndarray, predicted: np.ndarray) -> Confusion:
    """Counts from boolean (..., patients) arrays, True for HGG; leading axes are kept."""
    truth, predicted = np.asarray(truth, dtype=bool), np.asarray(predicted, dtype=bool)
    cells = (truth & predicted, truth & ~predicted, ~truth & ~predicted, ~truth & predicted)
    return Confusion(*(cell.sum(axis=-1) for cell in cells))


def proportions(counts: Confusion) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The scores that are a share of patients, as (successes, trials)."""
    tp, fn, tn, fp = counts
    return {
        "accuracy": (tp + tn, tp + fn + tn + fp),
        "precision": (tp, tp + fp),
        "recall": (tp, tp + fn),
        "specificity": (tn, tn + fp),
    }


def scores(counts: Confusion) -> dict[str, np.ndarray]:
    """All of `METRICS` from a confusion matrix, element by element.

    F1 is 2 TP / (2 TP + FP + FN); MCC as in Matthews (1975), undefined (NaN) where a row or column of the matrix is
    empty, unlike scikit-learn, which then says 0.
    """
    tp, fn, tn, fp = (np.asarray(count, dtype=float) for count in counts)
    found = {name: _ratio(*share) for name, share in proportions(Confusion(tp, fn, tn, fp)).items()}
    found["f1"] = _ratio(2 * tp, 2 * tp + fp + fn)
    found["balanced_accuracy"] = (found["recall"] + found["specificity"]) / 2
    found["mcc"] = _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
    return {name: found[name] for name in METRICS}


def auc(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
    """Area under the ROC curve: the chance that a positive's score exceeds a negative's, ties half (Hanley 1982).

    Scores along `axis`, which is last; leading axes broadcast. NaN if either side is empty.
    """
    positive, negative = np.moveaxis(positive, axis, -1), np.moveaxis(negative, axis, -1)
    if positive.shape[-1] == 0 or negative.shape[-1] == 0:
        return np.full(np.broadcast_shapes(positive.shape[:-1], negative.shape[:-1]), np.nan)
    difference = positive[..., :, None] - negative[..., None, :]
    return 0.5 + 0.5 * np.sign(difference).mean(axis=(-2, -1))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, np.divide(numerator, denominator), np.nan)
