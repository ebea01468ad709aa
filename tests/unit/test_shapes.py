"""Shapes against masks: exact round trips for boxes, close ones for polygons, and every awkward tumour."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from skimage import draw

from glioma.geometry import shapes

FRAME = (128, 128)
small_masks = arrays.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.booleans())
boxes = st.tuples(*[st.tuples(st.integers(0, 127), st.integers(0, 127)).map(sorted)] * 2).map(
    lambda sides: (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
)


def blob(seed: int, sigma: float = 6.0, quantile: float = 0.9) -> np.ndarray:
    """A random smooth mask with several components, some on the border and some holed."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=FRAME), sigma)
    return noise > np.quantile(noise, quantile)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * np.sum(first & second) / (np.sum(first) + np.sum(second))


@given(boxes)
def test_box_round_trip_is_exact(box):
    assert shapes.box_from_mask(shapes.mask_from_box(box, FRAME)) == box
    assert shapes.box_from_corners(shapes.corners_from_box(box)) == box
    row, column = shapes.centre_from_box(box)
    assert box[0] <= row <= box[2] and box[1] <= column <= box[3]


@given(small_masks)
def test_box_is_the_tightest(mask):
    box = shapes.box_from_mask(mask)
    if not mask.any():
        assert box is None
        return
    assert mask.sum() == mask[box[0] : box[2] + 1, box[1] : box[3] + 1].sum()
    for line in (mask[box[0]], mask[box[2]], mask[:, box[1]], mask[:, box[3]]):
        assert line.any()


def test_exclusive_maximum_drops_the_last_row_and_column():
    assert shapes.mask_from_box((2, 3, 5, 9), FRAME).sum() == 4 * 7
    assert shapes.mask_from_box((2, 3, 5, 9), FRAME, inclusive=False).sum() == 3 * 6


@given(boxes)
def test_square_box_holds_the_box_and_stays_in_the_frame(box):
    square = shapes.square_box(box, FRAME)
    assert square[0] <= box[0] and square[1] <= box[1] and square[2] >= box[2] and square[3] >= box[3]
    assert square[2] - square[0] == square[3] - square[1] == max(box[2] - box[0], box[3] - box[1])
    assert min(square) >= 0 and max(square) < 128


# A line one pixel wide with a bend: thinned to ten points its outline once ran the wrong way.
BENT = np.zeros((4, 9), dtype=bool)
BENT[[0, 0, 0, 1, 2, 2, 3], [0, 1, 3, 2, 3, 4, 5]] = True


@given(small_masks)
@example(BENT)
def test_polygon_of_any_mask(mask):
    points = shapes.polygon_from_mask(mask)
    if not mask.any():
        assert points is None
        return
    component = shapes.largest_component(mask)
    assert 10 <= len(points) <= 15
    assert np.issubdtype(points.dtype, np.integer)
    assert component[tuple(points.T)].all(), "every point is a pixel of the component, hence in the frame"
    rows, columns = np.nonzero(component)
    assert tuple(points[0]) == (rows.min(), columns[rows == rows.min()].min())
    assert shapes.signed_area(points) >= 0


@given(small_masks)
def test_largest_component_is_connected_and_largest(mask):
    component = shapes.largest_component(mask)
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    assert component.sum() == max([np.sum(labels == k) for k in range(1, count + 1)], default=0)
    assert ndimage.label(component, structure=np.ones((3, 3)))[1] == min(count, 1)


@given(small_masks)
def test_outline_steps_to_neighbours_and_encloses_the_component(mask):
    if not mask.any():
        return
    component = shapes.largest_component(mask)
    path = shapes.outline(component)
    if len(path) > 1:
        assert np.abs(path - np.roll(path, 1, axis=0)).max() == 1
    np.testing.assert_array_equal(shapes.mask_from_polygon(path, mask.shape), ndimage.binary_fill_holes(component))


@pytest.mark.parametrize("place", [(0, 0), (0, 127), (127, 0), (127, 127), (64, 64)])
def test_one_pixel_tumour(place):
    mask = np.zeros(FRAME, bool)
    mask[place] = True
    points = shapes.polygon_from_mask(mask)
    assert points.tolist() == [list(place)] * 10
    np.testing.assert_array_equal(shapes.mask_from_polygon(points, FRAME), mask)


def test_whole_frame_and_one_pixel_lines():
    for mask in (np.ones(FRAME, bool), np.eye(128, dtype=bool), np.eye(128, dtype=bool)[:, ::-1]):
        points = shapes.polygon_from_mask(mask)
        np.testing.assert_array_equal(shapes.mask_from_polygon(points, FRAME), mask)


def test_holes_are_filled_and_small_components_left_out():
    disc = np.zeros(FRAME, bool)
    disc[draw.disk((60, 60), 25)] = True
    ring = disc.copy()
    ring[draw.disk((60, 60), 12)] = False
    ring[2:5, 100:104] = True
    np.testing.assert_array_equal(shapes.polygon_from_mask(ring), shapes.polygon_from_mask(disc))
    assert dice(shapes.mask_from_polygon(shapes.polygon_from_mask(ring), FRAME), disc) > 0.94


def test_larger_and_more_irregular_outlines_get_more_points():
    def disc(radius):
        mask = np.zeros(FRAME, bool)
        mask[draw.disk((64, 64), radius)] = True
        return mask

    counts = [len(shapes.polygon_from_mask(disc(radius))) for radius in range(3, 60)]
    assert counts == sorted(counts) and counts[0] == 10 and counts[-1] == 15
    angle = np.linspace(0, 2 * np.pi, 400)
    radius = 15 * (1 + 0.6 * np.sin(6 * angle))
    star = shapes.mask_from_polygon(np.rint(64 + radius * [np.sin(angle), np.cos(angle)]).T, FRAME)
    equal_disc = disc(np.sqrt(star.sum() / np.pi))
    assert len(shapes.polygon_from_mask(star)) > len(shapes.polygon_from_mask(equal_disc))


def test_polygon_round_trip_on_blobs():
    scores = []
    for seed in range(40):
        component = ndimage.binary_fill_holes(shapes.largest_component(blob(seed)))
        scores.append(dice(shapes.mask_from_polygon(shapes.polygon_from_mask(component), FRAME), component))
    assert np.mean(scores) > 0.92 and min(scores) > 0.8


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_polygon_of_blobs_is_clockwise(seed):
    points = shapes.polygon_from_mask(blob(seed))
    assert shapes.signed_area(points) > 0


def test_clockwise_is_clockwise_as_seen():
    assert shapes.signed_area(np.array([(0, 0), (0, 4), (4, 4), (4, 0)])) == 16
    assert shapes.signed_area(np.array([(0, 0), (4, 0), (4, 4), (0, 4)])) == -16


def test_polygon_mask_agrees_with_matplotlib():
    from matplotlib.path import Path

    points = np.array([(20, 30), (25, 90), (70, 100), (110, 60), (60, 20)])
    grid = np.stack(np.indices(FRAME), axis=-1).reshape(-1, 2)
    # A pixel well inside or well outside has no boundary convention to disagree about.
    inside = Path(points).contains_points(grid, radius=-1.0) | Path(points).contains_points(grid, radius=1.0)
    both = Path(points).contains_points(grid, radius=-1.0) & Path(points).contains_points(grid, radius=1.0)
    mask = shapes.mask_from_polygon(points, FRAME).ravel()
    assert not np.any(mask & ~inside) and np.all(mask[both])
    assert mask.reshape(FRAME)[tuple(points.T)].all()


def test_polygon_leaving_the_frame_is_cut():
    mask = shapes.mask_from_polygon(np.array([(-50, -50), (-50, 63), (63, 63), (63, -50)]), FRAME)
    np.testing.assert_array_equal(mask, shapes.mask_from_box((0, 0, 63, 63), FRAME))
