"""What needs no model: baselines that any reader must beat, in the form of answers and masks.

A baseline's answers have the columns of an answers table and its masks the shape of a CNN's, so that the very same
functions score them. Only training patients are looked at to set a baseline up.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from glioma import answers, shapes, slices
from glioma.metrics import segmentation

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
    table["points"] = pd.array([answers.points_to_text(each) for each in points], dtype="string")
    return table.assign(p_hgg=np.nan, text_length=0)[list(answers.COLUMNS)]


def always_hgg(asked: pd.DataFrame) -> pd.DataFrame:
    """HGG for every slice, hence for every patient."""
    table = _answers(asked, [None] * len(asked))
    table["status"] = "ok"
    table["choice"] = pd.array([1] * len(table), dtype="Int64")
    return table


def points_of_box(task: str, box: shapes.Box) -> np.ndarray:
    """A box as the answer to any of the three localisation tasks, (N, 2)."""
    if task == "center_point":
        return np.array([shapes.centre_from_box(box)])
    if task == "bounding_box":
        return shapes.corners_from_box(box)
    return shapes.polygon_from_mask(shapes.mask_from_box(box, (box[2] + 1, box[3] + 1)))


def image_centre(asked: pd.DataFrame, side: int = 128) -> pd.DataFrame:
    """The middle of the frame as the centre point of every slice."""
    return _answers(asked, [points_of_box("center_point", (0, 0, side - 1, side - 1))] * len(asked))


def whole_frame(asked: pd.DataFrame, task: str, side: int = 128) -> pd.DataFrame:
    """The whole frame as the box or polygon of every slice."""
    return _answers(asked, [points_of_box(task, (0, 0, side - 1, side - 1))] * len(asked))


def mean_training_box(
    masks: Iterable[np.ndarray], orientation: str = "axial", side: int = 128, tumour_pixels: int = 1
) -> shapes.Box:
    """The mean of the true boxes over all tumour slices of the training patients' label volumes, rounded."""
    boxes = [
        shapes.box_from_mask(slices.render_mask(slices.take(mask, orientation, index), side))
        for mask in masks
        for index in slices.tumour_slices(mask, orientation, tumour_pixels)
    ]
    found = [box for box in boxes if box is not None]
    if not found:
        raise ValueError("no training patient has a tumour slice")
    return tuple(int(edge) for edge in np.rint(np.mean(found, axis=0)))


def constant_box(asked: pd.DataFrame, task: str, box: shapes.Box) -> pd.DataFrame:
    """The same box (or its centre, or its outline as a polygon) for every slice."""
    return _answers(asked, [points_of_box(task, box)] * len(asked))


def flair_threshold(flair: np.ndarray, deviations: float) -> np.ndarray:
    """Boolean mask of the largest component of a FLAIR volume above mean + `deviations` SD of its non-zero voxels."""
    brain = flair[flair > 0]
    if brain.size == 0:
        return np.zeros(flair.shape, dtype=bool)
    return shapes.largest_component(flair > brain.mean() + deviations * brain.std())


def choose_deviations(
    training: Iterable[tuple[np.ndarray, np.ndarray]], candidates: Iterable[float] = DEVIATIONS
) -> float:
    """The threshold of `flair_threshold` with the best mean Dice over training patients' (FLAIR, labels) volumes."""
    candidates = list(candidates)
    dice = [
        [segmentation.overlap(flair_threshold(flair, k), labels > 0)["dice"] for k in candidates]
        for flair, labels in training
    ]
    if not dice:
        raise ValueError("no training patient to choose the FLAIR threshold on")
    return candidates[int(np.argmax(np.mean(dice, axis=0)))]


def answers_from_masks(
    asked: pd.DataFrame, task: str, masks: Mapping[str, np.ndarray], side: int = 128
) -> pd.DataFrame:
    """Centre, box or polygon of predicted volumes as answers; a slice without a predicted pixel has an empty one.

    With true masks these are the ceilings: the best that any centre, box or polygon can score.
    """
    points = []
    for patient, orientation, index in asked[["patient", "orientation", "slice"]].itertuples(index=False):
        mask = slices.render_mask(slices.take(masks[patient], orientation, index), side)
        box = shapes.box_from_mask(mask)
        if box is None:
            points.append(None)
        else:
            points.append(shapes.polygon_from_mask(mask) if task == "polygon" else points_of_box(task, box))
    return _answers(asked, points)
