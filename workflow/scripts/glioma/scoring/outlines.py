"""Scores of centre points, boxes and polygons: slice by slice, and stacked to a volume."""

from collections.abc import Callable, Collection, Mapping

import numpy as np
import pandas as pd

from glioma.geometry import shapes, slices
from glioma.metrics import centre, segmentation
from glioma.scoring import placement, samples, summaries
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry, Scope
from glioma.scoring.tables import Scores, assemble, choose, scopes, slice_truth, status_rows, with_truth
from glioma.tasks import LocatedTask, RegionTask, points_from_text

VOLUMES = {"all": "volume", "tumour": "tumour volume"}
"""What a subset of slices is called when its answers are stacked to a volume."""
_CENTRE_PARTS = ("in_box", "distance_to_box", "euclidean_distance")


def score_located(
    task: LocatedTask,
    answers: pd.DataFrame,
    masks: Mapping[str, np.ndarray],
    entry: Entry,
    settings: Settings,
    spacings: Mapping[str, tuple[float, float, float]] | None = None,
    tumour_pixels: int = 1,
    cohorts: Mapping[str, Collection[str]] | None = None,
    selection: str = "all",
) -> Scores:
    """Score centre points, boxes or polygons.

    `masks` holds the label volumes (slice, row, column) of the patients, `spacings` their voxels in mm in the same
    order (for `hd95_unit: mm` only), `cohorts` as `assemble`, `selection` as `scopes`. Answers of other patients are
    left out.

    Slices "all" and "tumour": each slice is scored, then averaged over a patient's slices, then over patients, as
    published (centre distances: the patient's 95th percentile). Slices "volume" and "tumour volume" (boxes, polygons):
    the same answers of a patient, stacked and scored once against the true mask of those slices, as a CNN's mask is.
    """
    if settings.hd95_unit == "mm" and spacings is None:
        raise ValueError("hd95_unit mm needs the spacings")
    requested = answers[answers["patient"].isin(set(masks))]
    known = {patient: masks[patient] for patient in requested["patient"].unique()}
    requested = with_truth(requested, slice_truth(known, requested["orientation"].unique(), tumour_pixels), masks)
    names = list(centre.METRICS if task.output == "point" else segmentation.SCORES)
    where = scopes(requested, selection)
    tables, scored = [], []
    for orientation, of_orientation in requested.groupby("orientation", sort=False):
        by_patient = {
            patient: _score_patient(task, group, masks[patient], orientation, settings, (spacings or {}).get(patient))
            for patient, group in of_orientation.groupby("patient", sort=False)
        }
        of_orientation = of_orientation.join(pd.concat([slice_scores for slice_scores, _ in by_patient.values()]))
        scored.append(of_orientation)
        for subset in (subset for scope, subset in where if scope == orientation):
            kept = _kept(choose(of_orientation, orientation, subset), settings)
            versions = {subset: _average(task, kept)}
            if task.output == "region":
                volumes = {name: by_patient[name][1](group) for name, group in kept.groupby("patient", sort=False)}
                versions[VOLUMES[subset]] = pd.DataFrame.from_dict(volumes, orient="index", columns=names)
            tables += [
                table.rename_axis("patient").reset_index().assign(slices=name, orientation=orientation)
                for name, table in versions.items()
            ]
    columns = ["patient", "slices", "orientation", *names]
    patients = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)

    def summarise(entry: Entry, requested: pd.DataFrame, patients: pd.DataFrame) -> list[dict]:
        rows = list(placement.rows(entry, requested, settings))
        rows += samples.rows(entry, requested, settings, "in_box" if task.output == "point" else "dice")
        for orientation, subset in where:
            chosen, scope = choose(requested, orientation, subset), Scope(subset, orientation, "slice")
            n_undecided = int(chosen["status"].ne("ok").groupby(chosen["patient"]).all().sum())
            rows += status_rows(entry, scope, chosen)
            if task.output == "region":
                kept = _kept(chosen, settings)
                rows.append(summaries.row(entry, scope, "one_side_empty", kept["one_side_empty"].sum(), len(kept)))
            for version in (subset,) if task.output == "point" else (subset, VOLUMES[subset]):
                own = patients[(patients["orientation"] == orientation) & (patients["slices"] == version)]
                rows += summaries.mean_rows(entry, Scope(version, orientation), own, names, settings, n_undecided)
        return rows

    return assemble(pd.concat(scored) if scored else requested, patients, entry, cohorts, summarise)


def _kept(requested: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """The slices that count: without those that cannot be parsed, if they are to be left out."""
    return requested[requested["status"].eq("ok")] if settings.unreadable == "exclude" else requested


def _average(task: LocatedTask, scored: pd.DataFrame) -> pd.DataFrame:
    """One row per patient (index) from one row per slice."""
    if task.output == "region":
        return scored.groupby("patient", sort=False)[list(segmentation.SCORES)].mean()
    with_tumour = scored.dropna(subset=list(_CENTRE_PARTS))
    summary = {
        patient: centre.summarise(*(group[part].to_numpy() for part in _CENTRE_PARTS))
        for patient, group in with_tumour.groupby("patient", sort=False)
    }
    return pd.DataFrame.from_dict(summary, orient="index", columns=list(centre.METRICS))


def _score_patient(
    task: LocatedTask,
    requested: pd.DataFrame,
    mask: np.ndarray,
    orientation: str,
    settings: Settings,
    spacing: tuple[float, float, float] | None,
) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], dict[str, float]] | None]:
    """Scores per slice (indexed as `requested`), and a function that scores some of the slices as one volume."""
    side = settings.side
    truths = {
        index: slices.render_mask(slices.take(mask, orientation, index), side) > 0
        for index in requested["slice"].unique()
    }
    points = {
        key: points_from_text(text) if status == "ok" else None
        for key, status, text in zip(requested.index, requested["status"], requested["points"], strict=True)
    }
    if task.output == "point":
        scores = [
            _score_centre(points[key], shapes.parts_to_show(truths[index], settings.components), side)
            | placement.of_slice(points[key], float("nan"), truths[index])
            for key, index in zip(requested.index, requested["slice"], strict=True)
        ]
        return pd.DataFrame(scores, index=requested.index), None
    shown = truths
    if settings.truth == "shape":
        truths = {index: _true_pixels(task, truth, settings) for index, truth in truths.items()}  # type: ignore[arg-type]
    drawn = {key: _pixels(task, points[key], side, settings) for key in requested.index}  # type: ignore[arg-type]
    step = _rendered_spacing(mask.shape, orientation, side, spacing) if settings.hd95_unit == "mm" else None
    scores = []
    for key, index in zip(requested.index, requested["slice"], strict=True):
        one = segmentation.scores(drawn[key], truths[index], step and step[1:], *settings.limits)
        one |= placement.of_slice(points[key], float(np.count_nonzero(drawn[key])), shown[index])
        scores.append(one | {"one_side_empty": bool(drawn[key].any() != truths[index].any())})

    def score_volume(chosen: pd.DataFrame) -> dict[str, float]:
        volume_shape = (slices.count(mask.shape, orientation), side, side)
        predicted, truth = np.zeros(volume_shape, dtype=bool), np.zeros(volume_shape, dtype=bool)
        for key, index in zip(chosen.index, chosen["slice"], strict=True):
            predicted[index] |= drawn[key]
            truth[index] = truths[index]
        return segmentation.scores(predicted, truth, step, *settings.limits)

    return pd.DataFrame(scores, index=requested.index), score_volume


def _score_centre(points: np.ndarray | None, truth: np.ndarray, side: int) -> dict[str, float]:
    box = shapes.box_from_mask(truth)
    if box is None:  # Without a tumour there is no right point.
        return dict.fromkeys(_CENTRE_PARTS, float("nan"))
    return centre.scores(None if points is None else points[0], box, missing=float(np.hypot(side, side)))


def _pixels(task: RegionTask, points: np.ndarray | None, side: int, settings: Settings) -> np.ndarray:
    """The pixels of an answer; none for an answer that cannot be parsed."""
    if points is None:
        return np.zeros((side, side), dtype=bool)
    return task.pixels(points, side, settings.box_maximum == "inclusive")


def _true_pixels(task: RegionTask, truth: np.ndarray, settings: Settings) -> np.ndarray:
    """The pixels of the true mask's own box or polygon."""
    form = {"box": "square" if settings.square_box else "rectangle", "components": settings.components}
    points = task.of_mask(truth, form)
    return truth if points is None else _pixels(task, points, len(truth), settings)


def _rendered_spacing(
    shape: tuple[int, ...], orientation: str, side: int, spacing: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Voxel size in mm of rendered slices stacked to (index, row, column)."""
    axis = slices.AXIS[orientation]
    (height, rows), (width, columns) = (pair for i, pair in enumerate(zip(shape, spacing, strict=True)) if i != axis)
    zoom = max(height, width) / side
    return float(spacing[axis]), float(rows * zoom), float(columns * zoom)
