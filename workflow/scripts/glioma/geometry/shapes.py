"""Tumour masks as shapes and back: centre, bounding box and polygon of one slice.

Coordinates are (row, column) integer pixels of the slice as rendered, row downwards, column to the right. A box is
`(row_min, col_min, row_max, col_max)` with both maxima *inside* the box. A polygon is an `(N, 2)` integer array,
clockwise as the slice is seen, and stands for the pixels on it and within it.
"""

import heapq
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

# scipy and skimage load their parts when they are first used: reading the Snakefile, which each job does, needs none.
import scipy
import skimage

Box = tuple[int, int, int, int]
Point = tuple[int, int]
Components = Literal["all", "largest"]

POLYGON_POINTS = (10, 15)
"""The fewest and the most points of a polygon, as the study's polygon prompt asks."""

PIXELS_PER_POINT = 8.0
"""Outline length that earns one polygon point: 10 points up to 80 px (a disc of 13 px radius), 15 from 120 px on."""


def box_from_mask(mask: np.ndarray) -> Box | None:
    """The tightest box around all non-zero pixels of a 2D mask; `None` if there are none."""
    mask = np.asarray(mask)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return (int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])) if len(rows) else None


def square_box(box: Box, shape: Sequence[int]) -> Box:
    """The box widened to equal sides about its centre, moved inwards (and cut, if it must be) to stay in the frame."""
    sides = box[2] - box[0] + 1, box[3] - box[1] + 1
    lows, highs = [], []
    for low, side, extent in zip(box[:2], sides, shape, strict=True):
        wanted = min(max(sides), extent)
        start = min(max(low - (wanted - side) // 2, 0), extent - wanted)
        lows.append(start)
        highs.append(start + wanted - 1)
    return lows[0], lows[1], highs[0], highs[1]


def mask_from_box(box: Box, shape: Sequence[int], inclusive: bool = True) -> np.ndarray:
    """Boolean mask of the box's pixels inside a frame of `shape`.

    `inclusive=False` reads the two maxima as the first pixel outside, the other convention in use.
    """
    row_min, col_min, row_max, col_max = (max(int(edge), 0) for edge in box)
    mask = np.zeros(tuple(shape), dtype=bool)
    mask[row_min : row_max + inclusive, col_min : col_max + inclusive] = True
    return mask


def centre_from_box(box: Box) -> Point:
    """The middle pixel of a box, rounded to the north-west where the box has an even side."""
    return (box[0] + box[2]) // 2, (box[1] + box[3]) // 2


def corners_from_box(box: Box) -> np.ndarray:
    """The (4, 2) corners of a box: top-left, top-right, bottom-right, bottom-left."""
    row_min, col_min, row_max, col_max = box
    return np.array([(row_min, col_min), (row_min, col_max), (row_max, col_max), (row_max, col_min)], dtype=int)


def box_from_corners(corners: np.ndarray) -> Box:
    """The smallest box that holds the given (N, 2) points, in whatever order they come."""
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def signed_area(points: np.ndarray) -> float:
    """Area of an (N, 2) polygon in pixels squared, positive if it runs clockwise as the slice is seen.

    The shoelace formula with column as x; rows grow downwards, which turns its usual sign round.
    """
    rows, columns = np.asarray(points, dtype=float).T
    return 0.5 * float(np.sum(columns * np.roll(rows, -1) - np.roll(columns, -1) * rows))


def parts_to_show(mask: np.ndarray, components: str) -> np.ndarray:
    """Of a slice's mask what a box or a centre stands for: "all" components, or the "largest"."""
    return largest_component(mask) if components == "largest" else mask


def largest_component(mask: np.ndarray) -> np.ndarray:
    """Boolean mask of the largest component, the first one on ties; pixels touching by a corner are joined."""
    labels, count = scipy.ndimage.label(np.asarray(mask) != 0, structure=np.ones((3,) * np.ndim(mask)))
    if count <= 1:
        return labels > 0
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def outline(component: np.ndarray) -> np.ndarray:
    """Outer boundary pixels (N, 2) of one 8-connected component, clockwise from its north-most (then west-most) pixel.

    Holes are ignored. A pixel appears twice where the component is one pixel wide.
    """
    filled = np.pad(scipy.ndimage.binary_fill_holes(component), 1).astype(float)
    # Just below 1 the contour runs through the centres of the boundary pixels, not between them and the background.
    contours = skimage.measure.find_contours(filled, level=1 - 1e-6, fully_connected="high")
    path = np.rint(max(contours, key=len)[:-1]).astype(int) - 1
    path = path[np.any(path != np.roll(path, 1, axis=0), axis=1)] if np.ptp(path, axis=0).any() else path[:1]
    if signed_area(path) < 0:
        path = path[::-1]
    start = np.lexsort((path[:, 1], path[:, 0]))[0]
    return np.roll(path, -start, axis=0)


def simplify(path: np.ndarray, count: int) -> np.ndarray:
    """Thin a closed path (N, 2) to `count` of its points, always keeping the first.

    The point whose loss changes the outline least goes first: least area of the triangle with its two neighbours
    (Visvalingam and Whyatt 1993) plus least length, without which the tip of a one-pixel-wide spur, whose triangle is
    empty, would be the first to go. A path with fewer points than `count` repeats some of them, in place, to reach it.
    """
    if len(path) <= count:
        return path[np.arange(count) * len(path) // count]
    places = [complex(*point) for point in path.tolist()]
    # Points that are left form a ring; a loss of points changes the cost of none but the two beside it.
    before, after = np.roll(np.arange(len(path)), 1).tolist(), np.roll(np.arange(len(path)), -1).tolist()

    def cost_of(index: int) -> float:
        into, out = places[index] - places[before[index]], places[after[index]] - places[index]
        return abs((into.conjugate() * out).imag) / 2 + (abs(into) + abs(out) - abs(into + out))

    # What a point costs now; the heap also holds what it cost before, to be passed over.
    cost = [math.inf, *map(cost_of, range(1, len(path)))]
    heap = [(value, index) for index, value in enumerate(cost)]
    heapq.heapify(heap)
    left = len(path)
    while left > count:
        value, gone = heapq.heappop(heap)
        if value != cost[gone]:
            continue
        left, cost[gone] = left - 1, math.nan
        after[before[gone]], before[after[gone]] = after[gone], before[gone]
        for beside in filter(None, (before[gone], after[gone])):
            cost[beside] = cost_of(beside)
            heapq.heappush(heap, (cost[beside], beside))
    return path[[value == value for value in cost]]


def polygon_from_mask(
    mask: np.ndarray, minimum: int = POLYGON_POINTS[0], maximum: int = POLYGON_POINTS[1]
) -> np.ndarray | None:
    """Outline of the largest component of a 2D mask in `minimum` to `maximum` points; `None` for an empty mask.

    Points lie on the component, run clockwise from the north-most (ties: west-most) and are the more numerous the
    longer the outline, be it for size or for irregularity. A tumour of fewer boundary pixels than `minimum` repeats
    points: the polygon of a one-pixel tumour is that pixel, `minimum` times.
    """
    box = box_from_mask(mask)
    if box is None:
        return None
    path = outline(largest_component(mask[box[0] : box[2] + 1, box[1] : box[3] + 1])) + box[:2]
    length = np.linalg.norm(path - np.roll(path, 1, axis=0), axis=1).sum()
    points = simplify(path, int(np.clip(round(length / PIXELS_PER_POINT), minimum, maximum)))
    # There and back along a line one pixel wide encloses nothing: what is left of it may turn the other way.
    return points if signed_area(points) >= 0 else np.roll(points[::-1], 1, axis=0)


def mask_from_polygon(points: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Boolean mask of the pixels on and within an (N, 2) polygon, as far as they lie in a frame of `shape`."""
    points = np.asarray(points, dtype=int)
    mask = np.zeros(tuple(shape), dtype=bool)
    mask[skimage.draw.polygon(*points.T, shape=mask.shape)] = True  # type: ignore[misc]
    ends = zip(points.tolist(), np.roll(points, -1, axis=0).tolist(), strict=True)
    edges = np.concatenate([skimage.draw.line(*start, *end) for start, end in ends], axis=1)
    mask[tuple(edges[:, np.all((edges >= 0) & (edges < np.array([shape]).T), axis=0)])] = True
    return mask
