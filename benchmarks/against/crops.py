"""Scans to crops: this workflow, MONAI's transforms, and nothing but unpacking the files."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
from monai import transforms

from against.pairs import Pair, compare
from glioma.cohort import crops
from glioma.demo import phantom
from glioma.demo.phantom import template

SHAPE = (95, 128, 128)
SEQUENCES = ("flair", "t1", "t1ce", "t2")
FILES = dict(zip((*SEQUENCES, "mask"), ("_flair", "_t1", "_t1ce", "_t2", "_seg"), strict=True))
LABELS = {1: "necrosis", 2: "oedema", 4: "enhancing"}


def scans(folder: Path, count: int = 2) -> list[dict[str, str]]:
    """Phantom patients of 240 x 240 x 155 voxels, as BraTS packs them: paths of their five files."""
    prepared = template.prepare()
    found = []
    for number in range(count):
        patient = f"phantom-{number + 1:03d}"
        phantom.write_patient(folder / patient, patient, "HGG", 2020, prepared)
        found.append({name: str(folder / patient / f"{patient}{end}.nii.gz") for name, end in FILES.items()})
    return found


def monais(voxel: float) -> Callable[[dict], dict]:
    """The same steps of MONAI's own: the brain's box, isotropic voxels, percentiles of the brain, bytes."""

    def grey(image: np.ndarray) -> np.ndarray:
        inside = image[image > 0]
        low, high = np.percentile(inside, (0.5, 99.5))
        scaled = np.clip((image - low) * (254 / (high - low)) + 1, 1, 255)
        return np.where(image > 0, scaled, 0)

    keys = [*SEQUENCES, "mask"]
    modes = ["bilinear"] * len(SEQUENCES) + ["nearest"]
    return transforms.Compose(
        [
            transforms.LoadImaged(keys, ensure_channel_first=True),
            transforms.Orientationd(keys, "SPL", labels=None),
            transforms.CropForegroundd(keys, source_key="flair"),
            transforms.Lambdad(SEQUENCES, lambda image: image.__class__(grey(image.numpy()), meta=image.meta)),
            transforms.Spacingd(keys, (voxel,) * 3, mode=modes, padding_mode="zeros"),
            transforms.ResizeWithPadOrCropd(keys, SHAPE),
            transforms.CastToTyped(keys, np.uint8),
        ]
    )


def alike(ours: list[crops.Crop], theirs: list[dict]) -> str:
    """The crops differ by where the brain's box is taken to begin, by less than a voxel."""
    dices, greys = [], []
    for crop, other in zip(ours, theirs, strict=True):
        one, two = crop.mask > 0, np.asarray(other["mask"][0]) > 0
        dices.append(2 * np.count_nonzero(one & two) / (one.sum() + two.sum()))
        image = np.concatenate([np.asarray(other[name]) for name in SEQUENCES]).astype(float)
        greys.append(np.corrcoef(image.ravel(), crop.image.ravel())[0, 1])
    if min(dices) < 0.85 or min(greys) < 0.95:
        raise AssertionError(f"the crops differ: Dice {min(dices):.3f}, correlation {min(greys):.3f}")
    return f"masks, Dice {min(dices):.2f}; grey values, r {min(greys):.3f}"


def pairs(folder: Path, rounds: int) -> list[Pair]:
    patients = scans(folder)

    def ours() -> list[crops.Crop]:
        return [crops.make("patient", paths, "brain", SHAPE, LABELS) for paths in patients]

    def unpacked() -> list[bytes]:
        contents = []
        for paths in patients:
            for path in paths.values():
                with gzip.open(path) as stream:
                    contents.append(stream.read())
        return contents

    voxels = [crop.geometry["spacing"][0] for crop in ours()]
    pipelines = [monais(voxel) for voxel in voxels]

    def theirs() -> list[dict]:
        return [pipeline(dict(paths)) for pipeline, paths in zip(pipelines, patients, strict=True)]

    work = f"{len(patients)} phantom patients, 5 files of 240 x 240 x 155"
    return [
        compare("scan to crop", work, ours, "MONAI transforms", theirs, alike, rounds),
        compare("scan to crop", work, ours, "gzip unpacking alone", unpacked, lambda *_: "files", rounds),
    ]
