"""Slices of a crop: orientation, rendering as an image, and the way back to voxels.

A crop volume has shape (slice, row, column): slice grows superior, row posterior, column to the patient's left.
Every slice is shown in radiological convention (patient's right on the image's left):

- axial: anterior at the top, indexed by slice;
- coronal: superior at the top, indexed by row;
- sagittal: superior at the top, anterior on the left, indexed by column.

The rendered slice is a square image, and all coordinates of the workflow are (row, column) integer pixels in it. Where
no coordinates are asked for (classification), it may also be shown unpadded, in its `native` frame.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}
ORIENTATIONS = tuple(AXIS)
SELECTIONS = ("all", "range", "tumour")
FRAMES = ("square", "native")
SIDE = 128


def count(shape: Sequence[int], orientation: str) -> int:
    """Number of slices a volume of `shape` (slice, row, column) has in an orientation."""
    return int(shape[AXIS[orientation]])


def take(volume: np.ndarray, orientation: str, index: int) -> np.ndarray:
    """One slice of a (slice, row, column) volume as a 2-D view, oriented for display."""
    view = np.moveaxis(volume, AXIS[orientation], 0)[index]
    return view if orientation == "axial" else view[::-1]


def _padding(height: int, width: int) -> tuple[int, int, int]:
    """Side of the square that holds a slice, and the rows and columns padded above and left of it."""
    side = max(height, width)
    return side, (side - height) // 2, (side - width) // 2


def square(slice2d: np.ndarray) -> np.ndarray:
    """Pad a slice symmetrically with background to a square; an odd pixel goes below or right."""
    height, width = slice2d.shape
    if height == width:
        return slice2d
    side, top, left = _padding(height, width)
    return np.pad(slice2d, ((top, side - height - top), (left, side - width - left)))


def _source(pixels: np.ndarray, side: int, length: int) -> np.ndarray:
    """Index in the padded square (`length` wide) under the centre of each pixel of an image `side` wide."""
    return np.floor((np.asarray(pixels) + 0.5) * length / side).astype(int)


def render(slice2d: np.ndarray, side: int = SIDE, frame: str = "square") -> Image.Image:
    """A uint8 slice as an RGB image (vision processors expect three channels), resized only if it must be.

    The frame is "square", padded to `side` x `side`, or "native", as long as `side` on its longer side: 95 x 128 pixels
    stay 95 x 128 at side 128. Pixels are square in both.
    """
    if frame not in FRAMES:
        raise ValueError(f"frame {frame!r} is none of {FRAMES}")
    image = Image.fromarray(np.ascontiguousarray(square(slice2d) if frame == "square" else slice2d))
    longer = max(image.size)
    if longer != side:
        # The shorter side of a thin slice may round to nothing.
        width, height = (max(1, round(length * side / longer)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return image.convert("RGB")


def render_mask(slice2d: np.ndarray, side: int = SIDE) -> np.ndarray:
    """A label slice in the pixels of `render`, (side, side), by nearest neighbour."""
    padded = square(slice2d)
    if len(padded) == side:
        return padded
    source = _source(np.arange(side), side, len(padded))
    return padded[np.ix_(source, source)]


def from_rendered(shown: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Pixels (side, side) of a rendered axial slice as the slice's own, `shape` (rows, columns): the nearest ones."""
    height, width = shape
    length, top, left = _padding(height, width)
    source = _source(np.arange(length), length, len(shown))
    return shown[np.ix_(source, source)][top : top + height, left : left + width]


def rendered_spacing(
    shape: Sequence[int], orientation: str, side: int, spacing: Sequence[float]
) -> tuple[float, float, float]:
    """Voxel size in mm of a volume's rendered slices, stacked to (index, row, column); `spacing` is the volume's."""
    axis = AXIS[orientation]
    (height, rows), (width, columns) = (pair for i, pair in enumerate(zip(shape, spacing, strict=True)) if i != axis)
    zoom = max(height, width) / side
    return float(spacing[axis]), float(rows * zoom), float(columns * zoom)


def to_voxel(
    point: Sequence[int], orientation: str, index: int, shape: Sequence[int], side: int = SIDE
) -> tuple[int, int, int]:
    """The crop voxel (slice, row, column) shown at pixel (row, column) of a rendered slice.

    A pixel of the padding maps outside the volume (below 0 or beyond `shape`).
    """
    height, width = (length for axis, length in enumerate(shape) if axis != AXIS[orientation])
    length, top, left = _padding(height, width)
    row, column = (int(value) for value in _source(np.asarray(point), side, length))
    row, column = row - top, column - left
    if orientation != "axial":
        row = height - 1 - row
    voxel = [row, column]
    voxel.insert(AXIS[orientation], index)
    return tuple(voxel)  # type: ignore[return-value]


def areas(mask: np.ndarray, orientation: str) -> np.ndarray:
    """Number of non-zero voxels in every slice of an orientation."""
    return np.count_nonzero(mask, axis=tuple(axis for axis in range(3) if axis != AXIS[orientation]))


def tumour_slices(mask: np.ndarray, orientation: str, tumour_pixels: int = 1) -> np.ndarray:
    """Indices of the slices of a (slice, row, column) label volume with at least `tumour_pixels` tumour voxels."""
    return np.flatnonzero(areas(mask, orientation) >= tumour_pixels)


def largest(mask: np.ndarray, orientation: str) -> int:
    """Index of the slice with the most tumour voxels, the first one on ties."""
    return int(areas(mask, orientation).argmax())


def select(mask: np.ndarray, orientation: str, selection: str, tumour_pixels: int = 1, every: int = 1) -> np.ndarray:
    """Indices of a named selection: "all" slices, the "range" from first to last tumour slice, or "tumour" slices."""
    tumour = tumour_slices(mask, orientation, tumour_pixels)
    if selection == "all":
        indices = np.arange(count(mask.shape, orientation))
    elif selection == "range":
        indices = np.arange(tumour[0], tumour[-1] + 1) if len(tumour) else tumour
    elif selection == "tumour":
        indices = tumour
    else:
        raise ValueError(f"selection {selection!r} is none of {SELECTIONS}")
    return sample(indices, every)


def sample(indices: np.ndarray, every: int = 1) -> np.ndarray:
    """Every n-th index, with equal margins at both ends, so that no patient with a slice is left without one."""
    return indices[(len(indices) - 1) % every // 2 :: every] if len(indices) else indices
