"""Paired comparisons on tables small enough to test by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from glioma import comparisons, statistics


def grader(labels: str, p_hgg: list[float] | None = None, grades: str = "HHHHHHLLLL") -> pd.DataFrame:
    """A reader's table from letters: H, L, and ? for undecided."""
    names = {"H": "HGG", "L": "LGG", "?": ""}
    table = pd.DataFrame({"grade": [names[g] for g in grades], "label": [names[x] for x in labels]})
    if p_hgg is not None:
        table["p_hgg"] = p_hgg
    table.index = pd.Index([f"p{number}" for number in range(len(table))], name="patient")
    return table


def one(table: pd.DataFrame, metric: str) -> pd.Series:
    (index,) = table.index[table["metric"] == metric]
    return table.loc[index]


def test_graders_by_hand():
    rng = np.random.default_rng(0)
    scores = rng.random((2, 10))
    readers = {"cnn": grader("HHHHHHLLLL", scores[0]), "vlm": grader("HHH?HHHHHL", scores[1])}
    table = comparisons.compare_graders(readers)
    assert tuple(table.columns) == comparisons.COLUMNS
    accuracy = one(table, "accuracy_all")
    assert (accuracy["value_first"], accuracy["value_second"], accuracy["n"]) == (1, 0.6, 10)
    assert accuracy["p"] == pytest.approx(2 * 0.5**4)
    specificity = one(table, "specificity_all")
    assert (specificity["value_second"], specificity["n"]) == (0.25, 4)
    assert specificity["p"] == pytest.approx(2 * 0.5**3)
    assert one(table, "recall_all")["p"] == 1
    truth = np.arange(10) < 6
    assert one(table, "auc")["p"] == pytest.approx(statistics.delong(truth, *scores).p)


def test_only_common_patients_count():
    first, second = grader("HHHHHHLLLL"), grader("HHHHHHLLLL").iloc[2:]
    assert one(comparisons.compare_graders({"a": first, "b": second}), "accuracy_all")["n"] == 8
    assert np.isnan(one(comparisons.compare_graders({"a": first, "b": second}), "auc")["p"])


def test_tally_ranks_a_reader_without_probabilities():
    tally = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.55, 0.3, 0.2, np.nan]
    readers = {"a": grader("HHHHHHLLLL", tally[::-1]), "b": grader("HHHHHHLLLL").assign(gldr=tally, p_hgg=np.nan)}
    auc = one(comparisons.compare_graders(readers), "auc")
    assert auc["n"] == 8 and np.isfinite(auc["p"])


def test_scores_by_hand_and_holm_over_the_pairs():
    rng = np.random.default_rng(1)
    patients = pd.Index([f"p{number}" for number in range(20)], name="patient")
    readers = {
        name: pd.DataFrame({"dice": rng.random(20) * scale, "hd95": rng.random(20)}, index=patients)
        for name, scale in (("a", 1.0), ("b", 0.5), ("c", 0.4))
    }
    table = comparisons.compare_scores(readers, ["dice", "hd95"])
    assert len(table) == 6
    dice = table[table["metric"] == "dice"]
    for row in dice.itertuples():
        first, second = readers[row.first]["dice"], readers[row.second]["dice"]
        assert row.p == pytest.approx(stats.wilcoxon(first, second).pvalue)
        assert row.value_first == pytest.approx(first.mean())
    order = np.sort(dice["p"])
    smallest = dice.loc[dice["p"].idxmin()]
    assert smallest["p_holm"] == pytest.approx(min(3 * order[0], 1))
    assert (table["p_holm"] >= table["p"]).all()


def test_reader_picks_one_row_a_patient():
    table = pd.DataFrame(
        {"cohort": "test", "patient": ["a", "a", "b"], "slices": ["all", "tumour", "all"], "orientation": "axial"}
    )
    assert comparisons.reader(table, "test", "all", "axial").index.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="several rows"):
        comparisons.reader(table.drop(columns="slices"), "test", "all", "axial")


def test_one_reader_has_nothing_to_compare():
    assert comparisons.compare_graders({"a": grader("HHHHHHLLLL")}).empty
    assert comparisons.compare_scores({}, ["dice"]).empty
