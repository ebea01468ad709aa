"""How large a difference between two methods on the same patients is: effect sizes, their intervals and p values.

Every effect is the first method less the second. Interval and p of an effect come from one model: p is one less the
confidence of the widest interval that excludes no difference, so that p < .05 exactly where the interval of 95 %
excludes it.
"""

from collections.abc import Callable
from math import hypot
from typing import NamedTuple

import numpy as np
import scipy  # its parts are loaded when they are first used

from glioma.stats.statistics import CONFIDENCE, NO_INTERVAL, Interval, bootstrap, compare_areas, wilson


class Effect(NamedTuple):
    """An effect's name, its value, its interval, and the two-sided p of no difference (NaN where there is none)."""

    name: str
    value: float
    low: float
    high: float
    p: float = float("nan")


def _with_p(name: str, value: float, interval: Callable[[float], Interval], confidence: float) -> Effect:
    """An effect whose interval is a function of its confidence, and the p that this function implies."""

    def reach(alpha: float) -> float:
        low, high = interval(1 - alpha)
        return low if value > 0 else -high

    # A difference of sums may be a hair beside 0; below the smallest p a normal quantile cannot be had.
    smallest, largest = 1e-15, 1 - 1e-9
    if abs(value) < 1e-12 or reach(largest) <= 0:
        p = 1.0
    elif reach(smallest) > 0:
        p = smallest
    else:
        p = float(scipy.optimize.brentq(reach, smallest, largest, xtol=1e-13))
    return Effect(name, value, *interval(confidence), p)


def risk_difference(first_correct: np.ndarray, second_correct: np.ndarray, confidence: float = CONFIDENCE) -> Effect:
    """Difference of two proportions of the same patients, from boolean correctness.

    The interval adds the squared arms of Wilson's intervals, with their correlation corrected for continuity: method 10
    of Newcombe, Statistics in Medicine 17:2635-2650 (1998).
    """
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if first.size == 0:
        return Effect("risk difference", float("nan"), *NO_INTERVAL)
    value = float(first.mean() - second.mean())
    return _with_p("risk difference", value, lambda level: _newcombe(first, second, level), confidence)


def balanced_accuracy_difference(
    truth: np.ndarray, first_correct: np.ndarray, second_correct: np.ndarray, confidence: float = CONFIDENCE
) -> Effect:
    """Difference of balanced accuracies on the same patients: the mean of the grades' risk differences.

    The grades are independent, so that the interval adds the squared arms of Newcombe's intervals of either (MOVER:
    Zou and Donner, Statistics in Medicine 27:1693-1702 (2008)). NaN without patients of both grades.
    """
    truth = np.asarray(truth, dtype=bool)
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    name = "difference of balanced accuracy"
    if truth.all() or not truth.any():
        return Effect(name, float("nan"), *NO_INTERVAL)
    grades = [(first[grade], second[grade]) for grade in (truth, ~truth)]
    gaps = [float(ours.mean() - theirs.mean()) for ours, theirs in grades]
    value = sum(gaps) / 2

    def interval(level: float) -> Interval:
        bounds = [_newcombe(ours, theirs, level) for ours, theirs in grades]
        arms = [hypot(*(bound[side] - gap for bound, gap in zip(bounds, gaps, strict=True))) / 2 for side in (0, 1)]
        return Interval(value - arms[0], value + arms[1])

    return _with_p(name, value, interval, confidence)


def _newcombe(first: np.ndarray, second: np.ndarray, confidence: float) -> Interval:
    n, p, q = first.size, first.mean(), second.mean()
    both, neither = int(np.sum(first & second)), int(np.sum(~first & ~second))
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(~first & second))
    (p_low, p_high), (q_low, q_high) = (wilson(int(right.sum()), n, confidence) for right in (first, second))
    margins = np.sqrt(float(np.prod([right.sum() * (n - right.sum()) for right in (first, second)], dtype=float)))
    product = both * neither - only_first * only_second
    phi = (max(product - n / 2, 0) if product > 0 else product) / margins if margins else 0.0

    def arm(mine: float, other: float) -> float:
        # Rounding may leave a hair less than nothing.
        return float(np.sqrt(max(mine**2 - 2 * phi * mine * other + other**2, 0)))

    value = float(p - q)
    return Interval(value - arm(p - p_low, q_high - q), value + arm(p_high - p, q - q_low))


def auc_difference(truth: np.ndarray, first: np.ndarray, second: np.ndarray, confidence: float = CONFIDENCE) -> Effect:
    """Difference of two areas under the ROC curve, with DeLong's interval and test (1988).

    Without variance there is no interval, and p is 1 if the areas are equal.
    """
    areas, name = compare_areas(truth, first, second), "difference of AUC"
    value = areas.first - areas.second
    if not areas.variance > 1e-15:
        return Effect(name, value, *NO_INTERVAL, 1.0 if areas.variance <= 1e-15 and abs(value) < 1e-12 else np.nan)
    error = float(np.sqrt(areas.variance))
    half = float(scipy.special.ndtri((1 + confidence) / 2)) * error
    return Effect(name, value, value - half, value + half, float(2 * scipy.special.ndtr(-abs(value) / error)))


def hodges_lehmann(first: np.ndarray, second: np.ndarray, confidence: float = CONFIDENCE) -> Effect:
    """Pseudo-median of the paired differences, with the Wilcoxon signed-rank test and the interval that it inverts to.

    It is the median of the means of all pairs of differences (Hodges and Lehmann 1963), equal ones among them; pairs
    with a NaN are left out. Interval and p (Hollander and Wolfe 1973, section 3.4) are exact for differences without
    ties or zeros and keep at least their confidence; fewer than six patients cannot give an interval of 95 %. A mean of
    two differences that is zero speaks against either method, so that both stay honest where many patients score alike.
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
    against = min(np.count_nonzero(walsh <= 0), np.count_nonzero(walsh >= 0))
    return Effect(name, float(np.median(walsh)), *interval, float(min(2 * below[against], 1)))


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
    ranks = np.where(difference == 0, 0, scipy.stats.rankdata(np.abs(difference), axis=axis) - zeros)
    with np.errstate(invalid="ignore"):
        return np.sum(ranks * np.sign(difference), axis=axis) / np.sum(ranks, axis=axis)


def _differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Paired differences (N,) of the pairs that have both."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    return difference[np.isfinite(difference)]
