import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.cnn import data
from glioma.cnn.recipe import Augmentation, Recipe
from glioma.geometry import slices

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


def ready(samples: data.Samples, index: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One sample as the network sees it."""
    image, target = samples[index]
    batch = data.ready(image[None], target[None], samples.recipe.normalisation, torch.device("cpu"))
    assert image.dtype == torch.uint8 and batch[0].dtype == torch.float32
    return batch[0][0].numpy(), batch[1][0].numpy()


def test_full_size_is_scaled_and_stays_on_disk(folder):
    patients = data.Patients(["a", "b"], recipe(), folder, masks=True)
    assert isinstance(patients.images[1], np.memmap)
    image, target = ready(patients, 1)
    np.testing.assert_array_equal(image, np.load(folder / "b.npy") / np.float32(255))
    np.testing.assert_array_equal(target[0], np.load(folder / "b.mask.npy") > 0)
    assert target.dtype == np.float32


def test_channels_are_chosen_in_the_order_of_the_recipe(folder):
    for size in (None, SHAPE):
        image, _ = data.Patients(["a"], recipe(channels=["t2", "flair"], input=size), folder)[0]
        np.testing.assert_array_equal(image.numpy(), np.load(folder / "a.npy")[[3, 0]])


def test_grades_are_targets_with_hgg_positive(folder):
    patients = data.Patients(["a", "b"], recipe(), folder, grades=["LGG", "HGG"])
    assert [patients[i][1].tolist() for i in range(2)] == [[0.0], [1.0]]


def test_resampling_by_whole_factors_is_the_block_mean(folder):
    patients = data.Patients(["a"], recipe(input=[11, 6, 4]), folder, masks=True)
    image, target = ready(patients)
    blocks = (11, 1, 6, 2, 4, 4)
    expected = np.load(folder / "a.npy").reshape(4, *blocks).mean((2, 4, 6))
    np.testing.assert_allclose(image * 255, expected, atol=0.51)
    share = (np.load(folder / "a.mask.npy") > 0).reshape(blocks).mean((1, 3, 5))
    np.testing.assert_allclose(target[0], share, atol=0.51 / 255)


@settings(max_examples=20, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 9)] * 3))
def test_resampling_keeps_a_constant(shape):
    assert torch.equal(data.resample(torch.full((2, 9, 9, 9), 7.0), shape), torch.full((2, *shape), 7.0))


def test_zscore_is_over_the_brain_and_leaves_the_background(folder):
    # In company: every sample of a batch is normalised by its own voxels.
    patients = data.Patients(["a", "b"], recipe(normalisation="zscore"), folder)
    batch = torch.stack([patients[0][0], patients[1][0] // 3])
    image = data.normalise(batch, "zscore")[0].numpy()
    brain = np.load(folder / "a.npy") > 0
    for channel, inside in zip(image, brain, strict=True):
        assert abs(channel[inside].mean()) < 1e-4 and abs(channel[inside].std() - 1) < 1e-4
        assert not channel[~inside].any()


def test_zscore_of_an_empty_or_flat_sequence_is_zero():
    image = torch.zeros(1, 2, 3, 3, 3, dtype=torch.uint8)
    image[0, 1, 1] = 9
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
    order = [0, 1, 0]
    images, masks = (torch.stack(parts) for parts in zip(*(patients[i] for i in order), strict=True))
    how = Augmentation(flip=0.5, intensity=0.3, shift=2)

    def epoch(seed, number, sizes=(3,)):
        first, parts = 0, []
        for size in sizes:
            rows = slice(first, first + size)
            parts.append(data.augment_batch(images[rows].float(), masks[rows], how, seed, number, first))
            first += size
        return [torch.cat(part) for part in zip(*parts, strict=True)]

    whole, in_parts = epoch(1, 2), epoch(1, 2, (1, 2))
    assert torch.equal(whole[0], in_parts[0]) and torch.equal(whole[1], in_parts[1])
    for other in (whole[0][0], epoch(1, 3)[0][2], epoch(2, 2)[0][2]):
        assert not torch.equal(whole[0][2], other)


SLICES = {"task": "classification", "architecture": "slice:small"}


def shown(areas, tmp_path, patient="p") -> None:
    """A patient whose axial slice i holds areas[i] tumour voxels, and its number as grey value."""
    mask = np.zeros((len(areas), 4, 6), np.uint8)
    for index, area in enumerate(areas):
        mask[index].flat[:area] = 4
    image = np.zeros((4, len(areas), 4, 6), np.uint8)
    image += np.arange(len(areas), dtype=np.uint8)[:, None, None]
    image[1:] += 100
    np.save(tmp_path / f"{patient}.npy", image)
    np.save(tmp_path / f"{patient}.mask.npy", mask)


@pytest.mark.parametrize("size", [None, [4, 6]])
def test_slices_are_labelled_as_in_the_conversations_of_a_vlm(tmp_path, size):
    shown([0, 2, 3, 9, 0], tmp_path)
    entry = Recipe.read(SLICES | {"tumour_pixels": 3, "input": size})
    samples = data.Slices(["p"], entry, tmp_path, ["HGG"])
    # Slice 1 shows too little tumour to be graded and too much to be free of it.
    assert samples.places == [("p", 0), ("p", 2), ("p", 3), ("p", 4)]
    assert [samples[i][1].item() for i in range(4)] == samples.labels.tolist() == [2, 1, 1, 2]
    assert data.Slices(["p"], entry, tmp_path, ["LGG"]).labels.tolist() == [2, 0, 0, 2]
    for index, (_, place) in enumerate(samples.places):
        image, target = samples[index]
        assert image.shape == (1, 4, 6) and (image == place).all() and target.shape == ()
    # Without truth all slices are asked about.
    asked = data.Slices(["p"], entry, tmp_path)
    assert [place for _, place in asked.places] == [0, 1, 2, 3, 4] and asked[1][1].numel() == 0


def test_slices_are_those_that_a_run_of_a_vlm_asks_about(small_crops):
    patients = ["gli-a", "gli-b"]
    masks = {patient: np.load(small_crops / f"{patient}.mask.npy") for patient in patients}
    for chosen in ("all", "tumour"):
        entry = Recipe.read(SLICES | {"slices": chosen, "every": 3, "tumour_pixels": 5, "channels": ["t2", "flair"]})
        samples = data.Slices(patients, entry, small_crops)
        expected = [(p, i) for p, mask in masks.items() for i in slices.select(mask, "axial", chosen, 5, 3)]
        assert samples.places == expected and samples.patients == [patient for patient, _ in expected]
        patient, place = expected[-1]
        crop = np.load(small_crops / f"{patient}.npy")
        np.testing.assert_array_equal(samples[len(samples) - 1][0], crop[[3, 0], place])


def test_resampled_slices_are_block_means(small_crops):
    entry = Recipe.read(SLICES | {"input": [20, 16], "every": 5})
    samples = data.Slices(["gli-c"], entry, small_crops)
    for index, (_, place) in enumerate(samples.places):
        expected = np.load(small_crops / "gli-c.npy")[0, place].reshape(20, 2, 16, 2).mean((1, 3))
        np.testing.assert_allclose(samples[index][0][0], expected, atol=0.51)


def test_slices_are_augmented_too():
    image = torch.zeros(2, 8, 8)
    image[:, 2:5, 3:6] = 1
    answer = torch.tensor(1)
    moved, same = data.augment(image, answer, Augmentation(flip=1, intensity=0.2, shift=2), seeds.generator(3))
    assert same is answer and (moved > 0).sum() == 18 and not torch.equal(moved > 0, image > 0)
