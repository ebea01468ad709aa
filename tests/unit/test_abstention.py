"""Risk against coverage: against its definition, with ties over all orders."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioma.metrics import abstention
from glioma.scoring import summaries
from glioma.scoring.settings import Settings, Votes
from glioma.scoring.summaries import Entry, Scope
from glioma.scoring.votes import vote

ENTRY, SCOPE = Entry("classification", "vlm", "run"), Scope("all", "axial")
FEW = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=6)


def by_definition(wrong, sure):
    """The mean over all orders that put surer patients first."""
    curves = []
    for order in permutations(range(len(wrong))):
        if all(sure[a] >= sure[b] for a, b in zip(order, order[1:], strict=False)):
            curves.append([np.mean([wrong[i] for i in order[:k]]) for k in range(1, len(wrong) + 1)])
    return np.mean(curves, axis=0)


@given(FEW)
def test_risk_is_its_definition_whatever_the_order_of_equals(patients):
    wrong, sure = zip(*patients, strict=True)
    found = abstention.risk(np.array(wrong), np.array(sure))
    np.testing.assert_allclose(found, by_definition(wrong, sure), atol=1e-12)
    assert abstention.aurc(np.array(wrong), np.array(sure)) == pytest.approx(found.mean())
    assert found[-1] == pytest.approx(np.mean(wrong))


def test_leading_axes_are_kept():
    rng = np.random.default_rng(1)
    wrong, sure = rng.random((5, 3, 12)) < 0.4, rng.integers(0, 4, (5, 3, 12)) / 4
    together = abstention.risk(wrong, sure)
    for index in np.ndindex(5, 3):
        np.testing.assert_allclose(together[index], abstention.risk(wrong[index], sure[index]))


def test_what_knows_where_it_errs_is_better_than_what_does_not():
    wrong = np.array([0, 0, 0, 0, 1, 1])
    knows, flat, mistaken = np.array([9, 8, 7, 6, 2, 1]), np.ones(6), np.array([1, 2, 3, 4, 8, 9])
    areas = [abstention.aurc(wrong, sure) for sure in (knows, flat, mistaken)]
    assert areas[0] < areas[1] == pytest.approx(1 / 3) and areas[1] < areas[2]
    assert np.isnan(abstention.aurc(np.array([]), np.array([])))


def test_an_undecided_patient_is_wrong_and_the_last_to_be_answered():
    grades, labels, score = ["HGG", "LGG", "HGG", "LGG"], ["HGG", "LGG", "", "HGG"], [0.9, 0.2, np.nan, 0.6]
    row = summaries.aurc_row(ENTRY, SCOPE, "aurc_logprob", (grades, labels, score), Settings())
    assert row["value"] == pytest.approx(np.mean([0, 0, 1 / 3, 1 / 2])) and row["n"] == 4
    unknown = summaries.aurc_row(ENTRY, SCOPE, "aurc", (grades[:2], labels[:2], [0.9, np.nan]), Settings())
    assert (unknown["n"], unknown["n_undecided"], unknown["value"]) == (1, 1, 0)


def test_the_interval_holds_the_value_and_is_the_same_again():
    rng = np.random.default_rng(3)
    grades = np.where(rng.random(80) < 0.5, "HGG", "LGG")
    score = np.clip((grades == "HGG") * 0.3 + rng.random(80) * 0.7, 0, 1)
    patients = (grades, np.where(score > 0.5, "HGG", "LGG"), score)
    row, again = (summaries.aurc_row(ENTRY, SCOPE, "aurc", patients, Settings(resamples=500)) for _ in range(2))
    assert row == again and row["low"] < row["value"] < row["high"]


def test_slices_may_weigh_in_with_their_probabilities():
    answers = pd.DataFrame({"patient": list("aaabbc"), "status": "ok", "choice": [1, 1, 0, 0, 0, 1]})
    answers["p_hgg"] = [0.55, 0.55, 0.1, 0.9, 0.4, np.nan]
    assert vote(answers)["label"].tolist() == ["HGG", "LGG", "HGG"]
    assert vote(answers, Votes(ballot="probability"))["label"].tolist() == ["LGG", "HGG", ""]
