"""The study of coverage in benchmarks/coverage_study.py, at a size that a test has time for."""

import sys

import numpy as np
import pytest

from workspace import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))
import coverage_study

EXTREME = [(0.98, 0.05), (0.9, 0.9)]


@pytest.fixture(scope="module")
def published():
    return coverage_study.confusions([(44, 11), (24, 16)], [*coverage_study.published_rates(), *EXTREME])


def test_scores_of_all_published_matrices_cover_as_they_say(published):
    """Exactly, by enumeration of all outcomes; the binomial's steps leave no method at .95 everywhere."""
    assert len(published) == 2 * 3 * 11
    assert published["coverage"].between(0.93, 1).all()
    assert published.groupby("metric")["coverage"].median().between(0.945, 0.975).all()
    assert (published.loc[published["metric"] != "mcc", "none"] < 1e-12).all(), "an interval for every outcome"


def test_resampling_would_not(published):
    """What stood there before: at sensitivity .98 and specificity .05 BCa held the truth in .55, and often had none."""
    rng = np.random.default_rng(0)
    was = coverage_study.confusions(
        [(44, 11)], EXTREME, lambda metric, counts: coverage_study.resampled(metric, counts, rng, 200)
    )
    was = was[was["metric"] == "balanced_accuracy"]
    assert was["coverage"].iloc[0] < 0.7 and was["none"].iloc[0] > 0.15
    assert was["coverage"].iloc[1] < 0.9


def test_an_area_covers_up_to_its_ends():
    found = coverage_study.areas([(44, 11), (6, 4)], (0.5, 0.85, 0.99), 300)
    assert found["coverage"].between(0.91, 1).all()
    assert found.loc[found["AUC"] == 0.99, "BCa none"].min() > 0.1


def test_means_of_few_patients_cover_better_than_resampling():
    found = coverage_study.means((3, 8), 300).set_index("scores").drop("good, one in ten failed")
    assert (found["coverage"] > found["BCa"] - 0.01).all() and found["coverage"].min() > 0.85
    assert found.loc[found["n"] == 3, "BCa"].max() < 0.85


def test_paired_differences_cover_and_their_test_holds_its_level():
    found = coverage_study.differences([(44, 11), (6, 4)], [(0.841, 0.636), (0.98, 0.05)], 150)
    assert found["coverage"].min() >= 0.91
    level = found["p < .05"].dropna()
    assert len(level) == 8 and level.max() <= 0.09
    same = found[found["p < .05"].notna()]
    assert (same["coverage"] + same["p < .05"]).to_numpy() == pytest.approx(1)
