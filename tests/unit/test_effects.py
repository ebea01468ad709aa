"""Effect sizes against worked examples, scipy, and their definitions."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from glioma.stats import effects

BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
paired = st.tuples(*[st.integers(0, 30)] * 4).filter(any)


def pairs(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = [both, only_first, only_second, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize(
    ("table", "value", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:2635-2650, method 10.
        ((36, 12, 2, 0), 0.2, 0.0569, 0.3404),
        # Cavo et al. (2012) in Fagerland, Lydersen and Laake (2017), chapter 8: complete response by therapy.
        ((59, 6, 16, 80), -0.0621, -0.1186, -0.0046),
    ],
)
def test_risk_difference_worked_examples(table, value, low, high):
    assert effects.risk_difference(*pairs(*table))[1:4] == pytest.approx((value, low, high), abs=5e-5)


@given(paired)
def test_risk_difference_is_antisymmetric_and_within_bounds(table):
    first, second = pairs(*table)
    one, other = effects.risk_difference(first, second), effects.risk_difference(second, first)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low), abs=1e-12)
    assert -1 - 1e-9 <= one.low <= one.value <= one.high <= 1 + 1e-9


def test_risk_difference_covers_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(600):
        kind = rng.choice(4, size=55, p=[0.55, 0.25, 0.1, 0.1])
        found = effects.risk_difference(kind <= 1, (kind == 0) | (kind == 2))
        hits += found.low <= 0.15 <= found.high
    assert 0.92 <= hits / 600 <= 0.98


def test_balanced_accuracy_difference_by_hand():
    rng = np.random.default_rng(1)
    truth = np.repeat([True, False], [44, 11])
    first, second = rng.random(55) < 0.8, rng.random(55) < 0.55
    found = effects.balanced_accuracy_difference(truth, first, second)
    scores = [balanced_accuracy_score(truth, truth == right) for right in (first, second)]
    assert found.value == pytest.approx(scores[0] - scores[1])
    draws = []
    for _ in range(4000):
        chosen = np.concatenate([rng.integers(0, 44, 44), rng.integers(44, 55, 11)])
        drawn = [balanced_accuracy(truth[chosen], right[chosen]) for right in (first, second)]
        draws.append(drawn[0] - drawn[1])
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.04)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@given(paired, paired)
def test_p_is_below_alpha_exactly_where_the_interval_excludes_no_difference(confidence, hgg, lgg):
    first, second = (np.concatenate(right) for right in zip(pairs(*hgg), pairs(*lgg), strict=True))
    truth = np.repeat([True, False], [sum(hgg), sum(lgg)])
    for found in (
        effects.balanced_accuracy_difference(truth, first, second, confidence),
        effects.risk_difference(first, second, confidence),
    ):
        excluded = found.low > 0 or found.high < 0
        assert 0 < found.p <= 1
        if abs(found.p - (1 - confidence)) > 1e-9:
            assert (found.p < 1 - confidence) == excluded


def test_p_beside_exact_tests():
    """No exact test, but close to the mid-p of McNemar's: .0312 for five patients to none among twenty."""
    assert effects.risk_difference(*pairs(10, 5, 0, 5)).p == pytest.approx(0.03125, abs=0.015)
    assert effects.risk_difference(*pairs(10, 5, 5, 5)).p == 1
    assert effects.risk_difference(*pairs(300, 200, 20, 20)).p < 1e-12


def balanced_accuracy(truth: np.ndarray, right: np.ndarray) -> float:
    return (right[truth].mean() + right[~truth].mean()) / 2


def test_auc_difference_has_the_variance_of_all_pairs():
    """Structural components straight from DeLong's kernel over all pairs of an HGG and an LGG patient."""
    rng = np.random.default_rng(5)
    truth = np.repeat([True, False], [30, 12])
    scores = [np.round(rng.normal(size=42) + shift * truth, 1) for shift in (1.5, 0.5)]
    kernels = [np.sign(score[truth][:, None] - score[~truth]) / 2 + 0.5 for score in scores]
    gap = kernels[0] - kernels[1]
    error = np.sqrt(gap.mean(axis=1).var(ddof=1) / 30 + gap.mean(axis=0).var(ddof=1) / 12)
    value = roc_auc_score(truth, scores[0]) - roc_auc_score(truth, scores[1])
    found = effects.auc_difference(truth, *scores)
    expected = (value, value - 1.959964 * error, value + 1.959964 * error)
    assert found[1:4] == pytest.approx(expected, abs=1e-6)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(value) / error))


def test_delong_holds_its_level():
    rng = np.random.default_rng(1)
    truth = np.repeat([True, False], [60, 40])
    rejected = 0
    for _ in range(400):
        common = rng.normal(size=100) + truth
        rejected += effects.auc_difference(truth, common + rng.normal(size=100), common + rng.normal(size=100)).p < 0.05
    assert 0.02 <= rejected / 400 <= 0.085


def test_auc_difference_without_variance_has_no_interval():
    truth, score = np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.1])
    found = effects.auc_difference(truth, score, score)
    assert found.value == 0 and np.isnan([found.low, found.high]).all() and found.p == 1
    assert np.isnan(effects.auc_difference(truth[1:], score[1:], score[1:]).low)


def test_hodges_lehmann_worked_example():
    """Hollander and Wolfe (1973), examples 3.3 and 3.4: .46, and .010 to .786 with 96.1 %."""
    assert effects.hodges_lehmann(BEFORE, AFTER)[1:4] == pytest.approx((0.46, 0.010, 0.786))


@given(st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=1, max_size=25))
def test_hodges_lehmann_by_definition(values):
    found = effects.hodges_lehmann(values, np.zeros(len(values)))
    means = [(a + b) / 2 for a, b in combinations_with_replacement(values, 2)]
    assert found.value == pytest.approx(np.median(means), abs=1e-12)
    assert (len(values) < 6) == bool(np.isnan(found.low))


def test_wilcoxon_worked_example():
    """Nine pairs (Hollander and Wolfe 1973, table 3.1, depression scale): two-sided p = .0391, as scipy's."""
    found = effects.hodges_lehmann(BEFORE, AFTER)
    assert found.p == pytest.approx(0.03906, abs=1e-5)
    assert found.p == pytest.approx(stats.wilcoxon(BEFORE, AFTER).pvalue)


@pytest.mark.parametrize("n", [5, 12, 40, 369])
def test_wilcoxon_agrees_with_scipy_without_ties(n):
    rng = np.random.default_rng(n)
    first, second = rng.normal(0.1, 1, n), rng.normal(0, 1, n)
    assert effects.hodges_lehmann(first, second).p == pytest.approx(
        stats.wilcoxon(first, second, method="exact").pvalue
    )


@given(st.lists(st.integers(-3, 3), min_size=6, max_size=30))
def test_wilcoxon_and_its_interval_agree_where_patients_score_alike(values):
    found = effects.hodges_lehmann(values, np.zeros(len(values)))
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
    if not any(values):
        assert found.p == 1


def test_wilcoxon_leaves_out_pairs_with_a_nan():
    assert effects.hodges_lehmann([1, 2, np.nan, 5], [0, 4, 1, 1]).value == 1.0
    assert np.isnan(effects.hodges_lehmann([np.nan], [1]).p)


def test_hodges_lehmann_interval_is_where_wilcoxon_does_not_reject():
    difference = np.random.default_rng(3).normal(0.4, 1, 20)
    found = effects.hodges_lehmann(difference, np.zeros(20))
    for bound, inside in ((found.low, 1), (found.high, -1)):
        assert stats.wilcoxon(difference - bound - inside * 1e-6).pvalue > 0.05
        assert stats.wilcoxon(difference - bound + inside * 1e-6).pvalue <= 0.05


@pytest.mark.parametrize("n", [1, 4, 9, 30])
def test_signed_rank_chances_agree_with_scipy(n):
    chances = effects.signed_rank_chances(n)
    assert chances.sum() == pytest.approx(1) and len(chances) == n * (n + 1) // 2 + 1
    ranks = np.arange(1, n + 1)
    statistic = ranks[: n // 2].sum()
    difference = np.where(ranks <= n // 2, ranks, -ranks).astype(float)
    lower = stats.wilcoxon(difference, alternative="less", method="exact").pvalue
    assert np.cumsum(chances)[statistic] == pytest.approx(lower)


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=20))
def test_rank_biserial_by_definition(values):
    values = np.array(values, dtype=float)
    found = effects.rank_biserial(values, np.zeros(values.size), np.random.default_rng(0), resamples=20)
    kept = values[values != 0]
    if kept.size == 0:
        assert np.isnan(found.value)
        return
    ranks = stats.rankdata(np.abs(kept))
    expected = (ranks[kept > 0].sum() - ranks[kept < 0].sum()) / ranks.sum()
    assert found.value == pytest.approx(expected)
    smaller = stats.wilcoxon(kept).statistic
    assert abs(found.value) == pytest.approx(1 - 2 * smaller / ranks.sum())


def test_rank_biserial_interval_agrees_with_scipy():
    difference = np.random.default_rng(8).normal(0.3, 1, 40)

    def one(sample):
        ranks = stats.rankdata(np.abs(sample))
        return np.sum(ranks * np.sign(sample)) / ranks.sum()

    found = effects.rank_biserial(difference, np.zeros(40), np.random.default_rng(1), resamples=400)
    expected = stats.bootstrap(
        (difference,), one, n_resamples=400, method="BCa", batch=250, vectorized=False, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_pairs_with_a_gap_are_left_out_and_nothing_has_no_effect():
    assert effects.hodges_lehmann([1, 2, np.nan], [0, np.nan, 1]).value == 1
    for found in (
        effects.hodges_lehmann([], []),
        effects.risk_difference([], []),
        effects.rank_biserial([np.nan], [1], np.random.default_rng(0)),
        effects.balanced_accuracy_difference([True], [True], [False], np.random.default_rng(0)),
    ):
        assert np.isnan(found[1:]).all()
