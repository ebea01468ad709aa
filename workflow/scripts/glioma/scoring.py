"""Answers, predictions and truth -> the three tables of a run: per slice, per patient, and the summary.

Every function scores one cohort of one run and returns `Scores`; `merge` puts cohorts together. The same functions
score a VLM's answers and a baseline's, and the same metrics a CNN's masks and a VLM's boxes stacked to a volume.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from glioma import shapes, slices, statistics, summaries
from glioma.answers import STATUSES, points_from_text
from glioma.metrics import centre, segmentation
from glioma.summaries import Entry, Place, Settings
from glioma.votes import vote

KEY = ["patient", "orientation", "slice"]
SHAPE_TASKS = ("center_point", "bounding_box", "polygon")
VOLUMES = {"all": "volume", "tumour": "tumour volume"}
"""What a subset of slices is called when its answers are stacked to a volume."""
_CENTRE_PARTS = ("in_box", "distance_to_box", "euclidean_distance")


class Scores(NamedTuple):
    """The three tables of a run."""

    slices: pd.DataFrame
    patients: pd.DataFrame
    summary: pd.DataFrame


def merge(parts: Iterable[Scores]) -> Scores:
    """The tables of several cohorts as one set of tables."""
    parts = list(parts)
    stacked = [pd.concat(tables, ignore_index=True) for tables in list(zip(*parts, strict=True))[:2]]
    return Scores(*stacked, summaries.concatenate([part.summary for part in parts]))


def slice_truth(
    masks: Mapping[str, np.ndarray], orientations: Iterable[str] = ("axial",), tumour_pixels: int = 1
) -> pd.DataFrame:
    """How much tumour each slice shows: patient, orientation, slice, tumour_pixels, and tumour (at least so many)."""
    rows = []
    for patient, mask in masks.items():
        for orientation in orientations:
            others = tuple(axis for axis in range(3) if axis != slices.AXIS[orientation])
            counts = np.count_nonzero(mask, axis=others)
            rows += [(patient, orientation, index, int(count)) for index, count in enumerate(counts)]
    table = pd.DataFrame(rows, columns=[*KEY, "tumour_pixels"])
    return table.assign(tumour=table["tumour_pixels"] >= tumour_pixels)


def _with_truth(answers: pd.DataFrame, truth: pd.DataFrame, patients: Iterable[str]) -> pd.DataFrame:
    """The answers of some patients, with what their slices show; a slice of unknown content is an error."""
    known = truth[[*KEY, "tumour_pixels", "tumour"]]
    merged = answers[answers["patient"].isin(set(patients))].merge(known, on=KEY, how="left", validate="many_to_one")
    missing = merged[merged["tumour_pixels"].isna()]
    if len(missing):
        raise ValueError(f"no truth for {len(missing)} answers, the first: {missing[KEY].iloc[0].to_dict()}")
    return merged.astype({"tumour_pixels": int, "tumour": bool})


def _subsets(asked: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The slices asked ("all") and those with tumour among them; no "all" where only tumour slices were asked."""
    tumour = asked[asked["tumour"]]
    return {"tumour": tumour} if len(tumour) == len(asked) else {"all": asked, "tumour": tumour}


def _status_rows(entry: Entry, place: Place, asked: pd.DataFrame) -> list[dict]:
    """How many answers had each status, and the share that could be read."""
    counts = asked["status"].value_counts()
    n = len(asked)
    share = counts.get("ok", 0) / n if n else float("nan")
    rows = [summaries.row(entry, place, "parsed", share, n)]
    return rows + [summaries.row(entry, place, f"answers_{name}", counts.get(name, 0), n) for name in STATUSES]


def score_classification(
    answers: pd.DataFrame, truth: pd.DataFrame, grades: pd.Series, entry: Entry, settings: Settings
) -> Scores:
    """Grade the patients of one cohort by vote, for every orientation and slice subset asked.

    `answers` as `answers.answers_table`, `truth` as `slice_truth`, `grades` patient -> "LGG"/"HGG" for all patients of
    the cohort: one without answers is undecided. Areas under the ROC curve: `auc_logprob` from the mean HGG
    probability over slices, `auc_tally` from the share of HGG slices (GLDR).
    """
    asked = _with_truth(answers, truth, grades.index)
    grade = asked["patient"].map(grades)
    asked = asked.assign(grade=grade, correct=(asked["choice"] == (grade == "HGG").astype(int)).fillna(False))
    tables, rows = [], []
    for orientation, of_orientation in asked.groupby("orientation", sort=False):
        for subset, chosen in _subsets(of_orientation).items():
            place = Place(subset, orientation)
            patients = vote(chosen, settings.votes, grades).assign(grade=grades, slices=subset, orientation=orientation)
            rows += summaries.classification_rows(entry, place, patients["grade"], patients["label"], settings)
            for metric, score in (("auc_logprob", "p_hgg"), ("auc_tally", "gldr")):
                rows.append(summaries.auc_row(entry, place, metric, patients["grade"], patients[score], settings))
            for name, group in patients.groupby("grade"):
                metric = f"gldr_{name.lower()}"
                means = group.rename(columns={"gldr": metric})
                rows += summaries.mean_rows(
                    entry, place, means, [metric], settings, n_undecided=int(means[metric].isna().sum())
                )
            rows += _status_rows(entry, Place(subset, orientation, "slice"), chosen)
            tables.append(patients.reset_index())
    front = ["patient", "slices", "orientation", "grade", "label"]
    patients = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=front)
    patients = patients[[*front, *(name for name in patients.columns if name not in front)]]
    return Scores(_labelled(asked, entry), _labelled(patients, entry), summaries.table(rows))


def _labelled(table: pd.DataFrame, entry: Entry) -> pd.DataFrame:
    """A table with its cohort first: one run's file holds several."""
    table = table.reset_index(drop=True)
    table.insert(0, "cohort", entry.cohort)
    return table


def score_shapes(
    task: str,
    answers: pd.DataFrame,
    masks: Mapping[str, np.ndarray],
    entry: Entry,
    settings: Settings,
    spacings: Mapping[str, tuple[float, float, float]] | None = None,
    tumour_pixels: int = 1,
) -> Scores:
    """Score centre points, boxes or polygons of one cohort.

    `masks` holds the label volumes (slice, row, column) of the cohort's patients, `spacings` their voxels in mm in the
    same order (for `hd95_unit: mm` only). Answers of other patients are left out.

    Slices "all" and "tumour": each slice is scored, then averaged over a patient's slices, then over patients, as
    published (centre distances: the patient's 95th percentile). Slices "volume" and "tumour volume" (boxes, polygons):
    the same answers of a patient, stacked and scored once against the true mask of those slices, as a CNN's mask is.
    """
    if task not in SHAPE_TASKS:
        raise ValueError(f"task {task!r} must be one of {SHAPE_TASKS}")
    if settings.hd95_unit == "mm" and spacings is None:
        raise ValueError("hd95_unit mm needs the spacings")
    asked = answers[answers["patient"].isin(set(masks))]
    known = {patient: masks[patient] for patient in asked["patient"].unique()}
    asked = _with_truth(asked, slice_truth(known, asked["orientation"].unique(), tumour_pixels), masks)
    names = centre.METRICS if task == "center_point" else segmentation.METRICS
    tables, rows, scored = [], [], []
    for orientation, of_orientation in asked.groupby("orientation", sort=False):
        by_patient = {
            patient: _score_patient(task, group, masks[patient], orientation, settings, (spacings or {}).get(patient))
            for patient, group in of_orientation.groupby("patient", sort=False)
        }
        of_orientation = of_orientation.join(pd.concat([slice_scores for slice_scores, _ in by_patient.values()]))
        scored.append(of_orientation)
        for subset, chosen in _subsets(of_orientation).items():
            unreadable = chosen["status"].ne("ok")
            n_undecided = int(unreadable.groupby(chosen["patient"]).all().sum())
            kept = chosen[~unreadable] if settings.unreadable == "exclude" else chosen
            per_slice = Place(subset, orientation, "slice")
            rows += _status_rows(entry, per_slice, chosen)
            versions = {subset: _average(task, kept)}
            if task != "center_point":
                rows.append(summaries.row(entry, per_slice, "one_side_empty", kept["one_side_empty"].sum(), len(kept)))
                versions[VOLUMES[subset]] = pd.DataFrame.from_dict(
                    {patient: by_patient[patient][1](group) for patient, group in kept.groupby("patient", sort=False)},
                    orient="index",
                    columns=list(names),
                ).rename_axis("patient")
            for name, patients in versions.items():
                rows += summaries.mean_rows(entry, Place(name, orientation), patients, names, settings, n_undecided)
                tables.append(patients.reset_index().assign(slices=name, orientation=orientation))
    columns = ["patient", "slices", "orientation", *names]
    patients = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    table = pd.concat(scored) if scored else asked
    return Scores(_labelled(table, entry), _labelled(patients, entry), summaries.table(rows))


def _average(task: str, scored: pd.DataFrame) -> pd.DataFrame:
    """One row per patient (index) from one row per slice."""
    if task != "center_point":
        return scored.groupby("patient", sort=False)[list(segmentation.METRICS)].mean()
    with_tumour = scored.dropna(subset=list(_CENTRE_PARTS))
    summary = {
        patient: centre.summarise(*(group[part].to_numpy() for part in _CENTRE_PARTS))
        for patient, group in with_tumour.groupby("patient", sort=False)
    }
    return pd.DataFrame.from_dict(summary, orient="index", columns=list(centre.METRICS)).rename_axis("patient")


def _score_patient(
    task: str,
    asked: pd.DataFrame,
    mask: np.ndarray,
    orientation: str,
    settings: Settings,
    spacing: tuple[float, float, float] | None,
) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], dict[str, float]] | None]:
    """Scores per slice (indexed as `asked`), and a function that scores some of the slices as one volume."""
    side = settings.side
    truths = {
        index: slices.render_mask(slices.take(mask, orientation, index), side) > 0 for index in asked["slice"].unique()
    }
    points = {
        key: points_from_text(text) if status == "ok" else None
        for key, status, text in zip(asked.index, asked["status"], asked["points"], strict=True)
    }
    if task == "center_point":
        scores = [
            _score_centre(points[key], truths[index], side)
            for key, index in zip(asked.index, asked["slice"], strict=True)
        ]
        return pd.DataFrame(scores, index=asked.index), None
    if settings.truth == "shape":
        truths = {index: _true_shape(task, truth, settings) for index, truth in truths.items()}
    drawn = {key: _draw(task, points[key], side, settings) for key in asked.index}
    step = _rendered_spacing(mask.shape, orientation, side, spacing) if settings.hd95_unit == "mm" else None
    scores = []
    for key, index in zip(asked.index, asked["slice"], strict=True):
        one = segmentation.scores(drawn[key], truths[index], step and step[1:], settings.hd95_empty)
        scores.append(one | {"one_side_empty": bool(drawn[key].any() != truths[index].any())})

    def score_volume(chosen: pd.DataFrame) -> dict[str, float]:
        volume_shape = (slices.count(mask.shape, orientation), side, side)
        predicted, truth = np.zeros(volume_shape, dtype=bool), np.zeros(volume_shape, dtype=bool)
        for key, index in zip(chosen.index, chosen["slice"], strict=True):
            predicted[index] |= drawn[key]
            truth[index] = truths[index]
        return segmentation.scores(predicted, truth, step, settings.hd95_empty)

    return pd.DataFrame(scores, index=asked.index), score_volume


def _score_centre(points: np.ndarray | None, truth: np.ndarray, side: int) -> dict[str, float]:
    box = shapes.box_from_mask(truth)
    if box is None:  # Without a tumour there is no right point.
        return dict.fromkeys(_CENTRE_PARTS, float("nan"))
    return centre.scores(None if points is None else points[0], box, missing=float(np.hypot(side, side)))


def _draw(task: str, points: np.ndarray | None, side: int, settings: Settings) -> np.ndarray:
    """The pixels of an answer; none for an answer that cannot be read."""
    if points is None:
        return np.zeros((side, side), dtype=bool)
    if task == "polygon":
        return shapes.mask_from_polygon(points, (side, side))
    return shapes.mask_from_box(
        shapes.box_from_corners(points), (side, side), inclusive=settings.box_maximum == "inclusive"
    )


def _true_shape(task: str, truth: np.ndarray, settings: Settings) -> np.ndarray:
    """The pixels of the true mask's own box or polygon."""
    if not truth.any():
        return truth
    if task == "polygon":
        return _draw(task, shapes.polygon_from_mask(truth), len(truth), settings)
    box = shapes.box_from_mask(truth)
    box = shapes.square_box(box, truth.shape) if settings.square_box else box
    return _draw(task, shapes.corners_from_box(box), len(truth), settings)


def _rendered_spacing(
    shape: tuple[int, ...], orientation: str, side: int, spacing: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Voxel size in mm of rendered slices stacked to (index, row, column)."""
    axis = slices.AXIS[orientation]
    (height, rows), (width, columns) = (pair for i, pair in enumerate(zip(shape, spacing, strict=True)) if i != axis)
    zoom = max(height, width) / side
    return float(spacing[axis]), float(rows * zoom), float(columns * zoom)


def score_cnn_classifier(
    predictions: pd.DataFrame, grades: pd.Series, entry: Entry, settings: Settings, threshold: float = 0.5
) -> Scores:
    """Score a classifier's HGG probabilities (patient, p_hgg) of one cohort.

    A patient that several folds' networks saw (test and training patients) has their mean probability.
    """
    known = predictions[predictions["patient"].isin(grades.index)]
    p_hgg = known.groupby("patient")["p_hgg"].mean().reindex(grades.index)
    label = np.where(p_hgg.isna(), "", np.where(p_hgg >= threshold, "HGG", "LGG"))
    patients = pd.DataFrame({"patient": grades.index, "grade": grades.to_numpy(), "label": label, "p_hgg": p_hgg.array})
    place = Place("volume", "volume")
    rows = summaries.classification_rows(entry, place, patients["grade"], patients["label"], settings)
    rows.append(summaries.auc_row(entry, place, "auc", patients["grade"], patients["p_hgg"], settings))
    return Scores(pd.DataFrame(), _labelled(patients, entry), summaries.table(rows))


def score_cnn_segmenter(
    predicted: Iterable[tuple[str, np.ndarray]],
    masks: Mapping[str, np.ndarray],
    entry: Entry,
    settings: Settings,
    spacings: Mapping[str, tuple[float, float, float]] | None = None,
    tumour_pixels: int = 1,
) -> Scores:
    """Score predicted volumes of one cohort, given one after another as (patient, mask), against `masks`.

    Besides the whole "volume" the same masks are scored on the true axial tumour slices alone, as a "tumour volume" and
    slice by slice ("tumour"): what a VLM that is only shown tumour slices is scored on. Several predictions of a
    patient (by several folds' networks) are scored each and averaged.
    """
    rows = []
    for patient, prediction in predicted:
        truth, prediction = np.asarray(masks[patient]) > 0, np.asarray(prediction) > 0
        step = tuple(spacings[patient]) if settings.hd95_unit == "mm" else None
        shown = slices.tumour_slices(truth, "axial", tumour_pixels)
        only = np.zeros((len(truth), 1, 1), dtype=bool)
        only[shown] = True
        by_slice = [
            segmentation.scores(prediction[index], truth[index], step and step[1:], settings.hd95_empty)
            for index in shown
        ]
        versions = {
            ("volume", "volume"): [segmentation.scores(prediction, truth, step, settings.hd95_empty)],
            ("tumour volume", "axial"): [
                segmentation.scores(prediction & only, truth & only, step, settings.hd95_empty)
            ],
            ("tumour", "axial"): by_slice,
        }
        one_side_empty = float(prediction.any() != truth.any())
        for (subset, orientation), found in versions.items():
            mean = pd.DataFrame(found, columns=list(segmentation.METRICS)).mean().to_dict()
            key = {"patient": patient, "slices": subset, "orientation": orientation}
            rows.append(key | mean | {"one_side_empty": one_side_empty})
    key = ["patient", "slices", "orientation"]
    table = pd.DataFrame(rows, columns=[*key, *segmentation.METRICS, "one_side_empty"])
    patients = table.groupby(key, sort=False, as_index=False).mean()
    summary = []
    for (subset, orientation), group in patients.groupby(key[1:], sort=False):
        place = Place(subset, orientation)
        summary += summaries.mean_rows(entry, place, group, segmentation.METRICS, settings)
        if subset == "volume":
            count = int((group["one_side_empty"] > 0).sum())
            summary.append(summaries.row(entry, place, "one_side_empty", count, len(group)))
    patients = patients.drop(columns="one_side_empty")
    return Scores(pd.DataFrame(), _labelled(patients, entry), summaries.table(summary))


def score_consistency(answers: pd.DataFrame, grades: pd.Series, entry: Entry, settings: Settings) -> Scores:
    """How steady the answers to one slice asked many times are.

    Per slice ("patients" has a row for each): the share of each choice and of unreadable answers among its repeats,
    the share of the most frequent of these four, and their entropy in bits. The summary averages over the slices of a
    grade (`share_hgg_on_lgg`: HGG answers on LGG slices); a single slice's shares have their Wilson interval over
    repeats.
    """
    kinds = ("share_lgg", "share_hgg", "share_no_glioma", "share_unreadable")
    rows = []
    for (patient, orientation, index), group in answers.groupby(KEY, sort=False):
        if patient not in grades.index:
            continue
        kind = group["choice"].where(group["status"].eq("ok")).fillna(3).astype(int)
        shares = np.bincount(kind, minlength=4) / len(group)
        entropy = -float(np.sum(shares * np.log2(shares, where=shares > 0, out=np.zeros(4)))) + 0.0
        found = dict(zip(kinds, shares, strict=True)) | {"modal_share": shares.max(), "entropy": entropy}
        key = {"patient": patient, "orientation": orientation, "slice": index, "grade": grades[patient]}
        rows.append(key | {"repeats": len(group)} | found)
    columns = [*KEY, "grade", "repeats", *kinds, "modal_share", "entropy"]
    table = pd.DataFrame(rows, columns=columns)
    summary = []
    for (grade, orientation), group in table.groupby(["grade", "orientation"]):
        place = Place("all", orientation, "slice")
        for metric in (*kinds, "modal_share", "entropy"):
            value, interval = group[metric].mean(), statistics.NO_INTERVAL
            if len(group) == 1 and metric in kinds:
                repeats = int(group["repeats"].iloc[0])
                interval = statistics.wilson(round(value * repeats), repeats, settings.confidence)
            summary.append(summaries.row(entry, place, f"{metric}_on_{grade.lower()}", value, len(group), 0, interval))
    slices_table = answers[answers["patient"].isin(grades.index)]
    return Scores(_labelled(slices_table, entry), _labelled(table, entry), summaries.table(summary))
