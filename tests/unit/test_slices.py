import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from glioma.geometry import slices

SHAPE = (95, 128, 128)
lengths = st.integers(1, 40)


def test_a_voxel_appears_where_a_radiologist_expects_it():
    volume = np.zeros(SHAPE, np.uint8)
    volume[90, 3, 5] = 255  # superior, anterior, on the patient's right
    for orientation, index, place in [("axial", 90, (3, 5)), ("coronal", 3, (4, 5)), ("sagittal", 5, (4, 3))]:
        shown = slices.take(volume, orientation, index)
        assert np.argwhere(shown).tolist() == [list(place)]
        assert np.shares_memory(shown, volume)


def test_slices_are_padded_symmetrically_to_a_square_and_not_distorted():
    volume = np.full(SHAPE, 7, np.uint8)
    image = np.asarray(slices.render(slices.take(volume, "coronal", 0)))
    assert image.shape == (128, 128, 3)
    assert np.flatnonzero(image[:, 0, 0]).tolist() == list(range(16, 111))  # 16 rows above, 17 below
    axial = np.random.default_rng(0).integers(0, 256, (128, 128), np.uint8)
    assert np.array_equal(np.asarray(slices.render(axial))[..., 1], axial)


def test_a_native_frame_is_the_slice_itself():
    volume = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    for orientation in slices.ORIENTATIONS:
        shown = slices.take(volume, orientation, 40)
        image = np.asarray(slices.render(shown, 128, "native"))
        assert image.shape == (*shown.shape, 3) and np.array_equal(image[..., 0], shown)
    axial = slices.take(volume, "axial", 40)
    assert slices.render(axial, 64, "native").tobytes() == slices.render(axial, 64).tobytes()
    assert slices.render(slices.take(volume, "sagittal", 40), 256, "native").size == (256, 190)
    with pytest.raises(ValueError, match="oval"):
        slices.render(axial, 128, "oval")


@given(st.tuples(lengths, lengths, lengths), st.sampled_from(slices.ORIENTATIONS), st.integers(8, 90), st.data())
def test_every_pixel_of_a_voxel_maps_back_to_it(shape, orientation, side, data):
    voxel = tuple(data.draw(st.integers(0, length - 1)) for length in shape)
    volume = np.zeros(shape, bool)
    volume[voxel] = True
    index = voxel[slices.AXIS[orientation]]
    pixels = np.argwhere(slices.render_mask(slices.take(volume, orientation, index), side))
    assert len(pixels) or side < max(shape)
    for pixel in pixels:
        assert slices.to_voxel(pixel, orientation, index, shape, side) == voxel


@given(st.sampled_from(slices.ORIENTATIONS))
def test_a_pixel_of_the_padding_maps_outside_the_volume(orientation):
    voxel = slices.to_voxel((0, 0), orientation, 3, (10, 30, 30), 30)
    inside = all(0 <= value < length for value, length in zip(voxel, (10, 30, 30), strict=True))
    assert inside == (orientation == "axial")


@given(lengths, lengths, st.integers(4, 90), st.integers(0, 2**32 - 1))
def test_a_mask_is_rendered_as_pillow_would(height, width, side, seed):
    mask = np.random.default_rng(seed).integers(0, 5, (height, width), np.uint8)
    expected = Image.fromarray(slices.square(mask)).resize((side, side), Image.Resampling.NEAREST)
    # Pillow computes the source pixel in another order; at exact ties of the two grids it may take the neighbour.
    centres = (np.arange(side) + 0.5) * max(height, width) / side
    clear = np.abs(centres - np.round(centres)) > 1e-6
    assert np.array_equal(slices.render_mask(mask, side)[clear][:, clear], np.asarray(expected)[clear][:, clear])


def test_selections_are_nested_and_thresholded():
    mask = np.zeros((10, 12, 12), np.uint8)
    mask[3, 2:6, 2:6] = 4
    mask[5, 2, 2] = 1
    mask[7, 2:4, 2:4] = 2
    select = lambda name, *rest: slices.select(mask, "axial", name, *rest).tolist()  # noqa: E731
    assert select("tumour") == [3, 5, 7]
    assert select("tumour", 4) == [3, 7]
    assert select("range") == [3, 4, 5, 6, 7]
    assert select("all") == list(range(10))
    assert select("range", 1, 2) == [3, 5, 7]
    assert slices.tumour_slices(mask, "coronal").tolist() == [2, 3, 4, 5]
    assert slices.largest(mask, "axial") == 3
    assert slices.select(mask * 0, "axial", "range").tolist() == []
    with pytest.raises(ValueError, match="tumor"):
        slices.select(mask, "axial", "tumor")


@given(st.integers(1, 200), st.integers(1, 300))
def test_a_sample_has_the_stride_equal_margins_and_is_never_empty(count, every):
    chosen = slices.sample(np.arange(count), every)
    assert len(chosen) >= 1
    assert set(np.diff(chosen)) <= {every}
    before, after = chosen[0], count - 1 - chosen[-1]
    assert before < every and after < every and 0 <= after - before <= 1


def test_count():
    assert [slices.count(SHAPE, orientation) for orientation in slices.ORIENTATIONS] == [95, 128, 128]
