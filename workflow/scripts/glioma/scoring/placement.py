"""Rows of a summary that say whether answers follow the picture: `metrics.placement`, slice by slice."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from glioma.metrics import placement, records
from glioma.metrics.regions import Region
from glioma.scoring import summaries
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry, Scope
from glioma.stats import clustered, statistics

COLUMNS = ("row", "column", "area", "box_top", "box_left", "box_bottom", "box_right", "true_area")
_BOX = [f"box_{edge}" for edge in ("top", "left", "bottom", "right")]


def of_slice(points: np.ndarray | None, area: float, truth: Region) -> dict[str, float]:
    """`COLUMNS` of one slice: the middle of the answer's box and its area (NaN for a point), and the true box and area.

    `points` (N, 2) or None for an answer that could not be parsed; `truth` the rendered mask (side, side).
    """
    found = dict.fromkeys(COLUMNS, float("nan"))
    if points is not None:
        middle = (np.min(points, axis=0) + np.max(points, axis=0)) / 2
        found |= {"row": float(middle[0]), "column": float(middle[1]), "area": area}
    if truth.box is not None:
        found |= dict(zip(_BOX, map(float, truth.box), strict=True)) | {"true_area": float(truth.size)}
    return found


def rows(entry: Entry, requested: pd.DataFrame, settings: Settings) -> Iterable[dict]:
    """A row for each of `placement.METRICS`, over axial tumour slices with an answer that could be parsed.

    `requested` has the columns of a table of scored slices, `COLUMNS` among them. Correlations and shares have
    intervals from resampling whole patients; sizes have no rows where answers are points.
    """
    if requested.empty:
        return
    chosen = requested[requested["tumour"] & requested["orientation"].eq("axial") & requested["row"].notna()]
    if chosen.empty:
        return
    scope = Scope("tumour", "axial", "slice")
    sized = bool(chosen["area"].notna().all())
    placed = placement.Placed(
        *(chosen[name].to_numpy() for name in ("patient", "slice")),
        chosen[["row", "column"]].to_numpy(dtype=float),
        chosen["area"].fillna(0).to_numpy(dtype=float),
        chosen[_BOX].to_numpy(dtype=float),
        chosen["true_area"].to_numpy(dtype=float),
    )
    sums = placement.sums(placed, settings.side)
    found = placement.counts(chosen["points"].to_numpy(dtype=str))
    for metric in placement.METRICS:
        interval = statistics.NO_INTERVAL
        if metric == "size_correlation" and not sized:
            continue
        if metric not in placement.COUNTS:
            found[metric] = float(placement.values(sums.sum(axis=0), metric))
            rng = entry.generator(settings.seed, "placement", metric)
            interval = clustered.clustered_interval(
                sums,
                lambda drawn, metric=metric: placement.values(drawn, metric),  # type: ignore[misc]
                rng,
                records.BY_NAME[metric].bounds,
                settings.resamples,
                settings.confidence,
            )
        yield summaries.row(entry, scope, metric, found[metric], len(chosen), 0, interval)
