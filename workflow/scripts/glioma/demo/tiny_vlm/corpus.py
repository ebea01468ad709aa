"""Synthetic images with a bright blob, and the answers to the four tasks that are true of them.

The images are no brains: discs or plain fields with smooth texture, dark and bright distractors, one star-shaped blob.
A model trained on them knows the tasks and their formats, and has something left to learn from real slices.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from skimage.draw import polygon2mask

SIDE = 128  # pixels a side of an image; coordinates are integers (row, column) from 0 to SIDE - 1
PADDED = slice(16, 111)  # rows that a coronal or sagittal slice of 95 rows fills in its square frame
LGG, HGG, NONE = 0, 1, 2


@dataclass(frozen=True)
class Example:
    """An image (SIDE, SIDE) uint8 and what is true of it; outline (360, 2) float (row, column) and mask, or None."""

    image: np.ndarray
    grade: int
    outline: np.ndarray | None
    mask: np.ndarray | None


def example(rng: np.random.Generator, grade: int) -> Example:
    """Draw one image of the given grade (LGG, HGG or NONE)."""
    image, room = _background(rng)
    _distract(rng, image, room)
    outline = mask = None
    if grade != NONE:
        outline, glow = _blob(rng, room, grade)
        mask = polygon2mask(image.shape, outline)
        image += rng.uniform(0.22, 0.5) * glow
    image += rng.normal(0, rng.uniform(0.005, 0.04), image.shape)
    image = np.where(room, np.clip(image, 0, 1), 0)
    return Example(np.round(255 * image).astype(np.uint8), grade, outline, mask)


@cache
def _stretch(cells: int) -> np.ndarray:
    """Linear interpolation from `cells` knots to SIDE pixels as a matrix (SIDE, cells)."""
    at = np.linspace(0, cells - 1, SIDE)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells)))


def _texture(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise of unit variance at its knots, shape (SIDE, SIDE)."""
    knots = _stretch(cells)
    return knots @ rng.normal(size=(cells, cells)) @ knots.T


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], turn: float = 0.0) -> np.ndarray:
    """Distance from the centre in units of the radius, shape (SIDE, SIDE): below 1 is inside."""
    row, column = np.ogrid[:SIDE, :SIDE]
    row, column = row - centre[0], column - centre[1]
    along = np.cos(turn) * row + np.sin(turn) * column
    across = -np.sin(turn) * row + np.cos(turn) * column
    return np.hypot(along / radii[0], across / radii[1])


def _background(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A textured field in [0, 1] and the mask of where a blob may lie: all of it, a disc, or a padded disc."""
    image = rng.uniform(0.2, 0.45) + rng.uniform(0.02, 0.06) * _texture(rng, int(rng.integers(3, 7)))
    image += rng.uniform(0.01, 0.05) * _texture(rng, int(rng.integers(12, 40)))
    if rng.random() < 0.25:
        return image, np.ones(image.shape, bool)
    padded = rng.random() < 0.35
    radii = (rng.uniform(36, 47), rng.uniform(46, 63)) if padded else (rng.uniform(48, 63), rng.uniform(40, 63))
    centre = (63 + rng.uniform(-3, 3), 63.5 + rng.uniform(-3, 3))
    disc = _ellipse(centre, radii) + 0.02 * _texture(rng, 9)
    room = disc < 1
    if padded:
        frame = np.zeros(image.shape, bool)
        frame[PADDED] = True
        room &= frame
    if rng.random() < 0.6:  # a band along the edge, darker or brighter than the inside
        image += rng.uniform(-0.12, 0.12) * (disc > rng.uniform(0.75, 0.92))
    if rng.random() < 0.6:  # a symmetric pair of dark holes
        gap, size = rng.uniform(5, 13), (rng.uniform(7, 20), rng.uniform(2.5, 6))
        turn = rng.uniform(-0.5, 0.5)
        for side in (-1, 1):
            hole = _ellipse((centre[0] + rng.uniform(-3, 3), centre[1] + side * gap), size, side * turn)
            image *= 1 - rng.uniform(0.4, 0.9) * (hole < 1)
    return image, room


def _distract(rng: np.random.Generator, image: np.ndarray, room: np.ndarray) -> None:
    """Add up to five small bright or dark spots and streaks, in place."""
    inside = np.argwhere(room)
    for _ in range(rng.integers(0, 6)):
        radii = (rng.uniform(1.5, 4), rng.uniform(1.5, 9))
        spot = _ellipse(tuple(inside[rng.integers(len(inside))]), radii, rng.uniform(0, np.pi))
        image += rng.uniform(-0.2, 0.25) * np.clip(1.5 - spot, 0, 1)


def _blob(rng: np.random.Generator, room: np.ndarray, grade: int) -> tuple[np.ndarray, np.ndarray]:
    """A star-shaped outline within the room, (360, 2), and its glow in [0, 1], (SIDE, SIDE).

    Low grade is smooth and even; high grade is ragged and mottled, mostly with a dark heart.
    """
    inside = np.argwhere(room)
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    radius = np.exp(rng.uniform(np.log(6), np.log(32)))
    ragged = rng.uniform(0.10, 0.25) if grade == HGG else rng.uniform(0.03, 0.15)
    order = np.arange(1, 7)
    swing = ragged * rng.normal(size=6) / np.sqrt(order)
    phase = rng.uniform(0, 2 * np.pi, 6)
    shape = 1 + np.clip(swing @ np.cos(order[:, None] * angle + phase[:, None]), -0.6, 0.8)
    while True:
        centre = inside[rng.integers(len(inside))]
        outline = centre + radius * shape[:, None] * np.stack([-np.cos(angle), np.sin(angle)], axis=1)
        corner = np.round(outline).astype(int)
        if corner.min() >= 0 and corner.max() < SIDE and room[corner[:, 0], corner[:, 1]].mean() > 0.97:
            break
        radius = max(0.95 * radius, 4)
    row, column = np.ogrid[:SIDE, :SIDE]
    row, column = row - centre[0], column - centre[1]
    reach = radius * np.interp(np.arctan2(column, -row) % (2 * np.pi), angle, shape, period=2 * np.pi)
    depth = (reach - np.hypot(row, column)) / reach  # 1 at the heart, 0 on the outline
    glow = np.clip(0.5 + depth * reach / rng.uniform(1, 5), 0, 1)
    if grade == HGG:
        glow *= 1 + rng.uniform(0.1, 0.3) * _texture(rng, int(rng.integers(10, 25)))
        if rng.random() < 0.75:
            glow *= 1 - rng.uniform(0.5, 1.3) * (depth > rng.uniform(0.35, 0.65))
    return outline, glow


def box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(row_min, column_min, row_max, column_max) of a mask, inclusive."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])


def ring(outline: np.ndarray) -> np.ndarray:
    """10 to 12 integer points (N, 2) of an outline, evenly spaced along it, clockwise from the north-most.

    Larger blobs get more points: one for every 12 pixels of circumference, within the limits. The workflow allows 15:
    a model this small sometimes miscounts by two or three.
    """
    outline = np.roll(outline, -int(outline[:, 0].argmin()), axis=0)
    closed = np.vstack([outline, outline[:1]])
    length = np.concatenate([[0], np.hypot(*np.diff(closed, axis=0).T).cumsum()])
    count = int(np.clip(length[-1] // 12, 10, 12))
    at = np.linspace(0, length[-1], count, endpoint=False)
    points = np.stack([np.interp(at, length, closed[:, axis]) for axis in (0, 1)], axis=1)
    return np.clip(np.round(points), 0, SIDE - 1).astype(int)


def keywords(item: Example) -> list[str]:
    """Ten words on the image: a few that follow from it, the rest usual for its class."""
    if item.grade == NONE:
        common = "symmetric, normal, uniform, intact, midline, clear, balanced, unremarkable, regular, healthy"
        return common.split(", ")
    high, left, bottom, right = *box(item.mask)[:2], *box(item.mask)[2:]
    # Radiological display: the patient's left is on the image's right.
    side = "left" if (left + right) / 2 > SIDE / 2 else "right"
    end = "anterior" if (high + bottom) / 2 < SIDE / 2 else "posterior"
    size = "large" if item.mask.sum() > 900 else "small"
    own = (
        "heterogeneous, irregular, infiltrative, necrosis, edema, aggressive"
        if item.grade == HGG
        else "homogeneous, smooth, circumscribed, subtle, diffuse, indolent"
    )
    return ["hyperintense", *own.split(", "), size, side, end]


def answer(item: Example, task: str, reasoning: bool = True) -> str | None:
    """The true answer in the workflow's format; None where the task has no answer (a shape, and nothing there)."""
    if task == "classification":
        words = f" Reasoning: {', '.join(keywords(item))}" if reasoning else ""
        return f"Choice: {item.grade}{words}"
    if item.mask is None:
        return None
    if task == "polygon":
        return f"({', '.join(f'({row}, {column})' for row, column in ring(item.outline))})"
    top, left, bottom, right = box(item.mask)
    if task == "bounding_box":
        return f"[({top}, {left}), ({top}, {right}), ({bottom}, {right}), ({bottom}, {left})]"
    return f"({(top + bottom) // 2}, {(left + right) // 2})"
