"""The coordinates that a model uses, and how they become ours: the only place where the two meet.

Ours are (row, column) integer pixels of the rendered slice. A model entry names its own convention, order and scale:

- "128" is a grid of 128 cells a side whatever the image's size (the study's), "1024" one of 1024 (PaliGemma);
- "pixels" are those of the picture that the model is shown, `shown` a side (Qwen2.5-VL); where the convention does not
  say how many, they are ours;
- "1000", "percent" and "unit" are positions from 0 at one edge of the image to 1000, 100 or 1 at the other (Qwen2-VL,
  Qwen3-VL and InternVL; Molmo; LLaVA).

A pixel's position is its centre, hence the halves below.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from glioma.base.errors import UserError

ORDERS = ("row_col", "x_y")
GRIDS = {"128": 128, "1024": 1024}
EXTENTS = {"1000": 1000, "percent": 100, "unit": 1}
SCALES = (*GRIDS, "pixels", *EXTENTS)
DECIMALS = {"percent": 1, "unit": 3}
"""Of numbers that are no integers, as they are written."""
DEFAULT = {"order": "row_col", "scale": "128"}


def _read(convention: Mapping | None, side: int) -> tuple[bool, str, int | None]:
    """Whether x comes first, the scale, and its cells a side where it is a grid, as pixels are one."""
    order, scale = ({**DEFAULT, **(convention or {})}[key] for key in ("order", "scale"))
    if order not in ORDERS or str(scale) not in SCALES:
        raise UserError(f"coordinates: order {order!r}, scale {scale!r} is unknown; choose from {ORDERS} and {SCALES}")
    cells = GRIDS.get(str(scale))
    if scale == "pixels":
        cells = (convention or {}).get("shown") or side
    return order == "x_y", str(scale), cells


def extent(convention: Mapping | None, side: int) -> tuple[int, bool]:
    """The convention's measure of a side of the image, and whether its numbers are cells of a grid or positions."""
    _, scale, cells = _read(convention, side)
    return (EXTENTS[scale], False) if cells is None else (cells, True)


def largest(convention: Mapping | None, side: int) -> int:
    """The largest legal number; the smallest is 0."""
    across, is_grid = extent(convention, side)
    return across - is_grid


def encode(points: Sequence | np.ndarray, convention: Mapping | None, side: int) -> np.ndarray:
    """Our (N, 2) pixels in an image `side` wide as model coordinates, (N, 2): ints, or floats for "unit", "percent"."""
    x_first, scale, cells = _read(convention, side)
    centres = (np.asarray(points, int).reshape(-1, 2) + 0.5) / side
    if cells is not None:
        numbers = np.floor(centres * cells).astype(int)
    elif scale in DECIMALS:
        numbers = np.round(centres * EXTENTS[scale], DECIMALS[scale])
    else:
        numbers = np.round(centres * EXTENTS[scale]).astype(int)
    return numbers[:, ::-1] if x_first else numbers


def decode(points: Sequence | np.ndarray, convention: Mapping | None, side: int) -> np.ndarray:
    """Model coordinates, (N, 2), as our integer pixels (row, column) in an image `side` wide, (N, 2).

    Nothing is clipped: a number beyond the model's range lands outside [0, side), for the caller to refuse.
    """
    x_first, scale, cells = _read(convention, side)
    numbers = np.asarray(points, float).reshape(-1, 2)
    if scale == "pixels" and cells == side:
        pixels = np.round(numbers)
    elif cells is not None:
        pixels = np.floor((numbers + 0.5) * side / cells)
    else:
        # The far edge itself is a legal position; it belongs to the last pixel.
        extent = EXTENTS[scale]
        pixels = np.where(numbers == extent, side - 1, np.floor(numbers / extent * side))
    return pixels.astype(int)[:, ::-1] if x_first else pixels.astype(int)


def words(convention: Mapping | None, side: int) -> dict[str, str]:
    """How a prompt speaks of these coordinates: {field: words}, for the fields of prompt files.

    size: the image's; first, second: the axes' names; first_way, second_way: where they increase to; range and largest:
    the legal numbers.
    """
    x_first, scale, cells = _read(convention, side)
    across = cells or (convention or {}).get("shown") or side
    axes = [("row", "downward"), ("col", "rightward")]
    if x_first:
        axes = [("x", "rightward"), ("y", "downward")]
    kind = "numbers" if scale in DECIMALS else "integers"
    named = {"first": axes[0][0], "second": axes[1][0], "first_way": axes[0][1], "second_way": axes[1][1]}
    last = largest(convention, side)
    return named | {"size": f"{across}x{across}", "largest": str(last), "range": f"{kind} between 0 and {last}"}
