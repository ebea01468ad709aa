"""What needs no model: baselines that any method must beat, in the form of answers and masks.

A baseline's answers have the columns of an answers table and its masks the shape of a CNN's, so that the very same
functions score them. Only training patients are looked at to set a baseline up.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import ndimage

from glioma import tasks
from glioma.geometry import shapes, slices
from glioma.tasks import LocatedTask

DEVIATIONS = tuple(float(k) for k in np.arange(0.5, 4.01, 0.25))
"""Thresholds tried, in standard deviations above the brain's mean."""


def asked_slices(
    masks: Mapping[str, np.ndarray], orientation: str = "axial", selection: str = "tumour", tumour_pixels: int = 1
) -> pd.DataFrame:
    """The slices to answer for, chosen as a run chooses them: patient, orientation, slice, repeat (0)."""
    rows = [
        (patient, orientation, int(index), 0)
        for patient, mask in masks.items()
        for index in slices.select(mask, orientation, selection, tumour_pixels)
    ]
    return pd.DataFrame(rows, columns=["patient", "orientation", "slice", "repeat"])


def _answers(asked: pd.DataFrame, points: Iterable[np.ndarray | None]) -> pd.DataFrame:
    """An answers table from (N, 2) points per slice asked; `None` is an empty answer."""
    points = list(points)
    table = asked[["patient", "orientation", "slice", "repeat"]].reset_index(drop=True)
    table["status"] = ["empty" if each is None else "ok" for each in points]
    table["choice"] = pd.array([None] * len(table), dtype="Int64")
    table["points"] = pd.array([tasks.points_to_text(each) for each in points], dtype="string")
    return table.assign(p_hgg=np.nan, likeliest=pd.NA, text_length=0)[list(tasks.COLUMNS)]


def labelled(asked: pd.DataFrame, positive: Iterable[bool]) -> pd.DataFrame:
    """Whether the label of each slice is the positive one, as answers."""
    table = _answers(asked, [None] * len(asked))
    table["status"] = "ok"
    table["choice"] = pd.array([int(each) for each in positive], dtype="Int64")
    return table


def graded(asked: pd.DataFrame, grades: Mapping[str, str]) -> pd.DataFrame:
    """The grade ("LGG", "HGG") given for a patient as the answer to each of its slices."""
    return labelled(asked, asked["patient"].map(grades).eq("HGG"))


def always_hgg(asked: pd.DataFrame) -> pd.DataFrame:
    """HGG for every slice, hence for every patient."""
    return graded(asked, dict.fromkeys(asked["patient"], "HGG"))


def majority(grades: pd.Series) -> str:
    """The more frequent grade; HGG on a tie, as the grade that is missed at the higher cost."""
    return "HGG" if 2 * np.count_nonzero(grades == "HGG") >= len(grades) else "LGG"


def site_majority(training: pd.Series, sites: pd.Series, patients: Iterable[str]) -> dict[str, str]:
    """A grade for each patient from where it was scanned: the majority of that site's training patients.

    `training` maps patients to grades, `sites` everyone to a site, "" where it is unknown. A site that no training
    patient comes from, and an unknown one, has the majority of all of them.
    """
    overall = majority(training)
    known = training[training.index.map(sites) != ""]
    by_site = known.groupby(known.index.map(sites)).agg(majority).to_dict()
    return {patient: by_site.get(sites[patient], overall) for patient in patients}


def whole_frame(asked: pd.DataFrame, task: LocatedTask, side: int = 128) -> pd.DataFrame:
    """The whole frame (or its centre) as the answer of every slice."""
    return constant_box(asked, task, (0, 0, side - 1, side - 1))


def tumour_boxes(mask: np.ndarray, orientation: str = "axial", side: int = 128, tumour_pixels: int = 1) -> np.ndarray:
    """The true boxes (N, 4) of all tumour slices of a patient's label volume."""
    boxes = [
        shapes.box_from_mask(slices.render_mask(slices.take(mask, orientation, index), side))
        for index in slices.tumour_slices(mask, orientation, tumour_pixels)
    ]
    return np.array([box for box in boxes if box is not None], dtype=int).reshape(-1, 4)


def mean_training_box(boxes: Iterable[np.ndarray]) -> shapes.Box:
    """The mean, rounded, over all tumour slices of the training patients, from the `tumour_boxes` of each."""
    stacked = np.concatenate([np.empty((0, 4)), *boxes])
    if not len(stacked):
        raise ValueError("no training patient has a tumour slice")
    row_min, col_min, row_max, col_max = (int(edge) for edge in np.rint(stacked.mean(axis=0)))
    return row_min, col_min, row_max, col_max


def constant_box(asked: pd.DataFrame, task: LocatedTask, box: shapes.Box) -> pd.DataFrame:
    """The same box (or its centre, or its outline as a polygon) for every slice."""
    return _answers(asked, [task.of_box(box)] * len(asked))


def threshold_levels(flair: np.ndarray, deviations: Sequence[float]) -> np.ndarray:
    """Grey values so many SD above the mean of a FLAIR volume's non-zero voxels; infinite without any."""
    brain = flair[flair > 0]
    if not brain.size:
        return np.full(len(deviations), np.inf)
    return brain.mean() + np.asarray(deviations) * brain.std()


def flair_threshold(flair: np.ndarray, deviations: float) -> np.ndarray:
    """Boolean mask of the largest component of a FLAIR volume above mean + `deviations` SD of its non-zero voxels."""
    return shapes.largest_component(flair > threshold_levels(flair, [deviations])[0])


def threshold_dice(flair: np.ndarray, labels: np.ndarray, candidates: Sequence[float] = DEVIATIONS) -> np.ndarray:
    """Dice of `flair_threshold` against the whole tumour for each candidate, in rising order, (candidates,).

    What lies above a threshold lies above all lower ones, so each search is confined to the box of the last.
    """
    if list(candidates) != sorted(candidates):
        raise ValueError("candidates must be in rising order")
    flair, tumour = np.asarray(flair), np.asarray(labels) > 0
    n_tumour = np.count_nonzero(tumour)
    levels = threshold_levels(flair, candidates)
    dice = np.full(len(candidates), 0.0 if n_tumour else 1.0)
    for position, level in enumerate(levels):
        above = flair > level
        if not above.any():
            break
        box = ndimage.find_objects(above.view(np.uint8))[0]
        flair, tumour = flair[box], tumour[box]
        found = shapes.largest_component(above[box])
        dice[position] = 2 * np.count_nonzero(found & tumour) / (np.count_nonzero(found) + n_tumour)
    return dice


def choose_deviations(dice: Iterable[np.ndarray], candidates: Sequence[float] = DEVIATIONS) -> float:
    """The candidate with the best mean over training patients of `threshold_dice`, the lowest on a tie."""
    table = np.array(list(dice))
    if not len(table):
        raise ValueError("no training patient to choose the FLAIR threshold on")
    return candidates[int(np.argmax(table.mean(axis=0)))]


def answers_from_masks(
    asked: pd.DataFrame, task: LocatedTask, masks: Mapping[str, np.ndarray], side: int = 128
) -> pd.DataFrame:
    """Centre, box or polygon of predicted volumes as answers; a slice without a predicted pixel has an empty one.

    With true masks these are the ceilings: the best that any centre, box or polygon can score.
    """
    rows = asked[["patient", "orientation", "slice"]].itertuples(index=False)
    rendered = (slices.render_mask(slices.take(masks[patient], *where), side) for patient, *where in rows)
    return _answers(asked, map(task.of_mask, rendered))
