"""Calibration against scikit-learn, a worked example, and a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from glioma.metrics import calibration
from glioma.stats import statistics

patients = st.lists(st.tuples(st.booleans(), st.integers(0, 40).map(lambda k: k / 40)), min_size=1, max_size=60)


def split(cases: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of HGG patients and of LGG patients."""
    return tuple(np.array([p for hgg, p in cases if hgg is wanted], dtype=float) for wanted in (True, False))


@given(patients)
def test_brier_agrees_with_sklearn(cases):
    truth, p = zip(*cases, strict=True)
    expected = brier_score_loss(truth, p, pos_label=True)
    assert calibration.brier(*split(cases)) == pytest.approx(expected)


@given(patients, st.integers(1, 20))
def test_ece_is_that_of_a_plain_loop(cases, bins):
    total = 0.0
    for number in range(bins):
        low, high = np.linspace(0, 1, bins + 1)[[number, number + 1]]
        inside = [(hgg, p) for hgg, p in cases if low < p <= high or (number == 0 and p == 0)]
        if inside:
            total += len(inside) * abs(np.mean([hgg for hgg, _ in inside]) - np.mean([p for _, p in inside]))
    assert calibration.ece(*split(cases), bins=bins) == pytest.approx(total / len(cases), abs=1e-9)


def test_ece_worked_example():
    """Five bins of .2: {.1, .15 | 0, 1} .375 off, {.3 | 0} .3, {.7, .75, .8 | 1, 0, 1} .0833, {.9 | 1} .1."""
    positive, negative = np.array([0.15, 0.7, 0.8, 0.9]), np.array([0.1, 0.3, 0.75])
    expected = (2 * 0.375 + 0.3 + 3 * (0.75 - 2 / 3) + 0.1) / 7
    assert calibration.ece(positive, negative, bins=5) == pytest.approx(expected)


@given(patients, st.integers(2, 12))
def test_reliability_agrees_with_sklearn(cases, bins):
    truth, p = (np.array(column) for column in zip(*cases, strict=True))
    table = calibration.reliability(truth, p, bins)
    shares, means = calibration_curve(truth, p, n_bins=bins, pos_label=True)
    filled = table[table["n"] > 0]
    np.testing.assert_allclose(filled["share_hgg"], shares)
    np.testing.assert_allclose(filled["mean_p"], means, atol=1e-12)
    assert table["n"].sum() == len(cases) and table["bin"].tolist() == list(range(bins))
    gap = np.sum(filled["n"] * np.abs(filled["share_hgg"] - filled["mean_p"])) / len(cases)
    assert calibration.ece(*split(cases), bins=bins) == pytest.approx(gap, abs=1e-9)


def test_reliability_has_wilson_intervals_and_empty_bins():
    table = calibration.reliability([True] * 8 + [False] * 3, [0.95] * 7 + [np.nan] + [0.95, 0.1, 0.0])
    last, first = table.iloc[-1], table.iloc[0]
    assert (last["n"], first["n"], table["n"].sum()) == (8, 2, 10)
    assert tuple(last[["share_low", "share_high"]]) == pytest.approx(statistics.wilson(7, 8))
    assert tuple(first[["share_low", "share_high"]]) == pytest.approx(statistics.wilson(0, 2))
    assert table.loc[5, ["mean_p", "share_hgg", "share_low", "share_high"]].isna().all()


def test_scores_work_on_stacks():
    rng = np.random.default_rng(0)
    positive, negative = rng.random((6, 9)), rng.random((6, 4))
    for score in (calibration.brier, calibration.ece):
        stacked = score(positive, negative, axis=-1)
        for row in range(6):
            assert stacked[row] == pytest.approx(score(positive[row], negative[row]))


@pytest.mark.parametrize(("n", "bins"), [(55, 10), (369, 10), (55, 4)])
def test_ece_of_calibrated_probabilities_is_that_of_their_own_draws(n, bins):
    p = np.random.default_rng(1).beta(2, 1, n)
    found = calibration.ece_if_calibrated(p, np.random.default_rng(2), bins, 3000)
    rng, by_hand = np.random.default_rng(3), []
    for _ in range(3000):
        truth = rng.random(n) < p
        by_hand.append(calibration.ece(p[truth], p[~truth], bins=bins))
    assert found.shape == (3000,)
    assert np.quantile(found, [0.05, 0.5, 0.95]) == pytest.approx(np.quantile(by_hand, [0.05, 0.5, 0.95]), rel=0.05)


def test_certain_probabilities_leave_no_chance():
    found = calibration.ece_if_calibrated(np.array([0.0, 1.0, 1.0]), np.random.default_rng(0), resamples=50)
    assert (found == 0).all()
