"""Whether a probability of HGG means what it says: Brier score, expected calibration error, reliability table.

Bins have equal width and hold their upper edge (the lowest holds 0 too), as those of scikit-learn's calibration_curve.
"""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

METRICS = ("brier", "ece")
BINS = 10


def brier(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean squared difference between p(HGG) and the grade (Brier 1950), 0 to 1.

    `positive` and `negative` are the probabilities of HGG and LGG patients along `axis`; leading axes are kept.
    """
    squares = np.square(1 - positive).sum(axis=axis) + np.square(negative).sum(axis=axis)
    return squares / (np.shape(positive)[axis] + np.shape(negative)[axis])


def ece(positive: np.ndarray, negative: np.ndarray, axis: int = -1, bins: int = BINS) -> np.ndarray:
    """Expected calibration error of p(HGG) in equal-width bins: sum over bins of n / N * |share HGG - mean p|.

    The definition of Naeini et al. (2015), with the probability of the positive class, not of the chosen one. Small
    samples make it larger than it is. Arguments as `brier`.
    """
    p = np.concatenate([positive, negative], axis=axis)
    residual = np.concatenate([1 - np.asarray(positive), -np.asarray(negative)], axis=axis)
    index = _bin(p, bins)
    gaps = (np.abs(np.where(index == number, residual, 0).sum(axis=axis)) for number in range(bins))
    return sum(gaps) / p.shape[axis]


def reliability(truth: np.ndarray, p_hgg: np.ndarray, bins: int = BINS, confidence: float = 0.95) -> pd.DataFrame:
    """A reliability diagram as a table: one row per bin, the empty ones too.

    `truth` is boolean (patients,), True for HGG; patients without a probability (NaN) are left out. Columns: bin, low
    and high (its edges), n, mean_p, share_hgg, and share_low and share_high (Wilson's interval of the share).
    """
    truth, p_hgg = np.asarray(truth, dtype=bool), np.asarray(p_hgg, dtype=float)
    known = np.isfinite(p_hgg)
    truth, p_hgg = truth[known], p_hgg[known]
    index = _bin(p_hgg, bins)
    n, hgg, total = (np.bincount(index, weights, minlength=bins) for weights in (None, truth, p_hgg))
    edges = np.linspace(0, 1, bins + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = proportion_confint(hgg, n, alpha=1 - confidence, method="wilson")
        means, shares = total / n, hgg / n
    return pd.DataFrame(
        {"bin": np.arange(bins), "low": edges[:-1], "high": edges[1:], "n": n, "mean_p": means, "share_hgg": shares}
    ).assign(share_low=low, share_high=high)


def _bin(p: np.ndarray, bins: int) -> np.ndarray:
    """The number of each probability's bin, of the shape of `p`."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p)
