"""Votes against a plain recount, and each policy where it makes the difference."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioma.base.errors import UserError
from glioma.scoring.settings import Votes
from glioma.scoring.votes import vote

UNREADABLE = 3


def table(ballots: dict[str, list[int]], p_hgg: dict[str, float] | None = None) -> pd.DataFrame:
    """Answers from choices per patient; 3 stands for an unreadable one."""
    rows = [(patient, choice) for patient, choices in ballots.items() for choice in choices]
    answers = pd.DataFrame(rows, columns=["patient", "choice"])
    answers["status"] = np.where(answers["choice"] == UNREADABLE, "malformed", "ok")
    answers["p_hgg"] = answers["patient"].map(p_hgg or {}).astype(float)
    answers["choice"] = answers["choice"].where(answers["choice"] != UNREADABLE).astype("Int64")
    return answers


def label(choices: list[int], grade: str = "HGG", p_hgg: float = np.nan, **rules: str) -> str:
    return vote(table({"a": choices}, {"a": p_hgg}), Votes(**rules), pd.Series({"a": grade}))["label"]["a"]


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1))
def test_recount(ballots):
    votes = vote(table(ballots))
    for patient, choices in ballots.items():
        count = Counter(choices)
        found = votes.loc[patient]
        assert (found.n_lgg, found.n_hgg, found.n_no_glioma, found.n_unparsed) == tuple(count[k] for k in range(4))
        assert found.n_slices == len(choices)
        graded = count[0] + count[1]
        assert found.gldr == count[1] / graded if graded else np.isnan(found.gldr)
        expected = "" if count[0] == count[1] else "HGG" if count[1] > count[0] else "LGG"
        assert found.label == expected


@pytest.mark.parametrize(
    ("tie", "choices", "expected"),
    [
        ("undecided", [0, 1], ""),
        ("hgg", [0, 1], "HGG"),
        ("lgg", [0, 1], "LGG"),
        ("hgg", [0, 0, 1], "LGG"),
        ("lgg", [3, 2], ""),
        ("hgg", [3], ""),
    ],
)
def test_ties(tie, choices, expected):
    assert label(choices, tie=tie) == expected


@pytest.mark.parametrize(("p_hgg", "expected"), [(0.6, "HGG"), (0.4, "LGG"), (0.5, ""), (np.nan, "")])
def test_tie_by_probability(p_hgg, expected):
    assert label([0, 1], p_hgg=p_hgg, tie="probability") == expected
    assert label([0, 0, 1], p_hgg=0.9, tie="probability") == "LGG"


def test_probability_has_no_say_without_a_vote():
    assert label([2, 3], p_hgg=0.9, tie="probability") == ""


@pytest.mark.parametrize(("rule", "expected"), [("exclude", "HGG"), ("counts", "no glioma"), ("undecided", "")])
def test_no_glioma_winner(rule, expected):
    assert label([1, 2, 2], no_glioma=rule) == expected
    assert label([1, 1, 2], no_glioma=rule) == "HGG"


@pytest.mark.parametrize(
    ("rule", "grade", "expected"),
    [("exclude", "HGG", "HGG"), ("counts", "HGG", ""), ("wrong", "HGG", "LGG"), ("wrong", "LGG", "HGG")],
)
def test_unreadable_slices(rule, grade, expected):
    assert label([1, 3, 3], grade, unparsed=rule) == expected


def test_gldr_denominators():
    answers = table({"a": [1, 0, 2, 2, 3], "b": [2]})
    assert vote(answers)["gldr"]["a"] == 0.5 and np.isnan(vote(answers)["gldr"]["b"])
    readable = vote(answers, Votes(gldr_denominator="readable"))["gldr"]
    assert readable["a"] == 0.25 and readable["b"] == 0
    queried = vote(answers, Votes(gldr_denominator="all"))["gldr"]
    assert queried["a"] == 0.2 and queried["b"] == 0


def test_patients_without_slices_are_kept_undecided():
    votes = vote(table({"b": [1]}), grades=pd.Series({"a": "HGG", "b": "HGG"}))
    assert votes.index.tolist() == ["a", "b"] and votes["label"].tolist() == ["", "HGG"]
    assert votes.loc["a", "n_slices"] == 0


def test_mean_probability():
    answers = table({"a": [1, 1, 0]}).assign(p_hgg=[0.9, np.nan, 0.3])
    assert vote(answers)["p_hgg"]["a"] == pytest.approx(0.6)


def test_unknown_rule_names_the_key():
    with pytest.raises(UserError, match=r"key tie: 'coin' must be 'undecided', "):
        Votes.read({"tie": "coin"})


def test_wrong_needs_grades():
    with pytest.raises(ValueError, match="grades"):
        vote(table({"a": [1]}), Votes(unparsed="wrong"))
