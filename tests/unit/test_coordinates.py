import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioma import tasks
from glioma.base.errors import UserError
from glioma.geometry import coordinates

conventions = st.fixed_dictionaries(
    {"order": st.sampled_from(coordinates.ORDERS), "scale": st.sampled_from(coordinates.SCALES)}
)


@given(conventions, st.integers(2, 128), st.data())
def test_what_a_model_is_told_it_can_tell_back(convention, side, data):
    pixel = st.integers(0, side - 1)
    points = np.array(data.draw(st.lists(st.tuples(pixel, pixel), min_size=1, max_size=5)))
    assert np.array_equal(coordinates.decode(coordinates.encode(points, convention, side), convention, side), points)


@pytest.mark.parametrize(
    ("convention", "side", "written"),
    [
        (None, 128, "(10, 100)"),
        ({"order": "x_y"}, 128, "(100, 10)"),
        ({"scale": 128}, 560, "(2, 22)"),
        ({"scale": "pixels"}, 560, "(10, 100)"),
        ({"scale": "1000", "order": "x_y"}, 128, "(785, 82)"),
        ({"scale": "unit"}, 128, "(0.082, 0.785)"),
        ({"scale": "percent"}, 128, "(8.2, 78.5)"),
        ({"scale": "1024"}, 128, "(84, 804)"),
        ({"scale": "pixels", "shown": 448}, 128, "(36, 351)"),
        ({"form": "json", "scale": "1000", "order": "x_y"}, 128, '[{"point_2d": [785, 82], "label": "tumor"}]'),
        ({"form": "tags", "scale": "1000", "order": "x_y"}, 128, "<point>[[785, 82]]</point>"),
        ({"form": "loc", "scale": "1024"}, 128, "<loc0084><loc0804>"),
        ({"form": "points", "scale": "percent", "order": "x_y"}, 128, '<point x="78.5" y="8.2">'),
    ],
)
def test_model_coordinates(convention, side, written):
    assert tasks.get("center_point").write([(10, 100)], convention, side) == written


@given(conventions, st.integers(16, 600))
def test_edges_are_legal_and_what_lies_beyond_lands_outside(convention, side):
    ends = {"128": 127, "1024": 1023, "pixels": side - 1, "1000": 1000, "percent": 100, "unit": 1.0}
    last = ends[convention["scale"]]
    assert coordinates.largest(convention, side) == last
    inside = coordinates.decode([(0, last), (last, 0)], convention, side)
    assert inside.min() >= 0 and inside.max() <= side - 1 and inside.max() >= side - 1 - side // 128
    beyond = coordinates.decode([(last * 1.01 + 1, 0), (0, -1)], convention, side)
    assert all(point.min() < 0 or point.max() >= side for point in beyond)


@pytest.mark.parametrize("convention", [{"order": "yx"}, {"scale": "256"}])
def test_an_unknown_convention_is_a_user_error(convention):
    with pytest.raises(UserError, match="coordinates"):
        coordinates.encode([(1, 2)], convention, 128)


def test_texts():
    assert tasks.get("center_point").write([(63, 70)], None, 128) == "(63, 70)"
    corners = [(3, 5), (3, 9), (7, 9), (7, 5)]
    assert tasks.get("bounding_box").write(corners, None, 128) == "[(3, 5), (3, 9), (7, 9), (7, 5)]"
    assert tasks.get("polygon").write([(1, 2), (3, 4)], {"order": "x_y"}, 128) == "((2, 1), (4, 3))"
