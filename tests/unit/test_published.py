"""The patients behind the published scores: found anew, and held against the table of the study's description."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn import metrics as sk

from glioma.compare import published
from glioma.metrics import classification
from glioma.metrics.classification import Confusion

TABLES = Path(__file__).parents[2] / "resources" / "published_tables.csv"

# Independently worked out: table, setting, cohort, n, TP FN TN FP, balanced accuracy, MCC.
EXPECTED = """
1 baseline                    test       55 37  7 7  4 .739  .438
1 baseline                    validation 62 42  7 5  8 .621  .249
2 general-axial               test       55 43  1 0 11 .489 -.068
2 general-coronal             test       55 44  0 0 11 .500   nan
2 general-sagittal            test       54 42  1 1 10 .534  .144
3 general-axial-tumour-slices test       55 40  4 2  9 .546  .117
3 finetuned-100-steps         test       50 35  5 3  7 .588  .191
3 finetuned-full-epoch        test       51 29 12 5  5 .604  .175
"""


@pytest.fixture(scope="module")
def rows():
    return {(row.table, row.setting, row.cohort): row for row in published.read(TABLES)}


@pytest.mark.parametrize("line", EXPECTED.strip().splitlines())
def test_the_published_rows_are_these_patients(line, rows):
    table, setting, cohort, *numbers = line.split()
    n, *cells = map(int, numbers[:5])
    row = rows[int(table), setting, cohort]
    assert list(row.counts) == cells and sum(row.counts) == n
    scores = classification.scores(row.counts)
    for name, value in zip(("balanced_accuracy", "mcc"), map(float, numbers[5:]), strict=True):
        # Three decimals; .54545 stands there as .546.
        assert scores[name] == pytest.approx(value, abs=6e-4, nan_ok=True)


def test_every_matrix_prints_what_was_printed(rows):
    table = pd.read_csv(TABLES).query("task == 'classification' and metric != 'auc'")
    for key, group in table.groupby(["table", "setting", "cohort"]):
        tp, fn, tn, fp = rows[key].counts
        truth = np.repeat([1, 1, 0, 0], [tp, fn, tn, fp])
        said = np.repeat([1, 0, 0, 1], [tp, fn, tn, fp])
        theirs = {
            "accuracy": sk.accuracy_score(truth, said),
            "f1": sk.f1_score(truth, said),
            "precision": sk.precision_score(truth, said),
            "recall": sk.recall_score(truth, said),
            "specificity": sk.recall_score(1 - truth, 1 - said),
        }
        for metric, value in group[["metric", "value"]].itertuples(index=False):
            assert round(theirs[metric], 4) == pytest.approx(value, abs=1e-9)


def test_only_equal_shares_leave_a_choice(rows):
    ambiguous = {key: row.others for key, row in rows.items() if row.others}
    # 188/196 and 52/52 are equal shares of 47/49 and 13/13; always HGG is one share of any four to one.
    assert ambiguous == {(1, "baseline", "train"): 3, (2, "general-coronal", "test"): 10}
    assert sum(rows[1, "baseline", "train"].counts) == 248


def test_missing_patients_are_wrong_in_the_second_denominator(rows):
    assert {key[1]: row.missing for key, row in rows.items() if sum(row.missing)} == {
        "general-sagittal": (1, 0),
        "finetuned-100-steps": (4, 1),
        "finetuned-full-epoch": (3, 1),
    }
    for row in rows.values():
        assert sum(row.everyone) == sum(published.COHORTS[row.cohort])
        assert (row.everyone.tp, row.everyone.tn) == (row.counts.tp, row.counts.tn)


def test_the_cohorts_add_up_to_the_study():
    total = np.add(published.COHORTS["test"], published.COHORTS["train"]) + published.COHORTS["validation"]
    assert total.tolist() == [289, 76]


@given(st.tuples(*[st.integers(0, 6)] * 4).filter(lambda c: c[0] and c[0] + c[1] and c[2] + c[3]))
def test_a_matrix_is_among_those_that_print_its_scores(cells):
    counts = Confusion(*cells)
    printed = {name: round(float(classification.scores(counts)[name]), 4) for name in published.PRINTED}
    found = published.matrices(printed, 12, 12)
    assert counts in found
    brute = {
        each
        for hgg, lgg in product(range(1, 13), repeat=2)
        for tp, tn in [(round(printed["recall"] * hgg), round(printed["specificity"] * lgg))]
        for each in [Confusion(tp, hgg - tp, tn, lgg - tn)]
        if all(abs(float(classification.scores(each)[name]) - printed[name]) <= 0.5001e-4 for name in published.PRINTED)
    }
    assert set(found) == brute and len(found) == len(brute)


def test_scores_of_no_matrix_are_refused():
    table = pd.read_csv(TABLES)
    chosen = (table["setting"] == "general-axial") & (table["metric"] == "accuracy")
    table.loc[chosen, "value"] = 0.5
    with pytest.raises(ValueError, match="general-axial"):
        published.recover(table)


def test_mcnemar_over_all_overlaps():
    """7 of 11 against 2 of 11: with two, one or no patient right in both, from the binomial by hand."""
    found = published.mcnemar_range(7, 2, 11)
    expected = {2: 2 * 0.5**5, 1: 2 * (1 + 7) * 0.5**7, 0: 2 * (1 + 9 + 36) * 0.5**9}
    assert found == pytest.approx(expected)
    assert found[0] == pytest.approx(2 * binom.cdf(2, 9, 0.5))
    assert (round(min(found.values()), 2), round(max(found.values()), 2)) == (0.06, 0.18)
    assert list(published.mcnemar_range(10, 3, 11)) == [2, 3]


def test_always_hgg_on_the_published_test_set():
    scores = published.always_hgg(*published.COHORTS["test"])
    assert (round(scores["accuracy"], 3), round(scores["f1"], 3)) == (0.8, 0.889)
    assert scores["balanced_accuracy"] == 0.5 and np.isnan(scores["mcc"])
