"""Intervals and tests. The patient is the unit throughout; slices of one patient are not independent."""

import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from glioma.metrics import calibration, classification

CONFIDENCE = 0.95
RESAMPLES = 2000
LARGEST_UNDEFINED_SHARE = 0.05
"""With more undefined bootstrap resamples than this share there is no interval."""


class Interval(NamedTuple):
    """Lower and upper bound; NaN where there is none."""

    low: float
    high: float


NO_INTERVAL = Interval(float("nan"), float("nan"))


class Result(NamedTuple):
    """A test's statistic, its two-sided p value and the number of patients it rests on."""

    statistic: float
    p: float
    n: int


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a proportion; none without trials."""
    if trials == 0:
        return NO_INTERVAL
    # Imported where it is needed: half a second of every job that scores.
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, trials, alpha=1 - confidence, method="wilson")
    return Interval(float(low), float(high))


def spearman(first: np.ndarray, second: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
    """Spearman's rank correlation of two columns of patients, and its interval.

    The interval is Fisher's z transformation with the standard error 1.06 / sqrt(n - 3) of Fieller, Hartley and Pearson
    (1957). NaN where a column is constant; no interval for fewer than ten patients, on whom the approximation does not
    hold, nor where the ranks agree perfectly.
    """
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan"), NO_INTERVAL
    r = float(stats.spearmanr(first, second).statistic)
    if len(first) < 10 or abs(r) > 1 - 1e-12:
        return r, NO_INTERVAL
    half = stats.norm.ppf((1 + confidence) / 2) * 1.06 / np.sqrt(len(first) - 3)
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
    are the interval, for BCa cannot be had. There is no interval for a sample of fewer than two, or where no resample
    differs from another.
    """
    if min(map(len, samples)) < 2:
        return NO_INTERVAL
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
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


def mean_interval(values: np.ndarray, rng: np.random.Generator, **options) -> Interval:
    """Bootstrap interval of the mean over patients."""
    return bootstrap((np.asarray(values, dtype=float),), np.mean, rng, **options)


def classification_interval(
    metric: str, truth: np.ndarray, predicted: np.ndarray, rng: np.random.Generator, **options
) -> Interval:
    """Bootstrap interval, stratified by grade, of a score of a confusion matrix; boolean (patients,), True for HGG."""
    truth, predicted = np.asarray(truth, dtype=bool), np.asarray(predicted, dtype=float)

    def statistic(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
        tp, fp = positive.sum(axis=axis), negative.sum(axis=axis)
        counts = classification.Confusion(tp, positive.shape[axis] - tp, negative.shape[axis] - fp, fp)
        return classification.scores(counts)[metric]

    return bootstrap((predicted[truth], predicted[~truth]), statistic, rng, **options)


def auc_interval(truth: np.ndarray, score: np.ndarray, rng: np.random.Generator, **options) -> Interval:
    """Bootstrap interval, stratified by grade, of the area under the ROC curve."""
    truth, score = np.asarray(truth, dtype=bool), np.asarray(score, dtype=float)
    return bootstrap((score[truth], score[~truth]), classification.auc, rng, **options)


def brier_interval(truth: np.ndarray, p_hgg: np.ndarray, rng: np.random.Generator, **options) -> Interval:
    """Bootstrap interval, stratified by grade, of the Brier score."""
    truth, p_hgg = np.asarray(truth, dtype=bool), np.asarray(p_hgg, dtype=float)
    return bootstrap((p_hgg[truth], p_hgg[~truth]), calibration.brier, rng, **options)


def mcnemar(first_correct: np.ndarray, second_correct: np.ndarray) -> Result:
    """Exact McNemar test of two classifiers on the same patients, from boolean correctness.

    The statistic is the number of patients that only the first gets right.
    """
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(~first & second))
    discordant = only_first + only_second
    p = stats.binomtest(only_first, discordant, 0.5).pvalue if discordant else 1.0
    return Result(float(only_first), float(p), len(first))


def wilcoxon(first: np.ndarray, second: np.ndarray) -> Result:
    """Wilcoxon signed-rank test of paired scores; pairs with a NaN are left out, equal pairs have no rank."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    difference = difference[np.isfinite(difference)]
    if difference.size == 0:
        return Result(float("nan"), float("nan"), 0)
    if not difference.any():
        return Result(0.0, 1.0, difference.size)
    result = stats.wilcoxon(difference, zero_method="wilcox")
    return Result(float(result.statistic), float(result.pvalue), difference.size)


def paired_permutation(truth: np.ndarray, first_correct: np.ndarray, second_correct: np.ndarray) -> Result:
    """Exact test of two classifiers' balanced accuracies on the same patients, from boolean correctness.

    If the classifiers are exchangeable, each discordant patient may as well be right by the other one: the numbers that
    only the first gets right are binomial in either grade, and p is the chance of a difference at least as large. It is
    McNemar's test with a statistic that weighs the grades alike. The statistic is the difference, first less second.
    """
    truth = np.asarray(truth, dtype=bool)
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if truth.all() or not truth.any():
        return Result(float("nan"), float("nan"), truth.size)
    outcomes, chances, observed = [], [], 0.0
    for grade in (truth, ~truth):
        won, lost = int(np.sum(first & ~second & grade)), int(np.sum(~first & second & grade))
        wins = np.arange(won + lost + 1)
        outcomes.append((2 * wins - won - lost) / (2 * grade.sum()))
        chances.append(stats.binom.pmf(wins, won + lost, 0.5))
        observed += (won - lost) / (2 * grade.sum())
    as_large = np.abs(np.add.outer(*outcomes)) >= abs(observed) - 1e-12
    return Result(float(observed), float(min(np.multiply.outer(*chances)[as_large].sum(), 1)), truth.size)


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
    pooled = stats.rankdata(order, axis=1)
    # Placement values: for each patient the share of the other grade that it is ranked rightly against.
    of_positive = (pooled[:, :m] - stats.rankdata(order[:, :m], axis=1)) / n
    of_negative = 1 - (pooled[:, m:] - stats.rankdata(order[:, m:], axis=1)) / m
    covariance = np.cov(of_positive) / m + np.cov(of_negative) / n
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return AreaDifference(*map(float, of_positive.mean(axis=1)), max(float(variance), 0.0))


def delong(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> Result:
    """DeLong's test of two correlated areas under the ROC curve.

    The statistic is z, positive where the first area is larger; without variance z is NaN, and p is 1 if the areas are
    equal.
    """
    areas = compare_areas(truth, first, second)
    difference = areas.first - areas.second
    if np.isnan(areas.variance):
        return Result(float("nan"), float("nan"), len(truth))
    if areas.variance <= 1e-15:
        return Result(float("nan"), 1.0 if abs(difference) < 1e-12 else float("nan"), len(truth))
    z = difference / float(np.sqrt(areas.variance))
    return Result(z, float(2 * stats.norm.sf(abs(z))), len(truth))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment of a family of p values by name; an undefined one stays so and is no member."""
    adjusted = dict.fromkeys(p_values, float("nan"))
    defined = {name: p for name, p in p_values.items() if np.isfinite(p)}
    if defined:
        from statsmodels.stats.multitest import multipletests

        corrected = multipletests(list(defined.values()), method="holm")[1]
        adjusted.update(zip(defined, map(float, corrected), strict=True))
    return adjusted
