"""The baselines of every task, scored as the models are: what any method must beat, and what no box can.

Every patient is read by baselines that have not seen it: a development patient by those set up on the other folds, a
test patient by those set up on all development patients. Each is scored once; the cohorts share the scores.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from glioma import tasks
from glioma.cohort import crop_files, folds, truth
from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import shapes
from glioma.metrics import centre, segmentation
from glioma.scoring import baselines, outlines, placement, summaries
from glioma.scoring.grades import score_classification
from glioma.scoring.masks import extent_rows, score_cnn_segmenter
from glioma.scoring.names import BY_SITE, CEILING
from glioma.scoring.settings import Settings
from glioma.scoring.slice_labels import score_labels
from glioma.scoring.summaries import Entry, Scope
from glioma.scoring.tables import Scores, merge, slice_truth, with_truth
from glioma.tasks import LabelTask, LocatedTask

FLAIR = SEQUENCES.index("flair")
GRADE, MASK = (next(name for name in tasks.names() if tasks.get(name).output == kind) for kind in ("grade", "region"))
"""The tasks of the baselines that grade, and of the one that predicts a mask."""
POOLED = "pooled"


class Setup(NamedTuple):
    """What the baselines of one group of patients were set up to: a threshold, a box, and the grades they give."""

    deviations: float
    box: shapes.Box
    site_grades: dict[str, str]


def score(
    table: pd.DataFrame,
    folder: str | Path,
    settings: Settings,
    tumour_pixels: int,
    mode: str,
    sites: pd.Series | None = None,
) -> Scores:
    """Scores of all baselines on one set of crops, cohorts "validation", "test" and "pooled", of all axial slices.

    `table` is the folds table, `folder` that of the crops, cut around `mode`. `sites` maps patients to where they were
    scanned ("" unknown); with fewer than two known ones there is no site-majority baseline. `CEILING` is the true
    mask's own centre, box or polygon.
    """
    grades = folds.grades(table)
    masks, spacings = truth.masks(folder, grades.index), truth.spacings(folder, grades.index)
    groups = _groups(table, folder, masks, settings.side, tumour_pixels, sites)
    shown = slice_truth(masks, ["axial"], tumour_pixels)
    requested = shown.assign(repeat=0)
    entry = partial(Entry, family="baseline", cohort=POOLED, crops=mode)
    members = {cohort: folds.grades(table, split) for cohort, split in _COHORTS.items()}

    parts = []
    for name, found in _grade_answers(requested, groups).items():
        owner = entry(GRADE, run=name)
        parts += [
            score_classification(found, shown, known, replace(owner, cohort=cohort), settings)
            for cohort, known in members.items()
        ]
    bright = {
        patient: baselines.flair_threshold(_flair(folder, patient), setup.deviations)
        for setup, patients in groups
        for patient in patients
    }
    owner = entry(MASK, run="FLAIR threshold")
    scored = score_cnn_segmenter(bright.items(), masks, owner, settings, spacings, tumour_pixels)
    parts += _by_cohort(scored, owner, members, settings)

    asked = {
        (task, name): with_truth(found, shown, masks)
        for task in map(tasks.get, tasks.located())
        for name, found in _located_answers(task, requested, groups, bright, masks, settings.side).items()
    }
    for (task, name), scored in _located(asked, masks, spacings, entry, settings).items():
        parts += _by_cohort(scored, entry(task.name, run=name), members, settings)
    for task in map(tasks.get, tasks.labelling()):
        for name, found in _label_answers(task, requested, bright).items():
            owner = entry(task.name, run=name)
            cohorts = {cohort: grades.index for cohort, grades in members.items()}
            parts.append(score_labels(found, masks, owner, settings, tumour_pixels, cohorts))
    return merge(part._replace(slices=pd.DataFrame()) for part in parts)


def _located(
    asked: Mapping[tuple[LocatedTask, str], pd.DataFrame],
    masks: Mapping[str, np.ndarray],
    spacings: Mapping[str, tuple[float, float, float]],
    entry: Callable[..., Entry],
    settings: Settings,
) -> dict[tuple[LocatedTask, str], Scores]:
    """Scores of localisation baselines by task and name: patient by patient, so that all share what his mask gives."""
    of_patient = {key: dict(list(rows.groupby("patient", sort=False))) for key, rows in asked.items()}
    found: dict[tuple[LocatedTask, str], dict] = {key: {} for key in asked}
    # The whole frame first: the transform of the truth that it needs serves all others.
    order = sorted(of_patient, key=lambda key: key[1] != key[0].frame)
    for patient in tqdm(masks, desc="boxes, centres and polygons"):
        truth = outlines.Truth(masks[patient], "axial", settings, spacings[patient])
        for task, name in order:
            if (rows := of_patient[task, name].get(patient)) is not None:
                found[task, name]["axial", patient] = outlines.score_patient(task, rows, truth, _selection(name))
    return {
        (task, name): outlines.tabulate(
            task, rows, found[task, name], entry(task.name, run=name), settings, selection=_selection(name)
        )
        for (task, name), rows in asked.items()
    }


def _selection(name: str) -> str:
    return "tumour" if name == CEILING else "all"


_COHORTS = {"validation": "development", "test": "test", POOLED: None}
"""The split that makes each cohort; all patients for the last."""


def _groups(
    table: pd.DataFrame,
    folder: str | Path,
    masks: Mapping[str, np.ndarray],
    side: int,
    tumour_pixels: int,
    sites: pd.Series | None,
) -> list[tuple[Setup, list[str]]]:
    """The patients that are read with one set-up, and that set-up, from development patients not among them."""
    development = folds.grades(table, "development")
    dice = {
        patient: baselines.threshold_dice(_flair(folder, patient), masks[patient])
        for patient in tqdm(development.index, desc="FLAIR thresholds")
    }
    boxes = {
        patient: baselines.tumour_boxes(masks[patient], "axial", side, tumour_pixels) for patient in development.index
    }
    known = sites is not None and sites[sites != ""].nunique() > 1
    if not known:
        print("site majority: left out, for fewer than two sites are known")
    held_out = table.groupby("fold")["patient"].agg(list)
    groups = []
    for fold, patients in held_out.items():
        training = development.drop([patient for patient in patients if patient in development.index])
        setup = Setup(
            baselines.choose_deviations(dice[patient] for patient in training.index),
            baselines.mean_training_box(boxes[patient] for patient in training.index),
            baselines.site_majority(training, sites, patients) if known else {},
        )
        whom = f"fold {fold}" if fold >= 0 else "the test patients"
        print(
            f"for {whom}: FLAIR above mean + {setup.deviations} SD, mean box {setup.box}, of {len(training)} patients"
        )
        groups.append((setup, patients))
    return groups


def _grade_answers(requested: pd.DataFrame, groups: list[tuple[Setup, list[str]]]) -> dict[str, pd.DataFrame]:
    """Answers of the grading baselines by name."""
    found = {"always HGG": baselines.always_hgg(requested)}
    by_site = {patient: grade for setup, _ in groups for patient, grade in setup.site_grades.items()}
    return found | ({BY_SITE: baselines.graded(requested, by_site)} if by_site else {})


def _label_answers(
    task: LabelTask, requested: pd.DataFrame, bright: Mapping[str, np.ndarray]
) -> dict[str, pd.DataFrame]:
    """Answers of the baselines of a task that labels slices, by name."""
    above = (bright[patient][index].any() for patient, index in requested[["patient", "slice"]].itertuples(index=False))
    return {
        f"always {task.positive}": baselines.labelled(requested, [True] * len(requested)),
        "FLAIR threshold": baselines.labelled(requested, above),
    }


def _located_answers(
    task: LocatedTask,
    requested: pd.DataFrame,
    groups: list[tuple[Setup, list[str]]],
    bright: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray],
    side: int,
) -> dict[str, pd.DataFrame]:
    """Answers of the baselines of a localisation task by name."""
    mean_box = [
        baselines.constant_box(requested[requested["patient"].isin(patients)], task, setup.box)
        for setup, patients in groups
    ]
    found = {"mean training box": pd.concat(mean_box, ignore_index=True)}
    found[task.frame] = baselines.whole_frame(requested, task, side)
    found["FLAIR threshold"] = baselines.answers_from_masks(requested, task, bright, side)
    # Where there is no tumour the ceiling is an empty answer, which is right and says nothing.
    truths = {patient: mask > 0 for patient, mask in masks.items()}
    return found | {CEILING: baselines.answers_from_masks(requested[requested["tumour"]], task, truths, side)}


def _by_cohort(scored: Scores, entry: Entry, members: Mapping[str, pd.Series], settings: Settings) -> Iterator[Scores]:
    """The scores of all patients as those of each cohort: rows of the same patients, and their means."""
    names = [name for name in (*segmentation.SCORES, *centre.METRICS) if name in scored.patients]
    for cohort, grades in members.items():
        own = scored.patients[scored.patients["patient"].isin(grades.index)].assign(cohort=cohort, **entry.facts())
        owner, rows = replace(entry, cohort=cohort), []
        if "row" in scored.slices:
            known = scored.slices["patient"].isin(grades.index)
            rows += placement.rows(owner, scored.slices[known], settings)
        for (subset, orientation), group in own.groupby(["slices", "orientation"], sort=False):
            rows += summaries.mean_rows(owner, Scope(subset, orientation), group, names, settings)
            if subset == "volume" and "true_voxels" in group:
                rows += extent_rows(owner, Scope(subset, orientation), group, settings)
        yield Scores(pd.DataFrame(), own, summaries.table(rows))


def _flair(folder: str | Path, patient: str) -> np.ndarray:
    return np.asarray(crop_files.load(folder, patient)[FLAIR])
