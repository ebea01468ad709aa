"""Intervals and tests against independent implementations and worked examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from glioma.metrics import classification
from glioma.stats import statistics


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_agrees_with_statsmodels_and_scipy(count, confidence):
    found = statistics.wilson(*count, confidence)
    assert found == pytest.approx(proportion_confint(*count, alpha=1 - confidence, method="wilson"))
    assert found == pytest.approx(tuple(stats.binomtest(*count).proportion_ci(confidence, "wilson")))


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
    assert np.isnan(statistics.bootstrap((np.full(30, 0.5),), np.mean, rng)).all()


def test_mean_interval_covers_as_it_says():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(300):
        low, high = statistics.mean_interval(rng.exponential(size=50), rng, resamples=500)
        hits += low <= 1 <= high
    assert 0.88 <= hits / 300 <= 0.98


def test_few_patients_have_students_interval():
    """scipy's and statsmodels' t interval; the value cannot be beyond its bounds."""
    values, rng = np.array([0.32, 0.55, 0.61, 0.93, 0.97]), np.random.default_rng(0)
    expected = DescrStatsW(values).tconfint_mean()
    assert statistics.mean_interval(values, rng) == pytest.approx(expected)
    assert statistics.mean_interval(values, rng, (0, 1)) == pytest.approx((expected[0], 1.0))
    # .54 [.43, .59] was printed of three patients once.
    low, high = statistics.mean_interval(np.array([0.43, 0.59, 0.60]), rng, (0, 1))
    assert low < 0.31 and high > 0.77
    assert np.isnan(statistics.bootstrap((values,), np.mean, rng)).all(), "too few to be resampled"


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(lambda cells: cells[0] + cells[1] and cells[2] + cells[3]))
def test_balanced_accuracy_has_newcombes_interval_of_a_difference(cells):
    """Balanced accuracy is half of sensitivity less false positive rate and one: statsmodels knows that difference."""
    tp, fn, tn, fp = cells
    low, high = confint_proportions_2indep(tp, tp + fn, fp, tn + fp, method="newcomb", compare="diff")
    found = statistics.confusion_interval("balanced_accuracy", classification.Confusion(*cells))
    assert found == pytest.approx(((low + 1) / 2, (high + 1) / 2), abs=1e-9)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "mcc", "f1"])
def test_confusion_interval_is_stratified(metric):
    """Against a plain percentile bootstrap that draws the grades apart, on a matrix large enough for both to agree."""
    rng = np.random.default_rng(7)
    predicted = np.concatenate([rng.random(240) < 0.8, rng.random(60) < 0.35])
    tp, fp = int(predicted[:240].sum()), int(predicted[240:].sum())
    ours = statistics.confusion_interval(metric, classification.Confusion(tp, 240 - tp, 60 - fp, fp))
    draws = []
    for _ in range(4000):
        tp, fp = rng.choice(predicted[:240], 240).sum(), rng.choice(predicted[240:], 60).sum()
        draws.append(classification.scores(classification.Confusion(tp, 240 - tp, 60 - fp, fp))[metric])
    assert ours == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.02)


def test_intervals_of_small_matrices():
    """3 of 6 and 4 of 4 do not exclude chance (Fisher's p is .20); MCC of one answer to all has no interval."""
    low, high = statistics.confusion_interval("balanced_accuracy", classification.Confusion(3, 3, 4, 0))
    assert (low, high) == pytest.approx((0.46, 0.91), abs=0.005)
    assert stats.fisher_exact([[3, 3], [0, 4]]).pvalue == pytest.approx(0.2, abs=0.01)
    always = classification.Confusion(44, 0, 0, 11)
    assert np.isnan(statistics.confusion_interval("mcc", always)).all()
    low, high = statistics.confusion_interval("balanced_accuracy", always)
    assert low < 0.5 < high, "always HGG is chance, with the uncertainty of eleven patients"
    assert np.isnan(statistics.confusion_interval("f1", classification.Confusion(3, 2, 0, 0))).all()


def test_auc_interval_agrees_with_hanley_and_mcneil():
    """Half-width in the middle against the closed-form standard error of Hanley and McNeil (1982)."""
    m, n, area = 150, 100, 0.76
    low, high = statistics.auc_interval(area, m, n)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    error = np.sqrt((area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n))
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert low < area < high


def test_auc_interval_by_its_equation_and_at_its_ends():
    """Newcombe (2006), method 5: both bounds solve its quartic; the ends mirror each other and have a bound inside."""
    for area, m, n in ((0.9, 44, 11), (0.5, 6, 4), (0.03, 24, 16)):
        more = (m + n) / 2 - 1
        for bound in statistics.auc_interval(area, m, n):
            spread = 1 + more * (1 - bound) / (2 - bound) + more * bound / (1 + bound)
            error = np.sqrt(bound * (1 - bound) * spread / (m * n))
            assert abs(area - bound) == pytest.approx(stats.norm.ppf(0.975) * error, rel=1e-6)
    low, high = statistics.auc_interval(1.0, 6, 4)
    assert (low, high) == pytest.approx((0.633, 1.0), abs=1e-3)
    assert statistics.auc_interval(0.0, 6, 4) == pytest.approx((1 - high, 1 - low))
    assert np.isnan(statistics.auc_interval(float("nan"), 6, 0)).all()


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 5))
def test_mcnemar_agrees_with_statsmodels(only_first, only_second, both):
    first = np.repeat([True, False, True], [only_first, only_second, both])
    second = np.repeat([False, True, True], [only_first, only_second, both])
    expected = contingency_tables.mcnemar([[both, only_first], [only_second, 0]], exact=True).pvalue
    assert statistics.mcnemar(first, second) == pytest.approx(min(expected, 1))


def test_eleven_patients_cannot_support_a_specificity_claim():
    """7 of 11 against 2 of 11 right: p from .0625 (no patient lost) to .18 (both of the 2 lost)."""
    first = np.array([True] * 7 + [False] * 4)
    assert statistics.mcnemar(first, np.array([True] * 2 + [False] * 9)) == pytest.approx(0.0625)
    assert statistics.mcnemar(first, np.array([False] * 9 + [True] * 2)) == pytest.approx(0.1797, abs=1e-4)


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
