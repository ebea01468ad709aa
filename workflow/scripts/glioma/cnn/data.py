"""Crops from disk to what a network sees.

Data sets hand out bytes, as crops are stored: a quarter of the memory and of the traffic of float32. Batches of them
are normalised and augmented where the network is, so that on a GPU one process keeps up with it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from glioma.base import seeds
from glioma.base.answers import LABELS
from glioma.cnn.recipe import Augmentation, Recipe
from glioma.cohort import crop_files
from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import slices

UNCLEAR = -1
"""Answer of a slice that shows too little tumour to be graded and too much to be free of it."""


class Samples(Dataset):
    """(image, target) of each sample, neither normalised nor augmented; its patient and, where known, its label.

    image: uint8 (channels, slices, rows, columns), or (channels, rows, columns) of single slices. Resampled to a
    smaller input it is computed once and kept; at the crop's own size files stay memory-mapped, read when needed.
    patients: of each sample. labels: what is balanced in training, of each sample; None where truth was not given.
    """

    recipe: Recipe
    patients: list[str]
    labels: np.ndarray | None

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.channels = [SEQUENCES.index(name) for name in recipe.channels]

    def __len__(self) -> int:
        return len(self.patients)


class Patients(Samples):
    """A sample a patient: whole crops.

    target: float32 (1,) for a classifier (HGG is 1); for a segmenter uint8 (1, slices, rows, columns), the whole
    tumour's share of each voxel in 255ths; empty where neither grades nor masks were asked for.
    """

    def __init__(
        self,
        patients: Sequence[str],
        recipe: Recipe,
        crops_folder: str | Path,
        grades: Sequence[str] | None = None,
        masks: bool = False,
    ) -> None:
        """`grades` "LGG"/"HGG" in the order of `patients`. Crops are read from `{crops_folder}/{patient}.npy`."""
        super().__init__(recipe)
        self.patients = list(patients)
        self.labels = None if grades is None else np.asarray(grades)
        self.images = [self._image(crop_files.load(crops_folder, patient)) for patient in patients]
        self.masks = [self._mask(crop_files.load_mask(crops_folder, name)) for name in patients] if masks else None

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.images[index]
        image = torch.from_numpy(image[self.channels] if self.recipe.input is None else image)
        if self.masks is not None:
            mask = np.asarray(self.masks[index])
            # At the crop's own size the file holds labels.
            return image, torch.from_numpy((mask > 0) * np.uint8(255) if self.recipe.input is None else mask)[None]
        if self.labels is not None:
            return image, torch.tensor([float(self.labels[index] == "HGG")])
        return image, torch.empty(0)

    def _image(self, crop: np.ndarray) -> np.ndarray:
        return crop if self.recipe.input is None else _fit(crop[self.channels], self.recipe.input)

    def _mask(self, labels: np.ndarray) -> np.ndarray:
        return labels if self.recipe.input is None else _fit((labels > 0) * np.uint8(255), self.recipe.input)


class Slices(Samples):
    """A sample an axial slice, of those that the recipe chooses.

    target: int64 (), the answer's number in `LABELS`; empty where no grades were given. With grades, slices that
    have no clear answer are left out, as they are in the conversations that a VLM is tuned with.
    places: (patient, slice) of each sample.
    """

    def __init__(
        self,
        patients: Sequence[str],
        recipe: Recipe,
        crops_folder: str | Path,
        grades: Sequence[str] | None = None,
    ) -> None:
        super().__init__(recipe)
        self.images, self._where, self.places, labels = [], [], [], []
        for number, patient in enumerate(patients):
            crop = crop_files.load(crops_folder, patient)
            mask = crop_files.load_mask(crops_folder, patient)
            chosen = slices.select(mask, "axial", recipe.slices, recipe.tumour_pixels, recipe.every)
            if grades is not None:
                answers = true_answers(mask, grades[number], recipe.tumour_pixels)[chosen]
                chosen, answers = chosen[answers != UNCLEAR], answers[answers != UNCLEAR]
                labels.append(answers)
            self.places += [(patient, int(index)) for index in chosen]
            if recipe.input is not None:
                crop, chosen = _fit(crop[self.channels][:, chosen], recipe.input), range(len(chosen))
            self.images.append(crop)
            self._where += [(number, int(index)) for index in chosen]
        self.patients = [patient for patient, _ in self.places]
        self.labels = None if grades is None else np.concatenate([np.empty(0, int), *labels])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        number, place = self._where[index]
        channels = self.channels if self.recipe.input is None else slice(None)
        image = torch.from_numpy(np.array(self.images[number][channels, place]))
        return image, torch.empty(0) if self.labels is None else torch.tensor(self.labels[index])


def labelled(recipe: Recipe, patients: Sequence[str], crops_folder: str | Path, grades: Sequence[str]) -> Samples:
    """What a network is trained and validated on."""
    if recipe.kind == "slices":
        return Slices(patients, recipe, crops_folder, grades)
    return Patients(patients, recipe, crops_folder, grades, masks=recipe.kind == "segmentation")


def true_answers(mask: np.ndarray, grade: str, tumour_pixels: int) -> np.ndarray:
    """What each axial slice of a label volume shows: (slices,) numbers in `LABELS`, or `UNCLEAR`."""
    areas = np.count_nonzero(mask, axis=(1, 2))
    shown = [areas >= tumour_pixels, areas == 0]
    return np.select(shown, [LABELS.index(grade), LABELS.index("no glioma")], UNCLEAR)


def epoch_order(labels: Sequence, oversample: bool, seed: int, epoch: int) -> np.ndarray:
    """Indices of the samples in the order of one epoch.

    With `oversample` every sample of the commonest label appears once and the others are repeated to the same number:
    each sample of a label equally often, up to one, which of them being drawn anew each epoch.
    """
    random = seeds.generator(seed, "order", epoch)
    labels = np.asarray(labels)
    groups = [random.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    if oversample:
        size = max(map(len, groups))
        groups = [np.resize(group, size) for group in groups]
    return random.permutation(np.concatenate(groups))


def ready(images: Tensor, targets: Tensor, normalisation: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """A batch as losses and networks want it: on the device, images normalised, shares of voxels from 0 to 1."""
    images = normalise(images.to(device, non_blocking=True), normalisation)
    targets = targets.to(device, non_blocking=True)
    return images, targets.float() / 255 if targets.dtype == torch.uint8 else targets


def resample(volume: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Average over the voxels under each output voxel: the last two or three axes, of any size, to `shape`.

    Averaging, unlike interpolation at points, does not alias when a crop shrinks fourfold.
    """
    axes = len(shape)
    pool: Any = F.adaptive_avg_pool2d if axes == 2 else F.adaptive_avg_pool3d
    return pool(volume.reshape(-1, 1, *volume.shape[-axes:]), shape).reshape(*volume.shape[:-axes], *shape)


def normalise(images: Tensor, how: str) -> Tensor:
    """uint8 (N, channels, ...) -> float32: / 255, or mean 0, SD 1 of each channel's non-zero voxels; background 0."""
    images = images.float()
    if how == "scale":
        return images / 255
    brain = images > 0
    axes = tuple(range(2, images.ndim))
    count = brain.sum(axes, keepdim=True).clamp(min=1)
    mean = images.sum(axes, keepdim=True) / count
    variance = (torch.where(brain, images - mean, 0.0) ** 2).sum(axes, keepdim=True) / count
    return torch.where(brain, (images - mean) / variance.sqrt().clamp(min=1e-6), 0.0)


def augment_batch(
    images: Tensor, targets: Tensor, how: Augmentation, seed: int, epoch: int, first: int
) -> tuple[Tensor, Tensor]:
    """`augment` on each sample of a batch whose first one is the `first` of its epoch.

    What is drawn depends on seed, epoch and position only. So a resumed training sees what an uninterrupted one would
    have seen, whatever the size of its batches and the number of loading workers.
    """
    if how == Augmentation():
        return images, targets
    pairs = [
        augment(image, target, how, seeds.generator(seed, "augmentation", epoch, first + place))
        for place, (image, target) in enumerate(zip(images, targets, strict=True))
    ]
    images, targets = zip(*pairs, strict=True)
    return torch.stack(images), torch.stack(targets)


def augment(image: Tensor, target: Tensor, how: Augmentation, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A randomly changed (image, target) of one sample; a mask moves with its image, a grade stays."""
    is_mask = target.ndim == image.ndim
    if random.random() < how.flip:
        image = image.flip(-1)
        target = target.flip(-1) if is_mask else target
    if how.intensity:
        factors = random.uniform(1 - how.intensity, 1 + how.intensity, (len(image), *[1] * (image.ndim - 1)))
        image = image * torch.from_numpy(factors.astype(np.float32)).to(image.device)
    if how.shift:
        steps = random.integers(-how.shift, how.shift, image.ndim - 1, endpoint=True)
        image = shifted(image, steps)
        target = shifted(target, steps) if is_mask else target
    return image, target


def shifted(volume: Tensor, steps: Sequence[int] | np.ndarray) -> Tensor:
    """`volume` moved by whole voxels along its last axes, one a step, zeros moving in."""
    # A negative width crops: adding at one end what is cut at the other moves the content.
    return F.pad(volume, [width for step in reversed([int(s) for s in steps]) for width in (step, -step)])


def _fit(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A uint8 volume (or slices) averaged to a smaller shape, and rounded to bytes again."""
    return resample(torch.from_numpy(np.asarray(volume, np.float32)), shape).round().byte().numpy()
