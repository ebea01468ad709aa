"""Where answers lie beside where tumours are: against scipy and plain loops, and what each extreme must give."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glioma import tasks
from glioma.metrics import placement
from glioma.metrics.placement import Placed
from glioma.scoring import baselines
from glioma.scoring import placement as rows
from glioma.scoring.outlines import score_located
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry

SIDE = 64
SETTINGS = Settings(hd95_unit="px", resamples=200, side=SIDE)


def placed(seed: int = 0, patients: int = 7, follow: float = 0.5) -> Placed:
    """Random slices of some patients, in no order; answers follow the truth by a share."""
    rng = np.random.default_rng(seed)
    patient = np.repeat([f"p{number}" for number in range(patients)], rng.integers(3, 9, patients))
    n = len(patient)
    low = rng.integers(0, 40, (n, 2))
    box = np.concatenate([low, low + rng.integers(1, 20, (n, 2))], axis=1).astype(float)
    true_centre = (box[:, :2] + box[:, 2:]) / 2
    centre = np.rint(follow * true_centre + (1 - follow) * rng.uniform(0, SIDE - 1, (n, 2)))
    true_area = rng.integers(1, 300, n).astype(float)
    order = rng.permutation(n)
    columns = (patient, np.arange(n), centre, rng.integers(1, 300, n).astype(float), box, true_area)
    return Placed(*(column[order] for column in columns))


def found(given: Placed, metric: str) -> float:
    return float(placement.values(placement.sums(given, SIDE).sum(axis=0), metric))


@pytest.mark.parametrize("seed", range(3))
def test_correlations_and_spreads_agree_with_scipy(seed):
    given = placed(seed)
    true_centre = (given.box[:, :2] + given.box[:, 2:]) / 2
    r = [stats.pearsonr(given.centre[:, axis], true_centre[:, axis]).statistic for axis in (0, 1)]
    assert found(given, "centre_correlation") == pytest.approx(np.mean(r))
    assert found(given, "size_correlation") == pytest.approx(stats.spearmanr(given.area, given.true_area).statistic)
    for metric, points in (("centre_spread", given.centre), ("true_centre_spread", true_centre)):
        assert found(given, metric) == pytest.approx(np.sqrt(points.var(axis=0).sum()))


def test_boxes_and_jumps_agree_with_loops():
    given = placed(3)
    own, other, jumps = [], [], []
    for i, centre in enumerate(given.centre):
        inside = [all(box[:2] <= centre) and all(centre <= box[2:]) for box in given.box]
        own.append(inside[i])
        other += [inside[k] for k in range(len(inside)) if given.patient[k] != given.patient[i]]
        before = [k for k in range(len(inside)) if given.patient[k] == given.patient[i]]
        before = [k for k in before if given.position[k] < given.position[i]]
        if before:
            last = max(before, key=lambda k: given.position[k])
            jumps.append(np.linalg.norm(centre - given.centre[last]))
    assert found(given, "centre_in_box") == pytest.approx(np.mean(own))
    assert found(given, "centre_in_other_boxes") == pytest.approx(np.mean(other))
    assert found(given, "centre_jump") == pytest.approx(np.mean(jumps))


def test_an_answer_that_does_not_look_is_told_from_one_that_does():
    blind, seeing = placed(4), placed(4, follow=1.0)
    blind = blind._replace(centre=np.full_like(blind.centre, 30.0))
    assert np.isnan(found(blind, "centre_correlation")) and found(blind, "centre_spread") == 0
    assert found(blind, "centre_jump") == 0 and found(blind, "true_centre_jump") > 0
    assert found(seeing, "centre_correlation") > 0.99
    assert found(seeing, "centre_in_box") == 1 > found(seeing, "centre_in_other_boxes")
    assert placement.counts(np.array(["a", "b", "a", "a"])) == {"distinct_answers": 2, "commonest_answer": 0.75}


def test_metrics_are_named():
    with pytest.raises(ValueError, match="centre_moved"):
        placement.values(placement.sums(placed(), SIDE), "centre_moved")


@pytest.fixture(scope="module")
def masks():
    rng = np.random.default_rng(5)
    volumes = {}
    for number in range(6):
        volume = np.zeros((12, SIDE, SIDE), np.uint8)
        row, column = rng.integers(5, 40, 2)
        for index in range(2, 9):
            volume[index, row + index : row + index + 8, column : column + 6 + index] = 1
        volumes[f"p{number}"] = volume
    return volumes


@pytest.mark.parametrize("task", ["bounding_box", "polygon", "center_point"])
def test_scores_of_a_run_say_how_it_follows_the_picture(task, masks):
    asked = baselines.asked_slices(masks)
    moved = {name: np.roll(mask, 3, axis=1) for name, mask in masks.items()}
    answers = baselines.answers_from_masks(asked, tasks.get(task), moved, SIDE)
    entry = Entry(task, "vlm", "a-run", "tiny", cohort="test", crops="brain")
    scores = score_located(tasks.get(task), answers, masks, entry, SETTINGS)
    summary = scores.summary.set_index("metric")
    assert set(rows.COLUMNS) <= set(scores.slices.columns)
    own = scores.slices[scores.slices["tumour"]]
    shift = 3.0 if task != "center_point" else 2.5  # a point is a whole pixel
    assert (own["row"] - (own["box_top"] + own["box_bottom"]) / 2).between(shift - 0.5, 3).all()
    placed_rows = summary.loc[[name for name in placement.METRICS if name in summary.index]]
    assert set(placed_rows["unit"]) == {"slice"} and set(placed_rows["n"]) == {len(own)}
    assert ("size_correlation" in summary.index) == (task != "center_point")
    r = summary.loc["centre_correlation"]
    assert 0.97 < r["value"] <= 1
    # Answers that all lie three rows too low follow perfectly: there is nothing to be uncertain about.
    assert np.isnan(r["low"]) or 0.97 < r["low"] <= r["value"] <= r["high"] <= 1
    assert summary.loc["distinct_answers", "value"] == own["points"].nunique()


def test_unreadable_answers_and_slices_without_tumour_have_no_place(masks):
    asked = baselines.asked_slices(masks)
    answers = baselines.answers_from_masks(asked, tasks.get("bounding_box"), masks, SIDE)
    entry = Entry("bounding_box", "vlm", "a-run", "tiny", cohort="test", crops="brain")
    lost = answers["patient"] == "p1"
    answers.loc[lost, "status"] = "malformed"
    answers.loc[lost, "points"] = pd.NA
    scores = score_located(tasks.get("bounding_box"), answers, masks, entry, SETTINGS)
    assert scores.slices.loc[scores.slices["patient"] == "p1", "row"].isna().all()
    summary = scores.summary.set_index("metric")
    assert summary.loc["distinct_answers", "n"] == 5 * 7
    everything = answers.assign(status="malformed", points=pd.NA)
    nothing = score_located(tasks.get("bounding_box"), everything, masks, entry, SETTINGS)
    assert not set(placement.METRICS) & set(nothing.summary["metric"])
