"""Labels of slices: scored slice by slice, with intervals that keep a patient's slices together."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sklearn

from glioma.scoring import baselines
from glioma.scoring.settings import Settings
from glioma.scoring.slice_labels import score_labels
from glioma.scoring.summaries import Entry
from glioma.stats.clustered import clustered_interval
from glioma.stats.statistics import NO_INTERVAL

RNG = np.random.default_rng(0)
MASKS = {f"p{number}": (RNG.random((12, 4, 4)) < 0.03).astype(np.uint8) for number in range(9)}
ENTRY = Entry("a-task", "vlm", "a-run", "tiny")


def answers(seed: int = 1) -> pd.DataFrame:
    """Right two times in three; a tenth could not be parsed."""
    rng = np.random.default_rng(seed)
    asked = baselines.asked_slices(MASKS, selection="all")
    truth = np.array(
        [MASKS[patient][index].any() for patient, index in zip(asked["patient"], asked["slice"], strict=True)]
    )
    table = baselines.labelled(asked, truth ^ (rng.random(len(asked)) < 0.33))
    table.loc[rng.random(len(table)) < 0.1, ["status", "choice"]] = ["malformed", pd.NA]
    return table.assign(truth=truth)


def row(summary: pd.DataFrame, metric: str) -> pd.Series:
    (found,) = summary[summary["metric"] == metric].to_dict("records")
    return pd.Series(found)


def test_scores_are_scikit_learns_over_all_slices():
    given = answers()
    summary = score_labels(given.drop(columns="truth"), MASKS, ENTRY, Settings(resamples=200)).summary
    # What could not be parsed is wrong, whatever the truth.
    predicted = np.where(given["status"] == "ok", given["choice"].fillna(0).astype(bool), ~given["truth"])
    expected = {
        "accuracy": sklearn.accuracy_score(given["truth"], predicted),
        "balanced_accuracy": sklearn.balanced_accuracy_score(given["truth"], predicted),
        "recall": sklearn.recall_score(given["truth"], predicted),
        "f1": sklearn.f1_score(given["truth"], predicted),
        "mcc": sklearn.matthews_corrcoef(given["truth"], predicted),
    }
    for metric, value in expected.items():
        found = row(summary, metric)
        assert found["value"] == pytest.approx(value) and found["n"] == len(given) and found["unit"] == "slice"
        assert found["low"] < found["value"] < found["high"]
    assert row(summary, "answers_malformed")["value"] == (given["status"] == "malformed").sum() > 0


def test_a_slice_shows_tumour_from_so_many_pixels_on():
    always = baselines.labelled(baselines.asked_slices(MASKS, selection="all"), [True] * 12 * len(MASKS))
    areas = np.stack([mask.any(axis=0).sum() * 0 + np.count_nonzero(mask, axis=(1, 2)) for mask in MASKS.values()])
    for pixels in (1, 2):
        summary = score_labels(always, MASKS, ENTRY, Settings(resamples=100), pixels).summary
        assert row(summary, "accuracy")["value"] == pytest.approx((areas >= pixels).mean())
        assert row(summary, "balanced_accuracy")["value"] == 0.5


def test_a_patients_slices_stay_together():
    """The interval is scipy's over patients, and far wider than one that takes slices for independent."""
    rng = np.random.default_rng(3)
    right, slices = rng.binomial(40, rng.beta(1, 1, 25)), 40
    counts = np.stack([right, slices - right], axis=1)

    def share(summed: np.ndarray) -> np.ndarray:
        return summed[..., 0] / summed.sum(axis=-1)

    found = clustered_interval(counts, share, np.random.default_rng(0), resamples=20_000)
    expected = stats.bootstrap(
        (right / slices,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)
    by_slice = stats.binomtest(int(right.sum()), 25 * slices).proportion_ci()
    assert found.high - found.low > 2 * (by_slice.high - by_slice.low)


@pytest.mark.parametrize("counts", [np.ones((1, 2)), np.tile([1.0, 1.0], (5, 1))])
def test_one_patient_or_no_spread_has_no_interval(counts):
    assert clustered_interval(counts, lambda summed: summed[:, 0] / summed.sum(axis=1), RNG) == NO_INTERVAL


def test_few_patients_are_left_out_one_at_a_time():
    """Of patients with equally many slices the share is a mean, whose jackknife is Student's interval."""
    rng = np.random.default_rng(5)
    right = rng.integers(3, 10, 8)
    counts = np.stack([right, 10 - right], axis=1)

    def share(summed: np.ndarray) -> np.ndarray:
        return summed[..., 0] / summed.sum(axis=-1)

    expected = stats.t.interval(0.95, 7, loc=(right / 10).mean(), scale=stats.sem(right / 10))
    assert clustered_interval(counts, share, RNG) == pytest.approx(expected)
    assert clustered_interval(counts, share, RNG, (0.55, 1)).low == 0.55
    held = 0
    for _ in range(400):
        drawn = rng.binomial(20, rng.beta(4, 2, 8))
        found = clustered_interval(np.stack([drawn, 20 - drawn], axis=1), share, rng, (0, 1))
        held += found.low <= 2 / 3 <= found.high
    assert 0.9 <= held / 400 <= 0.98
