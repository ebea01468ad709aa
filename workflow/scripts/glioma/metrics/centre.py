"""How far a point is from where it should be, in pixels of the rendered slice.

A missing point (`None`) lies in no box, and both its distances are the declared `missing` distance.
"""

from collections.abc import Sequence

import numpy as np

from glioma.geometry.shapes import Box, centre_from_box

METRICS = ("fraction_in_box", "p95_distance_to_box", "p95_euclidean_distance")


def scores(point: Sequence[int] | None, box: Box, missing: float) -> dict[str, float]:
    """In the true box (1 or 0), distance to that box (0 inside) and to its centre, of one slice's point."""
    if point is None:
        return {"in_box": 0.0, "distance_to_box": missing, "euclidean_distance": missing}
    return {
        "in_box": float(box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]),
        "distance_to_box": distance_to_box(point, box),
        "euclidean_distance": float(np.hypot(*np.subtract(point, centre_from_box(box)))),
    }


def distance_to_box(point: Sequence[int], box: Box) -> float:
    """Euclidean distance from a pixel to the nearest pixel of a box with inclusive maxima; 0 inside."""
    nearest = np.clip(point, box[:2], box[2:])
    return float(np.hypot(*np.subtract(point, nearest)))


def summarise(in_box: np.ndarray, distance_to_box: np.ndarray, euclidean_distance: np.ndarray) -> dict[str, float]:
    """A patient's `METRICS` from its slices: the share in the box and the 95th percentile of each distance."""
    return {
        "fraction_in_box": float(np.mean(in_box)),
        "p95_distance_to_box": float(np.percentile(distance_to_box, 95)),
        "p95_euclidean_distance": float(np.percentile(euclidean_distance, 95)),
    }
