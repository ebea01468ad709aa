"""Several drawn answers of a slice made one, and how far they agree."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import jaccard_score

from glioma import tasks
from glioma.base.errors import UserError
from glioma.config.entries import Run
from glioma.metrics import abstention
from glioma.scoring import samples
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry
from glioma.vlm.requests import Request, of_run, sampled

SIDE = 32
COLUMNS = list(tasks.COLUMNS)


def answers(*slices):
    """A table of samples: a list of choices or of points for each slice, None where one could not be parsed."""
    rows = []
    for index, drawn in enumerate(slices):
        for repeat, each in enumerate(drawn):
            points = tasks.points_to_text(np.array(each)) if isinstance(each, list) else None
            choice = each if isinstance(each, int) else None
            status = "malformed" if each is None else "ok"
            rows.append(("a", "axial", index, repeat, status, choice, points, float("nan"), None, 9))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({"choice": "Int64", "points": "string"})


def box(top, left, bottom, right):
    return [[top, left], [top, right], [bottom, right], [bottom, left]]


def test_the_most_frequent_choice_is_taken_and_agreement_is_the_share_of_equal_pairs():
    table = answers([1, 0, 1], [0, 0, 0], [0, 1, None], [None, None, 1], [None, None, None])
    found = samples.combine(table, tasks.get("classification"), SIDE)
    assert found["choice"].tolist()[:4] == [1, 0, 0, 1] and found["status"].tolist() == ["ok"] * 4 + ["malformed"]
    assert found["agreement"].tolist() == pytest.approx([1 / 3, 1, 0, 1 / 3, 1])
    assert found["repeat"].tolist() == [0, 0, 0, 2, 0]
    assert found.columns.tolist() == [*COLUMNS, "agreement"]


def test_the_box_that_agrees_most_is_taken():
    drawn = [box(2, 2, 9, 9), box(3, 2, 10, 9), box(3, 3, 10, 10), box(20, 20, 30, 30)]
    found = samples.combine(answers([*drawn, None]), tasks.get("bounding_box"), SIDE)
    task = tasks.get("bounding_box")
    masks = [task.pixels(np.array(each), SIDE) for each in drawn]
    likeness = np.zeros((5, 5))
    for one in range(4):
        for other in range(4):
            likeness[one, other] = jaccard_score(masks[one].ravel(), masks[other].ravel())
    pairs = likeness[np.triu_indices(5, 1)]
    assert found["agreement"].item() == pytest.approx(pairs.mean())
    best = np.argmax(likeness[:4, :4].sum(axis=1))
    assert found["repeat"].item() == best == 1 and found["points"].item() == tasks.points_to_text(np.array(drawn[1]))


def test_points_agree_as_they_are_near():
    found = samples.combine(answers([[[3, 4]], [[3, 4]], [[6, 8]]], [[[0, 0]], None]), tasks.get("center_point"), SIDE)
    near = 1 - 5 / np.hypot(SIDE, SIDE)
    assert found["agreement"].tolist() == pytest.approx([(1 + 2 * near) / 3, 0])
    assert found["repeat"].tolist() == [0, 0]


def test_one_sample_is_the_answer():
    table = answers([1], [None], [0])
    found = samples.combine(table, tasks.get("classification"), SIDE)
    pd.testing.assert_frame_equal(found[COLUMNS], table)
    assert found["agreement"].tolist() == [1, 1, 1]


def test_rows_say_whether_agreement_knows_where_answers_are_wrong():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"patient": np.repeat(list("abcdefghijkl"), 5), "orientation": "axial"})
    table["agreement"] = rng.random(60)
    table["dice"] = np.clip(table["agreement"] + 0.3 * rng.standard_normal(60), 0, 1)
    table.loc[3, "dice"] = np.nan
    rows = samples.rows(Entry("bounding_box", "vlm", "run"), table, Settings(), "dice")
    found = {row["metric"]: row for row in rows}
    known = table.dropna()
    means = known.groupby("patient")[["agreement", "dice"]].mean()
    assert found["agreement"]["value"] == pytest.approx(means["agreement"].mean()) and found["agreement"]["n"] == 12
    assert found["agreement"]["low"] < found["agreement"]["value"] < found["agreement"]["high"]
    assert found["agreement_correlation"]["value"] == pytest.approx(stats.spearmanr(*means.to_numpy().T).statistic)
    assert found["aurc_agreement"]["value"] == pytest.approx(abstention.aurc(1 - known["dice"], known["agreement"]))
    assert found["aurc_agreement"]["value"] < 1 - known["dice"].mean() and found["aurc_agreement"]["n"] == 59
    assert not list(
        samples.rows(Entry("bounding_box", "vlm", "run"), table.drop(columns="agreement"), Settings(), "dice")
    )


def test_each_slice_is_asked_as_often_and_in_order(small_crops):
    from small_crops import PATIENTS

    assert sampled([Request("a", "axial", 3)], 2) == [Request("a", "axial", 3, 0), Request("a", "axial", 3, 1)]
    queries = {"orientations": ["axial"], "selection": "tumour", "every": 2, "tumour_pixels": 1, "repeats": None}
    once, thrice = (of_run(PATIENTS, small_crops, queries | {"samples": count}) for count in (1, 3))
    assert thrice == [request._replace(repeat=number) for request in once for number in range(3)]


@pytest.mark.parametrize(
    ("more", "said"),
    [({}, "greedy answers are one"), ({"generation": {"temperature": 1}, "repeats": 5}, "leave one of them out")],
)
def test_what_cannot_be_sampled_is_refused(more, said):
    with pytest.raises(UserError, match=said):
        Run.read({"task": "bounding_box", "model": "m", "prompt": "p", "samples": 3, **more})
