"""Whether a probability of HGG means what it says: Brier score, expected calibration error, reliability table.

Bins have equal width and hold their upper edge (the lowest holds 0 too), as those of scikit-learn's calibration_curve.
"""

import numpy as np
import pandas as pd

METRICS = ("brier", "ece", "ece_if_calibrated")
BINS = 10


def brier(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean squared difference between p(HGG) and the grade (Brier 1950), 0 to 1.

    `positive` and `negative` are the probabilities of HGG and LGG patients along `axis`; leading axes are kept.
    """
    squares = np.square(1 - positive).sum(axis=axis) + np.square(negative).sum(axis=axis)
    return squares / (np.shape(positive)[axis] + np.shape(negative)[axis])


def ece(positive: np.ndarray, negative: np.ndarray, axis: int = -1, bins: int = BINS) -> np.ndarray:
    """Expected calibration error of p(HGG) in equal-width bins: sum over bins of n / N * |share HGG - mean p|.

    The definition of Naeini et al. (2015), with the probability of the positive class, not of the chosen one. Arguments
    as `brier`. It has no interval: in samples of a perfect calibration it is far from 0 (on average .12 with 55
    patients, .05 with 369), resampling adds to that, and in simulations BCa intervals that say 95 % held the true value
    in 0 to 95 % of samples. What it must be compared with is `ece_if_calibrated`.
    """
    p = np.concatenate([positive, negative], axis=axis)
    truth = np.concatenate([np.ones_like(positive), np.zeros_like(negative)], axis=axis)
    return _gaps(truth - p, _bin(p, bins), bins, axis)


def ece_if_calibrated(
    p_hgg: np.ndarray, rng: np.random.Generator, bins: int = BINS, resamples: int = 2000
) -> np.ndarray:
    """ECE of as many samples in which these very probabilities are right, (resamples,).

    Grades are drawn with the probabilities given (the consistency resampling of Broecker and Smith 2007).
    """
    p = np.asarray(p_hgg, dtype=float)
    truth = rng.random((resamples, p.size)) < p
    return _gaps(truth - p, _bin(p, bins), bins)


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
    from statsmodels.stats.proportion import proportion_confint  # half a second, which not every job needs

    edges = np.linspace(0, 1, bins + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = proportion_confint(hgg, n, alpha=1 - confidence, method="wilson")
        means, shares = total / n, hgg / n
    return pd.DataFrame(
        {"bin": np.arange(bins), "low": edges[:-1], "high": edges[1:], "n": n, "mean_p": means, "share_hgg": shares}
    ).assign(share_low=low, share_high=high)


def _gaps(residual: np.ndarray, index: np.ndarray, bins: int, axis: int = -1) -> np.ndarray:
    """Sum over bins of |sum of residuals|, as a share of the patients along `axis`."""
    gaps = (np.abs(np.where(index == number, residual, 0).sum(axis=axis)) for number in range(bins))
    return sum(gaps) / residual.shape[axis]


def _bin(p: np.ndarray, bins: int) -> np.ndarray:
    """The number of each probability's bin, of the shape of `p`."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p)
