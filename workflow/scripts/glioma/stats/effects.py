"""How large a difference between two methods on the same patients is: effect sizes with intervals.

Every effect is the first method less the second.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from glioma.stats.statistics import CONFIDENCE, NO_INTERVAL, Interval, bootstrap, compare_areas, wilson


class Effect(NamedTuple):
    """An effect's name, its value, and its interval (NaN where there is none)."""

    name: str
    value: float
    low: float
    high: float


NO_EFFECT = Effect("", float("nan"), *NO_INTERVAL)


def risk_difference(first_correct: np.ndarray, second_correct: np.ndarray, confidence: float = CONFIDENCE) -> Effect:
    """Difference of two proportions of the same patients, from boolean correctness.

    The interval adds the squared arms of Wilson's intervals, with their correlation corrected for continuity: method 10
    of Newcombe, Statistics in Medicine 17:2635-2650 (1998).
    """
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    name, n = "risk difference", first.size
    if n == 0:
        return Effect(name, float("nan"), *NO_INTERVAL)
    both, neither = int(np.sum(first & second)), int(np.sum(~first & ~second))
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(~first & second))
    p, q = first.mean(), second.mean()
    (p_low, p_high), (q_low, q_high) = (wilson(int(right.sum()), n, confidence) for right in (first, second))
    margins = np.sqrt(float(np.prod([right.sum() * (n - right.sum()) for right in (first, second)], dtype=float)))
    product = both * neither - only_first * only_second
    phi = (max(product - n / 2, 0) if product > 0 else product) / margins if margins else 0.0

    def arm(mine: float, other: float) -> float:
        # Rounding may leave a hair less than nothing.
        return float(np.sqrt(max(mine**2 - 2 * phi * mine * other + other**2, 0)))

    value = float(p - q)
    return Effect(name, value, value - arm(p - p_low, q_high - q), value + arm(p_high - p, q - q_low))


def balanced_accuracy_difference(
    truth: np.ndarray, first_correct: np.ndarray, second_correct: np.ndarray, rng: np.random.Generator, **options
) -> Effect:
    """Difference of balanced accuracies, with a paired bootstrap (BCa) stratified by grade.

    A balanced accuracy is a mean of means, so resampling the patients' differences keeps the pairs together.
    """
    truth = np.asarray(truth, dtype=bool)
    difference = np.asarray(first_correct, dtype=float) - np.asarray(second_correct, dtype=float)
    hgg, lgg = difference[truth], difference[~truth]
    name = "difference of balanced accuracy"
    if min(hgg.size, lgg.size) == 0:
        return Effect(name, float("nan"), *NO_INTERVAL)

    def statistic(hgg: np.ndarray, lgg: np.ndarray, axis: int = -1) -> np.ndarray:
        return (hgg.mean(axis=axis) + lgg.mean(axis=axis)) / 2

    return Effect(name, float(statistic(hgg, lgg)), *bootstrap((hgg, lgg), statistic, rng, **options))


def auc_difference(truth: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float = CONFIDENCE) -> Effect:
    """Difference of two areas under the ROC curve, with DeLong's interval."""
    areas = compare_areas(truth, first, second)
    value = areas.first - areas.second
    half = float(stats.norm.ppf((1 + confidence) / 2) * np.sqrt(areas.variance))
    interval = Interval(value - half, value + half) if half > 0 else NO_INTERVAL
    return Effect("difference of AUC", value, *interval)


def hodges_lehmann(first: np.ndarray, second: np.ndarray, confidence: float = CONFIDENCE) -> Effect:
    """Pseudo-median of the paired differences, with the interval that the Wilcoxon signed-rank test inverts to.

    It is the median of the means of all pairs of differences (Hodges and Lehmann 1963), equal ones among them; pairs
    with a NaN are left out. The interval (Hollander and Wolfe 1973, section 3.4) is exact for differences without ties
    and keeps at least its confidence; fewer than six patients cannot give one of 95 %.
    """
    difference = _differences(first, second)
    name, n = "Hodges-Lehmann median difference", difference.size
    if n == 0:
        return Effect(name, float("nan"), *NO_INTERVAL)
    rows, columns = np.triu_indices(n)
    walsh = np.sort((difference[rows] + difference[columns]) / 2)
    below = np.cumsum(signed_rank_chances(n))
    depth = int(np.searchsorted(below, (1 - confidence) / 2))
    interval = Interval(float(walsh[depth - 1]), float(walsh[walsh.size - depth])) if depth else NO_INTERVAL
    return Effect(name, float(np.median(walsh)), *interval)


def signed_rank_chances(n: int) -> np.ndarray:
    """Chance of each value 0 ... n(n+1)/2 of the signed-rank statistic of n differences under its null hypothesis."""
    chances = np.ones(1)
    for rank in range(1, n + 1):
        nothing = np.zeros(rank)
        chances = (np.concatenate([chances, nothing]) + np.concatenate([nothing, chances])) / 2
    return chances


def rank_biserial(first: np.ndarray, second: np.ndarray, rng: np.random.Generator, **options) -> Effect:
    """Matched-pairs rank-biserial correlation (Kerby 2014), -1 to 1, with a bootstrap interval (BCa).

    The rank sum in favour of the first less that in favour of the second, as a share of all; equal pairs have no rank.
    """
    difference = _differences(first, second)
    value = float(_signed_rank_share(difference)) if difference.size else float("nan")
    interval = bootstrap((difference,), _signed_rank_share, rng, **options) if np.isfinite(value) else NO_INTERVAL
    return Effect("rank-biserial correlation", value, *interval)


def _signed_rank_share(difference: np.ndarray, axis: int = -1) -> np.ndarray:
    zeros = np.sum(difference == 0, axis=axis, keepdims=True)
    ranks = np.where(difference == 0, 0, stats.rankdata(np.abs(difference), axis=axis) - zeros)
    with np.errstate(invalid="ignore"):
        return np.sum(ranks * np.sign(difference), axis=axis) / np.sum(ranks, axis=axis)


def _differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Paired differences (N,) of the pairs that have both."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    return difference[np.isfinite(difference)]
