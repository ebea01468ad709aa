"""Scores of a segmenter's masks."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from glioma.geometry import slices
from glioma.metrics import segmentation
from glioma.scoring import summaries
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry, Scope
from glioma.scoring.tables import Scores, assemble
from glioma.stats import statistics

_KEY = ["patient", "slices", "orientation"]


def score_cnn_segmenter(
    predicted: Iterable[tuple[str, np.ndarray]],
    masks: Mapping[str, np.ndarray],
    entry: Entry,
    settings: Settings,
    spacings: Mapping[str, tuple[float, float, float]] | None = None,
    tumour_pixels: int = 1,
    cohorts: Mapping[str, Collection[str]] | None = None,
    whole_only: bool = False,
) -> Scores:
    """Score predicted volumes, given one after another as (patient, mask), against `masks`.

    Besides the whole "volume" the same masks are scored on the true axial tumour slices alone, as a "tumour volume" and
    slice by slice ("tumour"): what a VLM that is only shown tumour slices is scored on. With `whole_only` they are not.
    Several predictions of a patient (by several folds' networks) are scored each and averaged. `cohorts` as `assemble`.
    """
    rows = []
    for patient, prediction in predicted:
        truth, prediction = np.asarray(masks[patient]) > 0, np.asarray(prediction) > 0
        step = tuple(spacings[patient]) if settings.hd95_unit == "mm" else None
        shown = None if whole_only else slices.tumour_slices(truth, "axial", tumour_pixels)
        one_side_empty = float(prediction.any() != truth.any())
        extent = segmentation.extent(prediction, truth)
        for (subset, orientation), found in _versions(prediction, truth, shown, step, settings).items():  # type: ignore[arg-type]
            mean = pd.DataFrame(found, columns=list(segmentation.SCORES)).mean().to_dict()
            key = dict(zip(_KEY, (patient, subset, orientation), strict=True))
            whole = extent if subset == "volume" else {}
            rows.append(key | mean | {"one_side_empty": one_side_empty} | whole)
    table = pd.DataFrame(rows, columns=[*_KEY, *segmentation.SCORES, "one_side_empty", *segmentation.EXTENT])
    patients = table.groupby(_KEY, sort=False, as_index=False).mean()

    def summarise(entry: Entry, _: pd.DataFrame, patients: pd.DataFrame) -> list[dict]:
        rows = []
        for (subset, orientation), group in patients.groupby(_KEY[1:], sort=False):
            scope = Scope(subset, orientation)
            rows += summaries.mean_rows(entry, scope, group, segmentation.SCORES, settings)
            if subset == "volume":
                count = int((group["one_side_empty"] > 0).sum())
                rows.append(summaries.row(entry, scope, "one_side_empty", count, len(group)))
                rows += extent_rows(entry, scope, group, settings)
        return rows

    return assemble(pd.DataFrame(), patients, entry, cohorts, summarise)


def extent_rows(entry: Entry, scope: Scope, patients: pd.DataFrame, settings: Settings) -> list[dict]:
    """Does a mask follow the tumour's size: means over patients, and the correlation of Dice with the true volume."""
    means = ("oversegmented", "components", "true_components")
    rows = summaries.mean_rows(entry, scope, patients, means, settings)
    known = patients.dropna(subset=["dice", "true_voxels"])
    r, interval = statistics.spearman(known["dice"].to_numpy(), known["true_voxels"].to_numpy(), settings.confidence)
    return [*rows, summaries.row(entry, scope, "dice_by_volume", r, len(known), 0, interval)]


def _versions(
    predicted: np.ndarray,
    truth: np.ndarray,
    shown: np.ndarray | None,
    step: tuple[float, float, float] | None,
    settings: Settings,
) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Scores of one mask by (slices, orientation); those of the axial slices `shown` one by one in the last."""
    found = {("volume", "volume"): [segmentation.scores(predicted, truth, step, *settings.limits)]}
    if shown is None:
        return found
    only = np.zeros((len(truth), 1, 1), dtype=bool)
    only[shown] = True
    found["tumour volume", "axial"] = [segmentation.scores(predicted & only, truth & only, step, *settings.limits)]
    found["tumour", "axial"] = [
        segmentation.scores(predicted[index], truth[index], step and step[1:], *settings.limits) for index in shown
    ]
    return found
