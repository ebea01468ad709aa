"""Crops from disk to what a network sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from glioma import crops, seeds
from glioma.cnn.recipe import Augmentation, Recipe
from glioma.errors import UserError


class Patients(Dataset):
    """(image, target) of each patient, without augmentation.

    image: float32 (channels, slices, rows, columns), normalised. target: float32 of shape (1,) for a classifier (HGG is
    1), (1, slices, rows, columns) for a segmenter (whole tumour; after resampling, the tumour's share of each voxel),
    and empty if neither grades nor `masks` are asked for.

    A crop resampled to a smaller input is computed once and kept, as bytes like the crop itself; at the crop's own size
    the files stay memory-mapped and are read when needed.
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
        self.recipe = recipe
        self.channels = [crops.SEQUENCES.index(name) for name in recipe.channels]
        self.images = [self._fit(_load(crops.load, crops_folder, patient)) for patient in patients]
        self.masks = (
            [self._fit(_load(crops.load_mask, crops_folder, patient), label=True) for patient in patients]
            if masks
            else None
        )
        self.grades = None if grades is None else np.array([float(grade == "HGG") for grade in grades], np.float32)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = normalise(torch.from_numpy(self.images[index][self.channels]), self.recipe.normalisation)
        if self.masks is not None:
            mask = torch.from_numpy(np.array(self.masks[index]))[None]
            # Resampled masks are shares in 255ths; masks as cropped are labels.
            return image, mask / 255 if self.recipe.input else (mask > 0).float()
        return image, torch.from_numpy(self.grades[index : index + 1]) if self.grades is not None else torch.empty(0)

    def _fit(self, crop: np.ndarray, label: bool = False) -> np.ndarray:
        if self.recipe.input is None:
            return crop
        values = torch.from_numpy((crop > 0) * np.float32(255) if label else np.asarray(crop, np.float32))
        return resample(values, self.recipe.input).round().byte().numpy()


@dataclass
class Epoch(Dataset):
    """One epoch over training patients: a fixed order, and augmentation that depends on seed, epoch and position only.

    So a resumed training sees what an uninterrupted one would have seen, whatever the number of loading workers.
    """

    patients: Patients
    order: np.ndarray
    augmentation: Augmentation
    seed: int
    number: int

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        image, target = self.patients[int(self.order[position])]
        random = seeds.generator(self.seed, "augmentation", self.number, position)
        return augment(image, target, self.augmentation, random)


def epoch_order(grades: Sequence[str], oversample: bool, seed: int, epoch: int) -> np.ndarray:
    """Indices of the patients in the order of one epoch.

    With `oversample` every patient of the commoner grade appears once and the rarer grade is repeated to the same
    number: each of its patients equally often, up to one, which of them being drawn anew each epoch.
    """
    random = seeds.generator(seed, "order", epoch)
    grades = np.asarray(grades)
    groups = [random.permutation(np.flatnonzero(grades == grade)) for grade in np.unique(grades)]
    if oversample:
        size = max(map(len, groups))
        groups = [np.resize(group, size) for group in groups]
    return random.permutation(np.concatenate(groups))


def resample(volume: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Average over the voxels under each output voxel; (..., slices, rows, columns) of any size to `shape`.

    Averaging, unlike interpolation at points, does not alias when a crop shrinks fourfold.
    """
    flat = volume.reshape(-1, 1, *volume.shape[-3:])
    return F.adaptive_avg_pool3d(flat, shape).reshape(*volume.shape[:-3], *shape)


def normalise(image: Tensor, how: str) -> Tensor:
    """uint8 (channels, ...) -> float32: / 255, or mean 0 and SD 1 of each channel's non-zero voxels; background 0."""
    image = image.float()
    if how == "scale":
        return image / 255
    brain = image > 0
    axes = (-3, -2, -1)
    count = brain.sum(axes, keepdim=True).clamp(min=1)
    mean = image.sum(axes, keepdim=True) / count
    variance = (torch.where(brain, image - mean, 0.0) ** 2).sum(axes, keepdim=True) / count
    return torch.where(brain, (image - mean) / variance.sqrt().clamp(min=1e-6), 0.0)


def augment(image: Tensor, target: Tensor, how: Augmentation, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A randomly changed (image, target); a mask moves with its image, a grade stays."""
    is_mask = target.ndim == image.ndim
    if random.random() < how.flip:
        image = image.flip(-1)
        target = target.flip(-1) if is_mask else target
    if how.intensity:
        factors = random.uniform(1 - how.intensity, 1 + how.intensity, (len(image), 1, 1, 1))
        image = image * torch.from_numpy(factors.astype(np.float32))
    if how.shift:
        steps = random.integers(-how.shift, how.shift, 3, endpoint=True)
        image = shifted(image, steps)
        target = shifted(target, steps) if is_mask else target
    return image, target


def shifted(volume: Tensor, steps: Sequence[int]) -> Tensor:
    """`volume` moved by whole voxels along its last three axes, zeros moving in."""
    # A negative width crops: adding at one end what is cut at the other moves the content.
    return F.pad(volume, [width for step in reversed([int(s) for s in steps]) for width in (step, -step)])


def _load(load, folder: str | Path, patient: str) -> np.ndarray:
    try:
        return load(folder, patient)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: crop of {patient} cannot be read ({error}); make it again") from None
