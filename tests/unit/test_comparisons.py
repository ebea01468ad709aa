"""Paired comparisons on tables small enough to test by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sklearn
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from glioma.base.errors import UserError
from glioma.compare import declared
from glioma.compare.declared import Method
from glioma.scoring.settings import Settings
from glioma.stats import effects

SETTINGS = Settings(hd95_unit="px", resamples=200)
GRADES = {"H": "HGG", "L": "LGG", "?": ""}


def grader(
    name: str, labels: str, p_hgg=None, grades: str = "HHHHHHLLLL", cohorts=("test",), place=("volume", "volume")
) -> Method:
    """A grading method from letters: H, L, and ? for undecided."""
    table = pd.DataFrame({"grade": [GRADES[g] for g in grades], "label": [GRADES[x] for x in labels]})
    table = table.assign(patient=[f"p{number}" for number in range(len(table))], slices=place[0], orientation=place[1])
    if p_hgg is not None:
        table["p_hgg"] = p_hgg
    patients = pd.concat([table.assign(cohort=cohort) for cohort in cohorts], ignore_index=True)
    return Method(name, "classification", "brain", patients)


def drawer(name: str, task: str, places, seed: int = 0, n: int = 20, cohorts=("test",), crops: str = "brain") -> Method:
    """A method with scores between 0 and 1 at some (slices, orientation)."""
    rng = np.random.default_rng(seed)
    columns = ["fraction_in_box", "p95_euclidean_distance"] if task == "center_point" else ["dice", "hd95"]
    tables = [
        pd.DataFrame(rng.random((n, 2)), columns=columns).assign(
            patient=[f"p{number}" for number in range(n)], cohort=cohort, slices=slices, orientation=orientation
        )
        for cohort in cohorts
        for slices, orientation in places
    ]
    return Method(name, task, crops, pd.concat(tables, ignore_index=True))


def compare(*methods: Method, pairs=None, dimension: str = "3d") -> pd.DataFrame:
    return declared.compare(methods, pairs or [[methods[0].name, methods[1].name]], dimension, SETTINGS)


def one(table: pd.DataFrame, metric: str, **where: str) -> pd.Series:
    chosen = table[(table["metric"] == metric) & (table["test"] != "effect only")]
    for column, wanted in where.items():
        chosen = chosen[chosen[column] == wanted]
    assert len(chosen) == 1, chosen
    return chosen.iloc[0]


def test_graders_by_hand():
    rng = np.random.default_rng(0)
    scores = rng.random((2, 10))
    table = compare(grader("cnn", "HHHHHHLLLL", scores[0]), grader("vlm", "HHH?HHHHHL", scores[1]))
    assert tuple(table.columns) == declared.COLUMNS
    assert table["role"].tolist() == ["primary"] + ["secondary"] * 4
    accuracy = one(table, "accuracy_all")
    assert (accuracy["value_first"], accuracy["value_second"], accuracy["n"]) == (1, 0.6, 10)
    right = np.array([[True] * 10, [True] * 3 + [False] + [True] * 2 + [False] * 3 + [True]])
    truth = np.arange(10) < 6
    assert accuracy["p"] == effects.risk_difference(*right).p < 0.05 and accuracy["test"] == "Newcombe"
    assert accuracy["effect"] == pytest.approx(0.4) and accuracy["effect_name"] == "risk difference"
    assert accuracy["effect_low"] < 0.4 < accuracy["effect_high"]
    specificity = one(table, "specificity_all")
    assert (specificity["value_second"], specificity["n"]) == (0.25, 4)
    assert specificity["p"] == effects.risk_difference(*right[:, ~truth]).p
    assert one(table, "recall_all")["p"] > 0.2
    balanced = one(table, "balanced_accuracy_all")
    assert balanced["role"] == "primary"
    assert balanced["p"] == effects.balanced_accuracy_difference(truth, *right).p and balanced["test"] == "MOVER"
    assert balanced["value_second"] == pytest.approx((5 / 6 + 1 / 4) / 2)
    assert balanced["effect"] == pytest.approx(1 - (5 / 6 + 1 / 4) / 2)
    auc = one(table, "auc")
    assert auc["p"] == pytest.approx(effects.auc_difference(truth, *scores).p)
    areas = [sklearn.roc_auc_score(truth, score) for score in scores]
    assert auc["effect"] == pytest.approx(areas[0] - areas[1])


def test_only_common_patients_count():
    first, second = grader("a", "HHHHHHLLLL"), grader("b", "HHHHHHLLLL")
    second = Method("b", "classification", "brain", second.patients.iloc[2:])
    assert one(compare(first, second), "accuracy_all")["n"] == 8
    assert np.isnan(one(compare(first, second), "auc")["p"])
    shuffled = Method("b", "classification", "brain", first.patients.sample(frac=1, random_state=1))
    assert one(compare(first, shuffled), "accuracy_all")["effect"] == 0


def test_tally_ranks_a_method_without_probabilities():
    tally = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.55, 0.3, 0.2, np.nan]
    second = grader("b", "HHHHHHLLLL")
    second = Method("b", "classification", "brain", second.patients.assign(gldr=tally, p_hgg=np.nan))
    auc = one(compare(grader("a", "HHHHHHLLLL", tally[::-1]), second), "auc")
    assert auc["n"] == 8 and np.isfinite(auc["p"])


def test_scores_by_hand():
    places = [("volume", "volume"), ("tumour volume", "axial"), ("tumour", "axial")]
    first, second = drawer("a", "segmentation", places, 1), drawer("b", "segmentation", places, 2)
    table = compare(first, second)
    dice = one(table, "dice")
    ours, theirs = (method.table("test", ("volume", "volume"))["dice"].to_numpy() for method in (first, second))
    assert dice["p"] == pytest.approx(stats.wilcoxon(ours, theirs).pvalue) and dice["role"] == "primary"
    assert (dice["value_first"], dice["value_second"]) == pytest.approx((ours.mean(), theirs.mean()))
    gaps = ours - theirs
    walsh = [(a + b) / 2 for i, a in enumerate(gaps) for b in gaps[i:]]
    assert dice["effect"] == pytest.approx(np.median(walsh)) and dice["slices"] == "volume"
    share = table[table["test"] == "effect only"].iloc[0]
    ranks = stats.rankdata(np.abs(gaps))
    assert share["effect"] == pytest.approx(np.sum(ranks * np.sign(gaps)) / ranks.sum())
    assert np.isnan(share["p"]) and np.isnan(share["p_holm"]) and share["role"] == "secondary"
    assert one(table, "hd95")["role"] == "secondary"


def test_methods_are_compared_on_the_same_slices():
    network = drawer("cnn", "segmentation", [("volume", "volume"), ("tumour volume", "axial"), ("tumour", "axial")])
    boxes = drawer("vlm", "bounding_box", [("tumour", "axial"), ("tumour volume", "axial")], 1)
    asked_all = [("all", "axial"), ("volume", "axial"), ("tumour", "axial"), ("tumour volume", "axial")]
    polygons, more = drawer("polygons", "polygon", asked_all, 2), drawer("more", "bounding_box", asked_all, 3)
    assert one(compare(network, boxes), "dice")["slices"] == "tumour volume, axial"
    assert one(compare(network, boxes, dimension="2d"), "dice")["slices"] == "tumour, axial"
    assert one(compare(polygons, more), "dice")["slices"] == "volume, axial"
    # Where all slices were asked about, the volume needs no truth to choose them.
    assert one(compare(network, more), "dice")["slices"] == "volume / volume, axial"
    assert one(compare(more, network, dimension="2d"), "dice")["slices"] == "tumour, axial"
    assert one(compare(polygons, boxes), "dice")["slices"] == "tumour volume, axial"
    points = drawer("points", "center_point", [("tumour", "axial")]), drawer("p2", "center_point", asked_all[:3], 4)
    table = compare(*points)
    assert one(table, "fraction_in_box")["role"] == "primary"
    assert one(table, "fraction_in_box")["slices"] == "tumour, axial"


def test_graders_answer_for_what_they_were_asked():
    cnn = grader("cnn", "HHHHHHLLLL")
    places = [("all", "sagittal"), ("all", "axial"), ("tumour", "axial")]
    labels = ["LLLLLLLLLL", "HHHHHHHHHH", "LLLLLLHHHH"]
    tables = [grader("vlm", each, place=place).patients for each, place in zip(labels, places, strict=True)]
    vlm = Method("vlm", "classification", "brain", pd.concat(tables, ignore_index=True))
    row = one(compare(cnn, vlm), "accuracy_all")
    assert row["value_second"] == 0.6 and row["slices"] == "volume / all, axial"
    other = Method("vlm", "classification", "brain", pd.concat([tables[0], tables[2]], ignore_index=True))
    row = one(compare(cnn, other), "accuracy_all")
    assert row["value_second"] == 0.4 and row["slices"] == "volume / all, sagittal"


def test_pooled_patients_where_both_have_them_and_one_family_a_cohort():
    both = ("pooled", "test")
    first = grader("a", "HHHHHHLLLL", cohorts=both)
    second, third = grader("b", "HHHLLLLLHH", cohorts=both), grader("c", "LLHHHHHHHH")
    place = [("volume", "volume")]
    unet, other = (drawer(name, "segmentation", place, seed, 12, both) for name, seed in (("u", 1), ("v", 2)))
    pairs = [["a", "b"], ["a", "c"], ["u", "v"]]
    table = compare(first, second, third, unet, other, pairs=pairs)
    primary = table[table["role"] == "primary"]
    assert primary.groupby("cohort").size().to_dict() == {"pooled": 2, "test": 3}
    for cohort, family in primary.groupby("cohort"):
        assert family["p_holm"].tolist() == pytest.approx(multipletests(family["p"], method="holm")[1].tolist()), cohort
    secondary = table[(table["role"] == "secondary") & (table["metric"] == "recall_all")]
    for _, family in secondary.groupby("cohort"):
        assert family["p_holm"].tolist() == pytest.approx(multipletests(family["p"], method="holm")[1].tolist())


def test_primary_rows_can_be_recomputed_from_the_patients_files(tmp_path):
    """McNemar by statsmodels and Wilcoxon by scipy, from CSV files; undecided patients are wrong."""
    rng = np.random.default_rng(3)
    grades = "".join(rng.choice(list("HHHL"), 60))
    methods = [grader(name, "".join(rng.choice(list("HHHLL?"), 60)), rng.random(60), grades) for name in "ab"]
    methods += [drawer(name, "bounding_box", [("tumour volume", "axial")], seed, 60) for seed, name in enumerate("cd")]
    table = compare(*methods, pairs=[["a", "b"], ["c", "d"]])
    for method in methods:
        method.patients.to_csv(tmp_path / f"{method.name}.csv", index=False)
    a, b, c, d = (pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False).set_index("patient") for name in "abcd")
    right = [table["label"] == table["grade"] for table in (a, b)]
    accuracy = one(table, "accuracy_all")
    # The score that Newcombe's interval inverts is all but McNemar's; with 60 patients they agree closely.
    assert accuracy["p"] == pytest.approx(mcnemar(pd.crosstab(*right), exact=False, correction=False).pvalue, abs=0.03)
    assert accuracy["effect"] == pytest.approx(right[0].mean() - right[1].mean())
    wrong = {"HGG": "LGG", "LGG": "HGG"}
    called = [t["label"].where(t["label"] != "", t["grade"].map(wrong)) for t in (a, b)]
    balanced = [sklearn.balanced_accuracy_score(a["grade"], labels) for labels in called]
    assert one(table, "balanced_accuracy_all")["effect"] == pytest.approx(balanced[0] - balanced[1])
    dice = one(table, "dice")
    assert dice["p"] == pytest.approx(
        stats.wilcoxon(c["dice"].astype(float), d["dice"].astype(float), method="exact").pvalue
    )


def test_a_baseline_is_the_one_of_the_other_methods_task_and_crops():
    place = [("tumour volume", "axial"), ("volume", "volume")]
    baselines = [
        drawer("FLAIR threshold", task, place, seed, crops=crops)
        for seed, (task, crops) in enumerate(
            [("bounding_box", "brain"), ("segmentation", "brain"), ("segmentation", "tumour"), ("polygon", "tumour")]
        )
    ]
    network = drawer("cnn", "segmentation", place, 9, crops="tumour")
    value = one(compare(network, *baselines, pairs=[["cnn", "FLAIR threshold"]]), "dice")["value_second"]
    assert value == pytest.approx(baselines[2].table("test", ("volume", "volume"))["dice"].mean())
    boxes = drawer("vlm", "bounding_box", place, 8, crops="tumour")
    value = one(compare(boxes, *baselines, pairs=[["vlm", "FLAIR threshold"]]), "dice")["value_second"]
    assert value == pytest.approx(baselines[0].table("test", ("volume", "volume"))["dice"].mean())


def test_methods_are_named_as_in_the_configuration():
    table = compare(*(grader(name, "HHHHHHLLLL") for name in "abc"), pairs=[["a", "b"], ["a", "c"]])
    assert set(table["first"]) == {"a"} and set(table["second"]) == {"b", "c"}
    assert set(table["task"]) == {"classification"}


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (["a", "nobody"], "no scores of 'nobody'"),
        (["a", "a"], "with itself"),
        (["a", "boxes"], "is for classification, the second for bounding_box"),
        (["boxes", "points"], "compare methods of one task"),
        (["boxes", "coronal"], "share no slices"),
        (["a", "untested"], "no test patients"),
        (["a", "others"], "was judged by both"),
    ],
)
def test_what_cannot_be_compared_is_said(pair, reason):
    others = grader("others", "HHHHHHLLLL").patients
    methods = [
        grader("a", "HHHHHHLLLL"),
        grader("untested", "HHHHHHLLLL", cohorts=("pooled",)),
        Method("others", "classification", "brain", others.assign(patient="q" + others["patient"])),
        drawer("boxes", "bounding_box", [("tumour volume", "axial")]),
        drawer("coronal", "bounding_box", [("tumour volume", "coronal")]),
        drawer("points", "center_point", [("tumour", "axial")]),
    ]
    with pytest.raises(UserError, match=reason) as fault:
        compare(*methods, pairs=[pair])
    assert f"[{pair[0]}, {pair[1]}]" in str(fault.value) and "\n" not in str(fault.value)


def test_a_patient_with_two_rows_is_a_fault():
    method = grader("a", "HHHHHHLLLL")
    twice = Method("b", "classification", "brain", pd.concat([method.patients] * 2))
    with pytest.raises(ValueError, match="patient p0 twice"):
        compare(method, twice)


def test_no_pairs_are_an_empty_table():
    table = declared.compare([], [], "3d", SETTINGS)
    assert table.empty and tuple(table.columns) == declared.COLUMNS


def test_slices_that_only_one_method_was_given_are_named():
    network = drawer("net", "segmentation", [("volume", "volume")], 0)
    run = replace(drawer("run", "bounding_box", [("volume", "axial")], 1), every=3)
    assert set(compare(network, run)["slices"]) == {"volume / volume, axial, every 3rd slice"}
    assert set(compare(network, replace(run, every=1))["slices"]) == {"volume / volume, axial"}
    other = replace(drawer("other", "bounding_box", [("volume", "axial")], 2), every=3)
    assert set(compare(run, other)["slices"]) == {"volume, axial, every 3rd slice"}


@pytest.mark.parametrize(
    ("every", "ordinal"), [(2, "2nd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st")]
)
def test_ordinals_of_slices(every, ordinal):
    run = replace(drawer("run", "polygon", [("volume", "axial")]), every=every)
    other = replace(drawer("other", "polygon", [("volume", "axial")], 1), every=every)
    assert compare(run, other)["slices"].iloc[0].endswith(f"every {ordinal} slice")
