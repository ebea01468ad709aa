"""Predictions of a network's folds: each patient by the models that have not seen it.

A development patient's out-of-fold prediction comes from the one model that validated on it; a test patient's is the
mean probability of all folds' models.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

from glioma import crops, volumes
from glioma.cnn import device as devices
from glioma.cnn import networks
from glioma.cnn.data import Patients
from glioma.cnn.recipe import Recipe
from glioma.errors import UserError
from glioma.files import atomic_path, read_json

ENSEMBLE = -1


def load_network(recipe: Recipe, weights: str | Path, shape: tuple[int, int, int]) -> nn.Module:
    """The recipe's network with weights from a safetensors file, in evaluation mode."""
    network = networks.build(recipe, shape)
    try:
        network.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{weights}: does not fit {recipe.architecture} ({reason}); delete it to train anew") from None
    return network.eval()


@torch.inference_mode()
def probabilities(
    network: nn.Module, patients: Patients, batch_size: int, device: torch.device, workers: int = 0
) -> Iterator[Tensor]:
    """The probability (1,) or probability map (1, slices, rows, columns) of each patient in turn, float32 on the CPU.

    A batch that does not fit in GPU memory is halved until it does.
    """
    network = network.to(device, memory_format=torch.channels_last_3d)
    for images, _ in DataLoader(patients, batch_size, num_workers=workers):
        pending = list(images.split(batch_size))
        while pending:
            try:
                output = network(pending[0].to(device, memory_format=torch.channels_last_3d))
            except torch.OutOfMemoryError:
                batch_size = len(pending[0]) // 2
                if not batch_size:
                    raise UserError(
                        "one patient does not fit in GPU memory; set the network's `input` smaller"
                    ) from None
                print(f"out of GPU memory: {batch_size} patients at once from here on")
                pending = [part for batch in pending for part in batch.split(batch_size)]
                continue
            pending.pop(0)
            yield from output.float().sigmoid().cpu()


def predict_classifier(
    entry: Mapping[str, Any],
    weights: Sequence[str | Path],
    folds: pd.DataFrame,
    crops_folder: str | Path,
    crop_shape: tuple[int, int, int] = (95, 128, 128),
    workers: int = 0,
) -> pd.DataFrame:
    """HGG probability of every patient: columns patient, cohort, fold, probability.

    weights: one file a fold, in the order of the folds. folds: columns patient, split, fold.
    cohort: "validation" (out of fold, one row a development patient), "train" (one row for each other fold),
    "test" (mean of all folds, fold -1), "test_fold" (each fold's own).
    """
    recipe = Recipe.read(entry)
    check_folds(weights, folds)
    patients = Patients(folds["patient"].tolist(), recipe, crops_folder)
    device = devices.choose()
    parts = []
    for fold, file in enumerate(tqdm(weights, unit="fold", ascii=True)):
        network = load_network(recipe, file, recipe.shape(crop_shape))
        values = [float(p) for p in probabilities(network, patients, recipe.batch_size, device, workers)]
        cohort = np.select([folds["split"] == "test", folds["fold"] == fold], ["test_fold", "validation"], "train")
        parts.append(pd.DataFrame({"patient": folds["patient"], "cohort": cohort, "fold": fold, "probability": values}))
    table = pd.concat(parts)
    test = table[table["cohort"] == "test_fold"].groupby("patient", sort=False, as_index=False)["probability"].mean()
    table = pd.concat([table, test.assign(cohort="test", fold=ENSEMBLE)], ignore_index=True)
    return table.sort_values(["cohort", "fold", "patient"], ignore_index=True)


def predict_segmenter(
    entry: Mapping[str, Any],
    weights: Sequence[str | Path],
    folds: pd.DataFrame,
    crops_folder: str | Path,
    masks_folder: str | Path,
    scans_folder: str | Path | None = None,
    crop_shape: tuple[int, int, int] = (95, 128, 128),
    workers: int = 0,
) -> pd.DataFrame:
    """Write each patient's whole-tumour mask; returns columns patient, cohort, fold, voxels.

    `{masks_folder}/{patient}.npy`: bool (slices, rows, columns) on the crop's grid. With `scans_folder` also
    `{scans_folder}/{patient}.nii.gz`: uint8 0/1 in the voxels of the patient's scan. cohort: "validation" (out of fold)
    or "test" (mean probability of all folds, fold -1).
    """
    recipe = Recipe.read(entry)
    check_folds(weights, folds)
    device = devices.choose()
    shape = recipe.shape(crop_shape)
    test = folds.loc[folds["split"] == "test", "patient"].tolist()
    test_crops = Patients(test, recipe, crops_folder)
    # Sums over folds stay on the network's grid: a test set of 55 at full size takes 340 MB.
    total = torch.zeros(len(test), *shape)
    rows = []

    def write(patient: str, cohort: str, fold: int, probability: Tensor) -> None:
        mask = to_mask(probability, recipe.threshold, crop_shape)
        write_mask(mask, patient, crops_folder, masks_folder, scans_folder)
        rows.append({"patient": patient, "cohort": cohort, "fold": fold, "voxels": int(mask.sum())})

    for fold, file in enumerate(tqdm(weights, unit="fold", ascii=True)):
        network = load_network(recipe, file, shape)
        unseen = folds.loc[(folds["split"] == "development") & (folds["fold"] == fold), "patient"].tolist()
        size = recipe.micro_batch or recipe.batch_size
        unseen_crops = Patients(unseen, recipe, crops_folder)
        for patient, map_ in zip(unseen, probabilities(network, unseen_crops, size, device, workers), strict=True):
            write(patient, "validation", fold, map_[0])
        for index, map_ in enumerate(probabilities(network, test_crops, size, device, workers)):
            total[index] += map_[0]
    for patient, probability in zip(test, total / len(weights), strict=True):
        write(patient, "test", ENSEMBLE, probability)
    return pd.DataFrame(rows, columns=["patient", "cohort", "fold", "voxels"])


def to_mask(probability: Tensor, threshold: float, crop_shape: tuple[int, int, int]) -> np.ndarray:
    """A probability map on the network's grid as a bool mask on the crop's: trilinear, then the threshold.

    Interpolating before the threshold keeps outlines smooth. Voxel centres of both grids are aligned as `resample`
    averages them (align_corners=False).
    """
    if tuple(probability.shape) != tuple(crop_shape):
        probability = F.interpolate(probability[None, None], tuple(crop_shape), mode="trilinear")[0, 0]
    return (probability > threshold).numpy()


def write_mask(
    mask: np.ndarray,
    patient: str,
    crops_folder: str | Path,
    masks_folder: str | Path,
    scans_folder: str | Path | None = None,
) -> None:
    """One mask as npy on the crop's grid and, with `scans_folder`, as NIfTI in the scan's."""
    with atomic_path(Path(masks_folder) / f"{patient}.npy") as temporary:
        np.save(temporary, mask)
    if scans_folder is not None:
        scan, affine = crops.mask_to_scan(mask, read_json(Path(crops_folder) / f"{patient}.json"))
        volumes.write(scan, affine, Path(scans_folder) / f"{patient}.nii.gz")


def check_folds(weights: Sequence[str | Path], folds: pd.DataFrame) -> None:
    """Every development patient must have exactly one model that has not seen it."""
    found = set(folds.loc[folds["split"] == "development", "fold"])
    if found != set(range(len(weights))):
        raise UserError(
            f"folds table has folds {sorted(found)} but there are {len(weights)} weight files; "
            "give one a fold, in the order of the folds"
        )
    if folds["patient"].duplicated().any():
        raise UserError(f"folds table lists {folds['patient'][folds['patient'].duplicated()].iloc[0]} twice; mend it")
