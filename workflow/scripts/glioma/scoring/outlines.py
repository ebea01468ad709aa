"""Scores of centre points, boxes and polygons: slice by slice, and stacked to a volume."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from glioma.geometry import shapes, slices
from glioma.metrics import centre, segmentation
from glioma.metrics.regions import Region
from glioma.scoring import placement, samples, summaries
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry, Scope
from glioma.scoring.tables import KEY, Scores, assemble, choose, of_masks, scopes, status_rows
from glioma.tasks import LocatedTask, RegionTask, points_from_text

VOLUMES = {"all": "volume", "tumour": "tumour volume"}
"""What a subset of slices is called when its answers are stacked to a volume."""
_CENTRE_PARTS = ("in_box", "distance_to_box", "euclidean_distance")


class Located(NamedTuple):
    """One patient's answers in one orientation, scored.

    slices: a row of scores for each answer, under its index. volumes: the scores of the answers stacked to a volume, of
    each subset of slices; none where answers are points.
    """

    slices: pd.DataFrame
    volumes: dict[str, dict[str, float]]


class Truth:
    """A patient's mask in one orientation, as his answers are held against it: each slice made once for all methods.

    mask: label volume (slice, row, column). spacing: its voxels in mm, in the same order, for `hd95_unit: mm` only.
    """

    def __init__(
        self, mask: np.ndarray, orientation: str, settings: Settings, spacing: tuple[float, float, float] | None = None
    ):
        if settings.hd95_unit == "mm" and spacing is None:
            raise ValueError("hd95_unit mm needs the spacings")
        self.mask, self.orientation, self.settings = mask, orientation, settings
        in_mm = settings.hd95_unit == "mm"
        self.step = slices.rendered_spacing(mask.shape, orientation, settings.side, spacing) if in_mm else None
        self._regions: dict[Hashable, Region] = {}
        self._scores: dict[Hashable, dict[str, float]] = {}

    def _once(self, key: Hashable, make: Callable[[], np.ndarray]) -> Region:
        """A region by its key; equal pixels are one region, whatever they were made of."""
        if key not in self._regions:
            found = make()
            pixels = found.shape, np.packbits(found).tobytes()
            if pixels not in self._regions:
                self._regions[pixels] = Region(found, self.step and self.step[-found.ndim :])
            self._regions[key] = self._regions[pixels]
        return self._regions[key]

    def shown(self, index: int) -> Region:
        """A slice of the mask as rendered, (side, side)."""
        side = self.settings.side
        return self._once(
            ("shown", index), lambda: slices.render_mask(slices.take(self.mask, self.orientation, index), side) > 0
        )

    def located(self, index: int) -> Region:
        """What of a slice's mask a point is held against."""
        return self._once(
            ("located", index), lambda: shapes.parts_to_show(self.shown(index).mask, self.settings.components)
        )

    def wanted(self, task: RegionTask, index: int) -> Region:
        """What an answer to a slice is scored against: the mask, or the pixels of its own box or polygon."""
        shown = self.shown(index)
        if self.settings.truth == "mask":
            return shown
        return self._once(("wanted", task.name, index), lambda: _true_pixels(task, shown.mask, self.settings))

    def drawn(self, task: RegionTask, points: np.ndarray | None) -> Region:
        """The pixels of an answer, (side, side); none for one that cannot be parsed (None)."""
        key = None if points is None else points.tobytes()
        return self._once(("drawn", task.name, key), lambda: _pixels(task, points, self.settings))

    def given(self, mask: np.ndarray) -> Region:
        """A mask that was made elsewhere, (side, side)."""
        return self._once(("given", mask.tobytes()), lambda: mask)

    def stacked(self, parts: Iterable[tuple[int, Region]]) -> Region:
        """Slices by their index as a volume (slice, side, side); several of one slice are joined."""
        parts = sorted({(index, id(region)): (index, region) for index, region in parts if region.size}.items())

        def fill() -> np.ndarray:
            volume = np.zeros((slices.count(self.mask.shape, self.orientation), *[self.settings.side] * 2), dtype=bool)
            for _, (index, region) in parts:
                volume[index] |= region.mask
            return volume

        return self._once(("stacked", *(key for key, _ in parts)), fill)

    def scores(self, predicted: Region, wanted: Region) -> dict[str, float]:
        """`segmentation.scores` of two of these regions."""
        key = id(predicted), id(wanted)
        if key not in self._scores:
            self._scores[key] = segmentation.scores(predicted, wanted, None, *self.settings.limits)
        return self._scores[key]


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
    given: Mapping[tuple[str, str, int], np.ndarray] | None = None,
) -> Scores:
    """Score centre points, boxes or polygons.

    `masks` holds the label volumes (slice, row, column) of the patients, `spacings` their voxels in mm in the same
    order (for `hd95_unit: mm` only), `cohorts` as `assemble`, `selection` as `scopes`. Answers of other patients are
    left out. `given`: (patient, orientation, slice) -> the mask (side, side) that was made of a box, and is scored in
    its place.

    Slices "all" and "tumour": each slice is scored, then averaged over a patient's slices, then over patients, as
    published (centre distances: the patient's 95th percentile). Slices "volume" and "tumour volume" (boxes, polygons):
    the same answers of a patient, stacked and scored once against the true mask of those slices, as a CNN's mask is.
    """
    requested = of_masks(answers, masks, tumour_pixels)
    found = {
        (orientation, patient): score_patient(
            task, group, Truth(masks[patient], orientation, settings, (spacings or {}).get(patient)), selection, given
        )
        for (orientation, patient), group in requested.groupby(["orientation", "patient"], sort=False)
    }
    return tabulate(task, requested, found, entry, settings, cohorts, selection)


def score_patient(
    task: LocatedTask,
    requested: pd.DataFrame,
    truth: Truth,
    selection: str = "all",
    given: Mapping[tuple[str, str, int], np.ndarray] | None = None,
) -> Located:
    """Score answers `with_truth` of one patient in one orientation; `given` as `score_located`."""
    settings = truth.settings
    points = [
        points_from_text(text) if status == "ok" else None
        for status, text in zip(requested["status"], requested["points"], strict=True)
    ]
    where = requested["slice"].tolist()
    if not isinstance(task, RegionTask):
        scores = [
            _score_centre(each, truth.located(index).box, settings.side)
            | placement.of_slice(each, float("nan"), truth.shown(index))
            for each, index in zip(points, where, strict=True)
        ]
        return Located(pd.DataFrame(scores, index=requested.index), {})
    scores, volumes = [], {}
    if given is None:
        made = [truth.drawn(task, each) for each in points]
    else:
        masks = [given.get(key) for key in requested[KEY].itertuples(index=False, name=None)]
        points = [None if mask is None or not mask.any() else np.argwhere(mask) for mask in masks]
        made = [truth.drawn(task, None) if mask is None else truth.given(mask) for mask in masks]
    drawn = pd.Series(made, index=requested.index, dtype=object)
    for each, region, index in zip(points, drawn, where, strict=True):
        wanted = truth.wanted(task, index)
        one = truth.scores(region, wanted) | placement.of_slice(each, float(region.size), truth.shown(index))
        scores.append(one | {"one_side_empty": (region.size > 0) != (wanted.size > 0)})
    for orientation, subset in scopes(requested, selection):
        chosen = _kept(choose(requested, orientation, subset), settings)
        if len(chosen):
            predicted = truth.stacked(zip(chosen["slice"], drawn[chosen.index], strict=True))
            wanted = truth.stacked((index, truth.wanted(task, index)) for index in chosen["slice"])
            volumes[subset] = truth.scores(predicted, wanted)
    return Located(pd.DataFrame(scores, index=requested.index), volumes)


def tabulate(
    task: LocatedTask,
    requested: pd.DataFrame,
    found: Mapping[tuple[str, str], Located],
    entry: Entry,
    settings: Settings,
    cohorts: Mapping[str, Collection[str]] | None = None,
    selection: str = "all",
) -> Scores:
    """The tables of answers `with_truth`, from what was `found` of each (orientation, patient)."""
    names = list(centre.METRICS if task.output == "point" else segmentation.SCORES)
    where = scopes(requested, selection)
    scored = requested
    if found:
        scored = requested.join(pd.concat([each.slices for each in found.values()]))
        scored = pd.concat([group for _, group in scored.groupby("orientation", sort=False)])
    tables = []
    for orientation, subset in where:
        kept = _kept(choose(scored, orientation, subset), settings)
        versions = {subset: _average(task, kept)}
        if task.output == "region":
            volumes = {name: found[orientation, name].volumes[subset] for name in kept["patient"].unique()}
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

    return assemble(scored, patients, entry, cohorts, summarise)


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


def _score_centre(points: np.ndarray | None, box: shapes.Box | None, side: int) -> dict[str, float]:
    if box is None:  # Without a tumour there is no right point.
        return dict.fromkeys(_CENTRE_PARTS, float("nan"))
    return centre.scores(None if points is None else points[0], box, missing=float(np.hypot(side, side)))


def _pixels(task: RegionTask, points: np.ndarray | None, settings: Settings) -> np.ndarray:
    """The pixels of an answer; none for an answer that cannot be parsed."""
    if points is None:
        return np.zeros((settings.side, settings.side), dtype=bool)
    return task.pixels(points, settings.side, settings.box_maximum == "inclusive")


def _true_pixels(task: RegionTask, truth: np.ndarray, settings: Settings) -> np.ndarray:
    """The pixels of the true mask's own box or polygon."""
    form = {"box": "square" if settings.square_box else "rectangle", "components": settings.components}
    points = task.of_mask(truth, form)
    return truth if points is None else _pixels(task, points, settings)
