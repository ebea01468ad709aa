"""Intervals and tests against independent implementations and worked examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from glioma.metrics import classification
from glioma.stats import statistics


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_its_formula(count):
    successes, n = count
    z, p = stats.norm.ppf(0.975), successes / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = statistics.wilson(successes, n)
    assert low == pytest.approx((middle - half) / (1 + z**2 / n), abs=1e-9)
    assert high == pytest.approx((middle + half) / (1 + z**2 / n), abs=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_agrees_with_statsmodels(count, confidence):
    expected = proportion_confint(*count, alpha=1 - confidence, method="wilson")
    assert statistics.wilson(*count, confidence) == pytest.approx(expected)


def test_wilson_worked_example():
    """81 of 263: .2553 to .3662 (Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3)."""
    assert statistics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert np.isnan(statistics.wilson(0, 0)).all()


def bca_by_hand(values: np.ndarray, rng: np.random.Generator, resamples: int) -> tuple[float, float]:
    """BCa interval of the mean, written out from Efron and Tibshirani (1993), chapter 14."""
    means = values[rng.integers(len(values), size=(resamples, len(values)))].mean(axis=1)
    z0 = stats.norm.ppf(np.mean(means < values.mean()) + np.mean(means == values.mean()) / 2)
    jackknife = (values.sum() - values) / (len(values) - 1)
    deviation = jackknife.mean() - jackknife
    acceleration = np.sum(deviation**3) / (6 * np.sum(deviation**2) ** 1.5)
    z = z0 + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(means, stats.norm.cdf(z0 + z / (1 - acceleration * z)))
    return low, high


def test_mean_interval_agrees_with_bca_by_hand():
    values = np.random.default_rng(1).gamma(2, size=40)
    ours = statistics.mean_interval(values, np.random.default_rng(2), resamples=20_000)
    assert ours == pytest.approx(bca_by_hand(values, np.random.default_rng(3), 20_000), abs=0.02)


def test_intervals_depend_on_the_seed_alone():
    values = np.random.default_rng(1).random(20)
    first, second, other = (statistics.mean_interval(values, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == second != other


def test_intervals_of_degenerate_samples_are_undefined():
    rng = np.random.default_rng(0)
    for values in ([], [0.5], [0.5, 0.5, 0.5]):
        assert np.isnan(statistics.mean_interval(np.array(values), rng)).all()
    truth = np.array([True] * 5 + [False] * 5)
    assert np.isnan(statistics.classification_interval("mcc", truth, truth, rng)).all()


def test_mean_interval_covers_as_it_says():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(300):
        low, high = statistics.mean_interval(rng.exponential(size=50), rng, resamples=500)
        hits += low <= 1 <= high
    assert 0.88 <= hits / 300 <= 0.98


@pytest.mark.parametrize("metric", ["balanced_accuracy", "mcc", "f1"])
def test_classification_interval_is_stratified(metric):
    """Against a plain percentile bootstrap that draws the grades apart, on a matrix large enough for both to agree."""
    rng = np.random.default_rng(7)
    truth = np.repeat([True, False], [240, 60])
    predicted = np.where(truth, rng.random(300) < 0.8, rng.random(300) < 0.35)
    ours = statistics.classification_interval(metric, truth, predicted, np.random.default_rng(8), resamples=4000)
    draws = []
    for _ in range(4000):
        tp, fp = rng.choice(predicted[:240], 240).sum(), rng.choice(predicted[240:], 60).sum()
        draws.append(classification.scores(classification.Confusion(tp, 240 - tp, 60 - fp, fp))[metric])
    assert ours == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.02)


def test_interval_with_a_few_undefined_resamples_is_that_of_the_others():
    truth = np.repeat([True, False], [12, 12])
    # MCC has no value in a resample without a predicted HGG; with four of 24 that is rare.
    predicted = np.repeat([True, False, True, False], [3, 9, 1, 11])
    low, high = statistics.classification_interval("mcc", truth, predicted, np.random.default_rng(0))
    assert -1 < low < 0.25 < high < 1
    scarce = np.repeat([True, False], [1, 23])
    assert np.isnan(statistics.classification_interval("mcc", truth, scarce, np.random.default_rng(0))).all()


def test_auc_interval_agrees_with_hanley_and_mcneil():
    """Bootstrap half-width against the closed-form standard error of Hanley and McNeil (1982)."""
    rng = np.random.default_rng(11)
    m, n = 150, 100
    truth = np.repeat([True, False], [m, n])
    score = rng.normal(size=m + n) + truth
    low, high = statistics.auc_interval(truth, score, rng)
    area = float(classification.auc(score[truth], score[~truth]))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    error = np.sqrt((area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n))
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.12)
    assert low < area < high


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 5))
def test_mcnemar_agrees_with_statsmodels(only_first, only_second, both):
    first = np.repeat([True, False, True], [only_first, only_second, both])
    second = np.repeat([False, True, True], [only_first, only_second, both])
    expected = contingency_tables.mcnemar([[both, only_first], [only_second, 0]], exact=True).pvalue
    assert statistics.mcnemar(first, second).p == pytest.approx(min(expected, 1))


def test_eleven_patients_cannot_support_a_specificity_claim():
    """7 of 11 against 2 of 11 right: p from .0625 (no patient lost) to .18 (both of the 2 lost)."""
    first = np.array([True] * 7 + [False] * 4)
    assert statistics.mcnemar(first, np.array([True] * 2 + [False] * 9)).p == pytest.approx(0.0625)
    assert statistics.mcnemar(first, np.array([False] * 9 + [True] * 2)).p == pytest.approx(0.1797, abs=1e-4)


def test_wilcoxon_worked_example():
    """Nine pairs (Hollander and Wolfe 1973, table 3.1, depression scale): V = 5 or 40, two-sided p = .0391."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    result = statistics.wilcoxon(before, after)
    assert result.statistic == 5 and result.p == pytest.approx(0.03906, abs=1e-5) and result.n == 9


def test_wilcoxon_agrees_with_scipy():
    rng = np.random.default_rng(2)
    for n in (8, 30, 369):
        first, second = rng.random(n).round(2), rng.random(n).round(2)
        kept = first != second
        expected = stats.wilcoxon(first[kept], second[kept])
        found = statistics.wilcoxon(first, second)
        assert (found.statistic, found.p, found.n) == pytest.approx((expected.statistic, expected.pvalue, n))


def test_wilcoxon_without_differences_or_pairs():
    assert statistics.wilcoxon([1, 2], [1, 2]).p == 1
    assert np.isnan(statistics.wilcoxon([np.nan], [1]).p)
    assert statistics.wilcoxon([1, 2, np.nan, 5], [0, 4, 1, 1]).n == 3


def delong_by_definition(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """z and p straight from the definition: a kernel over all pairs, its row and column means, their covariances."""
    components = []
    for score in (first, second):
        kernel = np.array([[(p > n) + 0.5 * (p == n) for n in score[~truth]] for p in score[truth]], dtype=float)
        components.append((kernel.mean(), kernel.mean(axis=1), kernel.mean(axis=0)))
    (area_1, rows_1, columns_1), (area_2, rows_2, columns_2) = components
    variance = np.var(rows_1 - rows_2, ddof=1) / truth.sum() + np.var(columns_1 - columns_2, ddof=1) / (~truth).sum()
    z = (area_1 - area_2) / np.sqrt(variance)
    return z, 2 * (1 - stats.norm.cdf(abs(z)))


@pytest.mark.parametrize("seed", range(5))
def test_delong_agrees_with_its_definition(seed):
    rng = np.random.default_rng(seed)
    truth = np.repeat([True, False], [44, 11])
    first, second = (np.round(rng.normal(size=55) + shift * truth, 1) for shift in (1.2, 0.4))
    z, p = delong_by_definition(truth, first, second)
    result = statistics.delong(truth, first, second)
    assert (result.statistic, result.p, result.n) == pytest.approx((z, p, 55))


def test_delong_holds_its_level():
    rng = np.random.default_rng(1)
    truth = np.repeat([True, False], [60, 40])
    rejected = 0
    for _ in range(400):
        common = rng.normal(size=100) + truth
        rejected += statistics.delong(truth, common + rng.normal(size=100), common + rng.normal(size=100)).p < 0.05
    assert 0.02 <= rejected / 400 <= 0.085


def test_delong_of_equal_scores_and_of_too_few_patients():
    truth = np.array([True, True, False, False])
    score = np.array([0.9, 0.4, 0.5, 0.1])
    assert statistics.delong(truth, score, score).p == 1
    assert np.isnan(statistics.delong(truth[1:], score[1:], score[1:]).p)


def test_intervals_agree_with_scipy():
    """The same BCa from scipy alone, on the same random numbers."""
    rng = np.random.default_rng(3)
    truth, p = np.repeat([True, False], [30, 12]), rng.random(42).round(2)
    grades = (p[truth], p[~truth])

    def brier(hgg, lgg, axis=-1):
        return (np.sum((1 - hgg) ** 2, axis=axis) + np.sum(lgg**2, axis=axis)) / 42

    options = {"n_resamples": 500, "method": "BCa", "batch": 250, "vectorized": True}
    expected = stats.bootstrap(grades, brier, rng=np.random.default_rng(9), **options).confidence_interval
    assert statistics.brier_interval(truth, p, np.random.default_rng(9), resamples=500) == pytest.approx(expected)
    expected = stats.bootstrap((p,), np.mean, rng=np.random.default_rng(9), **options).confidence_interval
    assert statistics.mean_interval(p, np.random.default_rng(9), resamples=500) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_paired_permutation_agrees_with_all_permutations(seed):
    """Against scipy's permutation of every pair, which a dozen patients allow."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([True, False], [8, 4])
    first, second = rng.random(12) < 0.8, rng.random(12) < 0.4

    def difference(first, second, axis=-1):
        gap = first - second
        return (gap[..., :8].mean(axis=axis) + gap[..., 8:].mean(axis=axis)) / 2

    expected = stats.permutation_test(
        (first.astype(float), second.astype(float)),
        difference,
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    found = statistics.paired_permutation(truth, first, second)
    assert found.statistic == pytest.approx(expected.statistic)
    # scipy doubles the smaller tail; under this null distribution, which is symmetric, that is both tails.
    assert found.p == pytest.approx(min(expected.pvalue, 1))


def test_paired_permutation_of_one_grade_and_of_equal_readers():
    right = np.array([True, False, True, True])
    assert np.isnan(statistics.paired_permutation(np.ones(4, bool), right, ~right).p)
    assert statistics.paired_permutation(np.array([True, True, False, False]), right, right).p == 1


@settings(max_examples=15)  # statsmodels collects all garbage in every call.
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_agrees_with_statsmodels_and_its_definition(values):
    p_values = dict(zip("abcdefgh", values, strict=False))
    adjusted, running = statistics.holm(p_values), 0.0
    assert list(adjusted.values()) == pytest.approx(list(multipletests(values, method="holm")[1]))
    for position, name in enumerate(sorted(p_values, key=p_values.get)):
        running = max(running, min((len(p_values) - position) * p_values[name], 1))
        assert adjusted[name] == pytest.approx(running)


def test_holm_worked_example():
    """p of .01, .04, .03, .005 times 3, 1, 2, 4 in order, made monotone: .03, .06, .06, .02."""
    adjusted = statistics.holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005, "undefined": float("nan")})
    assert {name: adjusted[name] for name in "abcd"} == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert np.isnan(adjusted["undefined"])
    assert statistics.holm({}) == {}


def test_spearman_has_scipys_value_and_covers():
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(400):
        x = rng.normal(size=40)
        y = 0.5 * x + rng.normal(size=40)
        r, interval = statistics.spearman(x, y)
        assert r == pytest.approx(stats.spearmanr(x, y).statistic)
        # Of a normal pair with Pearson's r, Spearman's is 6 / pi asin(r / 2).
        covered += interval.low <= 6 / np.pi * np.arcsin(0.5 / np.sqrt(1.25) / 2) <= interval.high
    assert 0.92 <= covered / 400 <= 0.98
    assert np.isnan(statistics.spearman(np.ones(12), rng.normal(size=12))[0])
    assert np.isnan(statistics.spearman(x[:9], y[:9])[1].low) and np.isnan(statistics.spearman(x, x)[1].high)
