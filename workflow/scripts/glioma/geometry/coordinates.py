"""The coordinates that a model uses, and how they become ours: the only place where the two meet.

Ours are (row, column) integer pixels of the rendered slice. A model entry names its own convention:
`{"order": "row_col" | "x_y", "scale": "128" | "pixels" | "1000" | "unit"}`. A "128" grid divides the image into 128
cells a side whatever its size, "pixels" are ours, "1000" and "unit" are positions from 0 at one edge of the image to
1000 or 1 at the other (Qwen2-VL, InternVL). A pixel's position is its centre, hence the halves below.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from glioma.base.errors import UserError

ORDERS = ("row_col", "x_y")
SCALES = ("128", "pixels", "1000", "unit")
DEFAULT = {"order": "row_col", "scale": "128"}
_DECIMALS = 3


def _read(convention: Mapping | None) -> tuple[bool, str]:
    """Whether x comes first, and the scale."""
    order, scale = ({**DEFAULT, **(convention or {})}[key] for key in ("order", "scale"))
    if order not in ORDERS or str(scale) not in SCALES:
        raise UserError(f"coordinates: order {order!r}, scale {scale!r} is unknown; choose from {ORDERS} and {SCALES}")
    return order == "x_y", str(scale)


def encode(points: Sequence | np.ndarray, convention: Mapping | None, side: int) -> np.ndarray:
    """Our (N, 2) pixels in an image `side` wide as model coordinates, (N, 2): ints, or floats for "unit"."""
    x_first, scale = _read(convention)
    points = np.asarray(points, int).reshape(-1, 2)
    centres = (points + 0.5) / side
    if scale == "pixels":
        numbers = points
    elif scale == "unit":
        numbers = np.round(centres, _DECIMALS)
    elif scale == "128":
        numbers = np.floor(centres * 128).astype(int)
    else:
        numbers = np.round(centres * 1000).astype(int)
    return numbers[:, ::-1] if x_first else numbers


def decode(points: Sequence | np.ndarray, convention: Mapping | None, side: int) -> np.ndarray:
    """Model coordinates, (N, 2), as our integer pixels (row, column) in an image `side` wide, (N, 2).

    Nothing is clipped: a number beyond the model's range lands outside [0, side), for the caller to refuse.
    """
    x_first, scale = _read(convention)
    numbers = np.asarray(points, float).reshape(-1, 2)
    if scale == "pixels":
        pixels = np.round(numbers)
    elif scale == "128":
        pixels = np.floor((numbers + 0.5) * side / 128)
    else:
        extent = 1000 if scale == "1000" else 1
        # The far edge itself is a legal position; it belongs to the last pixel.
        pixels = np.where(numbers == extent, side - 1, np.floor(numbers / extent * side))
    return pixels.astype(int)[:, ::-1] if x_first else pixels.astype(int)
