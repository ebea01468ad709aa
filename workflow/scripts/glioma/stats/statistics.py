"""Intervals and tests. The patient is the unit throughout; slices of one patient are not independent."""

import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import scipy  # its parts are loaded when they are first used: scipy.stats takes a second

from glioma.metrics import calibration, classification
from glioma.metrics.classification import Confusion

CONFIDENCE = 0.95
RESAMPLES = 2000
LARGEST_UNDEFINED_SHARE = 0.05
"""With more undefined bootstrap resamples than this share there is no interval."""
FEWEST_FOR_BOOTSTRAP = 20
"""Fewer patients than this are not resampled: the interval would be too narrow (benchmarks/coverage_study.py)."""


class Interval(NamedTuple):
    """Lower and upper bound; NaN where there is none."""

    low: float
    high: float


NO_INTERVAL = Interval(float("nan"), float("nan"))


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a proportion (1927); none without trials.

    Written out, for p values are found by asking for it some fifty times: scipy's runs an exact test each time, and
    importing statsmodels takes half a second. The tests hold it against both.
    """
    if trials == 0:
        return NO_INTERVAL
    z, p = scipy.special.ndtri((1 + confidence) / 2), successes / trials
    middle, half = p + z**2 / (2 * trials), z * np.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    low, high = (middle - half) / (1 + z**2 / trials), (middle + half) / (1 + z**2 / trials)
    # The bounds of none and of all are 0 and 1; rounding leaves a hair.
    return Interval(0.0 if successes == 0 else float(low), 1.0 if successes == trials else float(high))


def spearman(first: np.ndarray, second: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
    """Spearman's rank correlation of two columns of patients, and its interval.

    The interval is Fisher's z transformation with the standard error 1.06 / sqrt(n - 3) of Fieller, Hartley and Pearson
    (1957). NaN where a column is constant; no interval for fewer than ten patients, on whom the approximation does not
    hold, nor where the ranks agree perfectly.
    """
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan"), NO_INTERVAL
    r = float(scipy.stats.spearmanr(first, second).statistic)
    if len(first) < 10 or abs(r) > 1 - 1e-12:
        return r, NO_INTERVAL
    half = scipy.special.ndtri((1 + confidence) / 2) * 1.06 / np.sqrt(len(first) - 3)
    return r, Interval(*np.tanh(np.arctanh(r) + np.array([-half, half])).tolist())


def bootstrap(
    samples: tuple[np.ndarray, ...],
    statistic: Callable[..., np.ndarray],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Bias-corrected and accelerated (BCa) bootstrap interval (Efron 1987) of `statistic(*samples, axis)`.

    Each sample is resampled by itself, so passing HGG and LGG patients apart keeps the grades' numbers: a stratified
    bootstrap. A few resamples may leave the statistic undefined (up to 5 %): then the plain percentiles of the others
    are the interval, for BCa cannot be had. There is no interval for fewer than `FEWEST_FOR_BOOTSTRAP` patients, for a
    sample of fewer than two, or where no resample differs from another.
    """
    if min(map(len, samples)) < 2 or sum(map(len, samples)) < FEWEST_FOR_BOOTSTRAP:
        return NO_INTERVAL
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)
        result = scipy.stats.bootstrap(
            samples,
            statistic,
            n_resamples=resamples,
            batch=250,
            confidence_level=confidence,
            method="BCa",
            vectorized=True,
            rng=rng,
        )
    low, high = result.confidence_interval
    if np.isfinite(low) and np.isfinite(high):
        return Interval(float(low), float(high))
    defined = result.bootstrap_distribution[np.isfinite(result.bootstrap_distribution)]
    if defined.size < (1 - LARGEST_UNDEFINED_SHARE) * resamples or np.ptp(defined) == 0:
        return NO_INTERVAL
    tail = (1 - confidence) / 2
    return Interval(*(float(bound) for bound in np.quantile(defined, [tail, 1 - tail])))


def student(
    value: float, error: float, degrees: int, bounds: tuple[float, float], confidence: float = CONFIDENCE
) -> Interval:
    """Student's t interval of a value with its standard error, cut at `bounds`."""
    quantiles = scipy.special.stdtrit(degrees, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(*np.clip(quantiles * error + value, *bounds).tolist())


def mean_interval(
    values: np.ndarray,
    rng: np.random.Generator,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    confidence: float = CONFIDENCE,
    **options,
) -> Interval:
    """Interval of the mean over patients: BCa, or Student's t of fewer than `FEWEST_FOR_BOOTSTRAP`.

    So few patients hold too little of a distribution to resample it: of eight good Dice scores BCa covers .90 and
    Student's t .95, of three .70 and .92 (benchmarks/coverage_study.py). `bounds`: what the value can be at
    least and at most.
    """
    values = np.asarray(values, dtype=float)
    if len(values) >= FEWEST_FOR_BOOTSTRAP:
        return bootstrap((values,), np.mean, rng, confidence=confidence, **options)
    if len(values) < 2 or np.ptp(values) == 0:
        return NO_INTERVAL
    return student(values.mean(), values.std(ddof=1) / np.sqrt(len(values)), len(values) - 1, bounds, confidence)


def confusion_interval(metric: str, counts: Confusion, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a score of a confusion matrix whose numbers of HGG and of LGG patients are given.

    Shares of patients have Wilson's interval. Balanced accuracy, F1 and MCC are functions of sensitivity and
    specificity, two independent proportions: their interval adds the squares of what Wilson's bounds of either change
    (MOVER, the method of variance estimates recovery: Zou and Donner, Statistics in Medicine 27:1693-1702 (2008);
    for a difference of proportions it is Newcombe's method 10 of 1998). NaN where the score or a bound is undefined.
    """
    shares = classification.proportions(counts)
    if metric in shares:
        return wilson(*map(int, shares[metric]), confidence)
    positives, negatives = int(counts.tp + counts.fn), int(counts.tn + counts.fp)
    if min(positives, negatives) == 0:
        return NO_INTERVAL

    def score(sensitivity: float, specificity: float) -> float:
        tp, tn = sensitivity * positives, specificity * negatives
        return float(classification.scores(Confusion(tp, positives - tp, tn, negatives - tn))[metric])

    sensitivity, specificity = counts.tp / positives, counts.tn / negatives
    bounds = [wilson(int(right), n, confidence) for right, n in ((counts.tp, positives), (counts.tn, negatives))]
    value = score(sensitivity, specificity)
    low, high = (
        value + sign * np.hypot(score(one, specificity) - value, score(sensitivity, other) - value)
        for sign, one, other in zip((-1, 1), *bounds, strict=True)
    )
    found = Interval(float(low), float(high))
    return found if np.isfinite(found).all() else NO_INTERVAL


def auc_interval(area: float, positives: int, negatives: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of an area under the ROC curve, from the area and the numbers of patients of either grade.

    It holds the areas whose own standard error puts the observed one within reach: method 5 of Newcombe, Statistics in
    Medicine 25:559-573 (2006), after Hanley and McNeil (1982). Unlike resampling and DeLong's variance it has bounds
    where all pairs are ranked rightly.
    """
    if not np.isfinite(area):
        return NO_INTERVAL
    z, more = scipy.special.ndtri((1 + confidence) / 2), (positives + negatives) / 2 - 1

    def beyond(true: float) -> float:
        spread = 1 + more * ((1 - true) / (2 - true) + true / (1 + true))
        return (area - true) ** 2 - z**2 * true * (1 - true) * spread / (positives * negatives)

    # At an observed 0 or 1 the equation has a root there, too, which is no bound: search beside it.
    hair = 1e-9
    low = 0.0 if area <= 0 else scipy.optimize.brentq(beyond, hair / 1000, min(area, 1 - hair))
    high = 1.0 if area >= 1 else scipy.optimize.brentq(beyond, max(area, hair), 1 - hair / 1000)
    return Interval(float(low), float(high))


def brier_interval(truth: np.ndarray, p_hgg: np.ndarray, rng: np.random.Generator, **options) -> Interval:
    """Interval of the Brier score: bootstrap, stratified by grade; of few patients that of a mean of squared errors."""
    truth, p_hgg = np.asarray(truth, dtype=bool), np.asarray(p_hgg, dtype=float)
    if len(truth) < FEWEST_FOR_BOOTSTRAP:
        return mean_interval(np.square(truth - p_hgg), rng, (0, 1), **options)
    return bootstrap((p_hgg[truth], p_hgg[~truth]), calibration.brier, rng, **options)


def mcnemar(first_correct: np.ndarray, second_correct: np.ndarray) -> float:
    """Two-sided p of the exact McNemar test of two methods on the same patients, from boolean correctness."""
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(~first & second))
    discordant = only_first + only_second
    return float(scipy.stats.binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


class AreaDifference(NamedTuple):
    """Two correlated areas under the ROC curve, and the variance of their difference (NaN for too few patients)."""

    first: float
    second: float
    variance: float


def compare_areas(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> AreaDifference:
    """Areas and DeLong's variance of their difference (DeLong, DeLong and Clarke-Pearson 1988), by mid-ranks.

    The rank form is that of Sun and Xu (2014).
    """
    truth = np.asarray(truth, dtype=bool)
    both = np.stack([first, second]).astype(float)
    m, n = int(truth.sum()), int((~truth).sum())
    if min(m, n) < 2:
        areas = (float(classification.auc(score[truth], score[~truth])) for score in both)
        return AreaDifference(*areas, float("nan"))
    order = np.concatenate([both[:, truth], both[:, ~truth]], axis=1)
    pooled = scipy.stats.rankdata(order, axis=1)
    # Placement values: for each patient the share of the other grade that it is ranked rightly against.
    of_positive = (pooled[:, :m] - scipy.stats.rankdata(order[:, :m], axis=1)) / n
    of_negative = 1 - (pooled[:, m:] - scipy.stats.rankdata(order[:, m:], axis=1)) / m
    covariance = np.cov(of_positive) / m + np.cov(of_negative) / n
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return AreaDifference(*map(float, of_positive.mean(axis=1)), max(float(variance), 0.0))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment of a family of p values by name; an undefined one stays so and is no member."""
    adjusted = dict.fromkeys(p_values, float("nan"))
    defined = {name: p for name, p in p_values.items() if np.isfinite(p)}
    if defined:
        from statsmodels.stats.multitest import multipletests

        corrected = multipletests(list(defined.values()), method="holm")[1]
        adjusted.update(zip(defined, map(float, corrected), strict=True))
    return adjusted
