import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glioma import seeds
from glioma.cnn import data
from glioma.cnn.recipe import Augmentation, Recipe
from glioma.errors import UserError

SHAPE = (11, 12, 16)


def recipe(**more) -> Recipe:
    return Recipe.read({"task": "segmentation", "architecture": "paper:segmenter", **more})


@pytest.fixture
def folder(tmp_path):
    """Two patients with random tissue and an off-centre tumour of labels 1, 2 and 4."""
    for patient in ("a", "b"):
        random = seeds.generator(0, patient)
        image = random.integers(1, 256, (4, *SHAPE), dtype=np.uint8)
        image[:, :, :2] = 0
        mask = np.zeros(SHAPE, np.uint8)
        mask[3:6, 4:8, 5:9] = random.choice([1, 2, 4], (3, 4, 4))
        np.save(tmp_path / f"{patient}.npy", image)
        np.save(tmp_path / f"{patient}.mask.npy", mask)
    return tmp_path


def test_full_size_is_scaled_and_stays_on_disk(folder):
    patients = data.Patients(["a", "b"], recipe(), folder, masks=True)
    assert isinstance(patients.images[1], np.memmap)
    image, target = patients[1]
    np.testing.assert_array_equal(image.numpy(), np.load(folder / "b.npy") / np.float32(255))
    np.testing.assert_array_equal(target.numpy()[0], np.load(folder / "b.mask.npy") > 0)
    assert image.dtype == target.dtype == torch.float32


def test_channels_are_chosen_in_the_order_of_the_recipe(folder):
    image, _ = data.Patients(["a"], recipe(channels=["t2", "flair"]), folder)[0]
    np.testing.assert_array_equal(image.numpy(), np.load(folder / "a.npy")[[3, 0]] / np.float32(255))


def test_grades_are_targets_with_hgg_positive(folder):
    patients = data.Patients(["a", "b"], recipe(), folder, grades=["LGG", "HGG"])
    assert [patients[i][1].tolist() for i in range(2)] == [[0.0], [1.0]]


def test_resampling_by_whole_factors_is_the_block_mean(folder):
    patients = data.Patients(["a"], recipe(input=[11, 6, 4]), folder, masks=True)
    image, target = patients[0]
    blocks = (11, 1, 6, 2, 4, 4)
    expected = np.load(folder / "a.npy").reshape(4, *blocks).mean((2, 4, 6))
    np.testing.assert_allclose(image.numpy() * 255, expected, atol=0.51)
    share = (np.load(folder / "a.mask.npy") > 0).reshape(blocks).mean((1, 3, 5))
    np.testing.assert_allclose(target[0].numpy(), share, atol=0.51 / 255)


@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 9)] * 3))
def test_resampling_keeps_a_constant(shape):
    assert torch.equal(data.resample(torch.full((2, 9, 9, 9), 7.0), shape), torch.full((2, *shape), 7.0))


def test_zscore_is_over_the_brain_and_leaves_the_background(folder):
    image, _ = data.Patients(["a"], recipe(normalisation="zscore"), folder)[0]
    brain = np.load(folder / "a.npy") > 0
    for channel, inside in zip(image.numpy(), brain, strict=True):
        assert abs(channel[inside].mean()) < 1e-4 and abs(channel[inside].std() - 1) < 1e-4
        assert not channel[~inside].any()


def test_zscore_of_an_empty_or_flat_sequence_is_zero():
    image = torch.zeros(2, 3, 3, 3, dtype=torch.uint8)
    image[1, 1] = 9
    assert not data.normalise(image, "zscore").any()


def test_a_missing_crop_is_named(folder):
    with pytest.raises(UserError, match="nobody"):
        data.Patients(["nobody"], recipe(), folder)


@settings(max_examples=50, deadline=None)
@given(n_lgg=st.integers(1, 20), n_hgg=st.integers(1, 20), epoch=st.integers(0, 5))
def test_oversampling_balances_the_grades(n_lgg, n_hgg, epoch):
    grades = ["LGG"] * n_lgg + ["HGG"] * n_hgg
    order = data.epoch_order(grades, True, 3, epoch)
    times = np.bincount(order, minlength=len(grades))
    assert times[:n_lgg].sum() == times[n_lgg:].sum() == max(n_lgg, n_hgg)
    for group in (times[:n_lgg], times[n_lgg:]):
        assert group.max() - group.min() <= 1 and group.min() >= 1
    assert np.array_equal(order, data.epoch_order(grades, True, 3, epoch))


def test_without_oversampling_each_patient_comes_once_in_an_order_of_its_epoch():
    grades = ["LGG", "HGG", "HGG"] * 10
    first, second = (data.epoch_order(grades, False, 3, epoch) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(30))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("steps", [(1, -2, 3), (0, 0, 0), (-4, 2, -1)])
def test_shift_is_a_roll_without_wrapping(steps):
    volume = torch.zeros(1, 12, 12, 12)
    volume[:, 4:8, 4:8, 4:8] = torch.rand(4, 4, 4)
    assert torch.equal(data.shifted(volume, steps), volume.roll(steps, (-3, -2, -1)))
    assert not data.shifted(volume, (12, 0, 0)).any()


def test_a_mask_moves_with_its_image():
    image = torch.zeros(4, *SHAPE)
    image[:, 3:6, 4:8, 5:9] = 1
    mask = image[:1].clone()
    how = Augmentation(flip=0.5, intensity=0.2, shift=2)
    moved = set()
    for draw in range(20):
        new_image, new_mask = data.augment(image, mask, how, seeds.generator(draw))
        assert torch.equal((new_image > 0).float(), new_mask.expand(4, -1, -1, -1))
        factors = new_image.amax((1, 2, 3))
        assert ((factors >= 0.8) & (factors <= 1.2)).all() and len(factors.unique()) == 4
        moved.add(tuple(new_mask.nonzero()[0].tolist()))
    assert len(moved) > 10
    assert image.max() == 1 and mask.sum() == 48, "augmentation must not write into what it is given"


def test_flip_mirrors_columns_and_keeps_a_grade():
    image = torch.rand(4, *SHAPE)
    grade = torch.ones(1)
    flipped, same = data.augment(image, grade, Augmentation(flip=1.0), seeds.generator(0))
    assert torch.equal(flipped, image.flip(-1)) and same is grade


def test_an_epoch_depends_on_seed_number_and_position_alone(folder):
    patients = data.Patients(["a", "b"], recipe(), folder, masks=True)

    def epoch(seed, number):
        return data.Epoch(patients, np.array([0, 1, 0]), Augmentation(0.5, 0.3, 2), seed, number)

    alone = epoch(1, 2)[2]
    after_others = [epoch(1, 2)[position] for position in range(3)][2]
    assert torch.equal(alone[0], after_others[0]) and torch.equal(alone[1], after_others[1])
    for other in (epoch(1, 2)[0], epoch(1, 3)[2], epoch(2, 2)[2]):
        assert not torch.equal(alone[0], other[0])
