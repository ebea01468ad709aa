"""The reference scores on a small cohort: who was set up on whom, and that cohorts share their patients' scores."""

import json

import numpy as np
import pandas as pd
import pytest
import synthetic_cohort

from glioma import tasks
from glioma.cohort import crop_files, folds, truth
from glioma.scoring import baseline_scores, baselines
from glioma.scoring.outlines import score_located
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import COLUMNS, Entry

SETTINGS = Settings(hd95_unit="px", resamples=100, side=18)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """(folds table, crops folder) of 9 HGG and 7 LGG patients, 4 of them test patients."""
    folder = tmp_path_factory.mktemp("crops")
    table = synthetic_cohort.write(folder, 9, 7, folds=3, test=4)
    for patient in table["patient"]:
        (folder / f"{patient}.json").write_text(json.dumps({"patient": patient, "spacing": [2.0, 1.0, 1.0]}))
    return table, folder


@pytest.fixture(scope="module")
def scores(cohort):
    return baseline_scores.score(*cohort, SETTINGS, 3, "brain")


def chosen(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def test_every_cohort_subset_and_baseline_is_there(cohort, scores):
    summary = scores.summary
    assert tuple(summary.columns) == COLUMNS
    assert set(summary["crops"]) == {"brain"} and set(summary["family"]) == {"baseline"}
    assert set(summary["cohort"]) == {"validation", "test", "pooled"}
    boxes = chosen(summary, task="bounding_box", metric="dice", cohort="pooled")
    for name in ("mean training box", "whole frame", "FLAIR threshold"):
        assert set(chosen(boxes, run=name)["slices"]) == {"all", "tumour", "volume", "tumour volume"}
    assert set(chosen(boxes, run=baseline_scores.CEILING)["slices"]) == {"tumour", "tumour volume"}
    assert set(chosen(summary, task="center_point")["run"]) >= {"image centre", "mean training box"}
    assert "site majority" not in set(summary["run"])
    sizes = {name: len(folds.grades(cohort[0], split)) for name, split in baseline_scores._COHORTS.items()}
    assert sizes["validation"] + sizes["test"] == sizes["pooled"] == 16
    for name, size in sizes.items():
        whole = chosen(summary, task="segmentation", slices="volume", metric="dice", cohort=name)
        assert whole["n"].tolist() == [size]
        rows = chosen(scores.patients, cohort=name, task="segmentation", slices="volume")
        assert len(rows) == size


def test_pooled_rows_are_those_of_validation_and_test(scores):
    key = ["task", "run", "patient", "slices", "orientation"]
    parts = scores.patients[scores.patients["cohort"] != "pooled"].set_index(key).drop(columns="cohort").sort_index()
    pooled = chosen(scores.patients, cohort="pooled").set_index(key).drop(columns="cohort").sort_index()
    pd.testing.assert_frame_equal(parts, pooled)


def test_scores_are_those_of_the_models_own_functions(cohort, scores):
    table, folder = cohort
    grades = folds.grades(table, "test")
    masks = truth.masks(folder, grades.index)
    development = folds.grades(table, "development").index
    box = baselines.mean_training_box(
        baselines.tumour_boxes(mask, side=18, tumour_pixels=3) for mask in truth.masks(folder, development).values()
    )
    asked = baselines.asked_slices(masks, selection="all")
    for task in ("bounding_box", "polygon"):
        entry = Entry(task, "baseline", "mean training box", cohort="test", crops="brain")
        answers = baselines.constant_box(asked, tasks.get(task), box)
        direct = score_located(tasks.get(task), answers, masks, entry, SETTINGS, None, 3)
        ours = chosen(scores.summary, cohort="test", task=task, run="mean training box")
        both = ours.merge(direct.summary, on=["slices", "orientation", "unit", "metric"], validate="one_to_one")
        assert len(both) == len(ours) > 0
        for column in ("value", "low", "high"):
            np.testing.assert_allclose(both[f"{column}_x"], both[f"{column}_y"])


def test_a_patient_is_never_in_its_own_set_up(cohort):
    table, folder = cohort
    masks = truth.masks(folder, table["patient"])
    sites = pd.Series(np.where(np.arange(16) % 2, "X", "Y"), index=table["patient"])
    groups = baseline_scores._groups(table, folder, masks, 18, 3, sites)
    assert sorted(name for _, patients in groups for name in patients) == sorted(table["patient"])
    for setup, patients in groups:
        training = folds.grades(table, "development").drop(patients, errors="ignore")
        boxes = [baselines.tumour_boxes(masks[name], side=18, tumour_pixels=3) for name in training.index]
        assert setup.box == tuple(np.rint(np.concatenate(boxes).mean(axis=0)))
        dice = [baselines.threshold_dice(crop_files.load(folder, name)[0], masks[name]) for name in training.index]
        assert setup.deviations == baselines.DEVIATIONS[int(np.argmax(np.mean(dice, axis=0)))]
        for name in patients:
            there = training[training.index.map(sites) == sites[name]]
            assert setup.site_grades[name] == ("HGG" if (there == "HGG").sum() * 2 >= len(there) else "LGG")


def test_site_majority_grades_where_sites_are_known(cohort):
    table, folder = cohort
    # Scanned where its grade is scanned: the leak that a site is.
    sites = table.set_index("patient")["grade"].map({"HGG": "X", "LGG": "Y"})
    summary = baseline_scores.score(table, folder, SETTINGS, 3, "brain", sites).summary
    found = chosen(summary, run="site majority", metric="balanced_accuracy", slices="all")
    assert set(found["cohort"]) == {"validation", "test", "pooled"} and (found["value"] == 1).all()
