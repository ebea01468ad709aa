"""Predictions of a network's folds: each patient by the models that have not seen it.

A development patient's out-of-fold prediction comes from the one model that validated on it; a test patient's is the
mean probability of all folds' models. What one fold's model says of the patients that it was trained on, and of the
test set by itself, is kept apart: published scores of CNNs are of one model.
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
from tqdm import tqdm

from glioma.base.answers import COLUMNS, LABELS
from glioma.base.errors import UserError
from glioma.base.files import atomic_path
from glioma.cnn import device as devices
from glioma.cnn import networks
from glioma.cnn.data import Patients, Samples, Slices, normalise
from glioma.cnn.recipe import Recipe
from glioma.cnn.schedule import predicted
from glioma.cnn.validation import p_hgg
from glioma.cohort import crop_files, crops, nifti

ENSEMBLE = -1


def load_network(recipe: Recipe, weights: str | Path, shape: tuple[int, ...]) -> nn.Module:
    """The recipe's network with weights from a safetensors file, in evaluation mode."""
    network = networks.build(recipe, shape, check=False)
    try:
        network.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{weights}: does not fit {recipe.architecture} ({reason}); delete it to train anew") from None
    return network.eval()


@torch.inference_mode()
def probabilities(network: nn.Module, samples: Samples, device: torch.device, workers: int = 0) -> Iterator[Tensor]:
    """What the network says of each sample in turn, on the CPU.

    Float32 probability (1,) of HGG, or map of tumour (1, slices, rows, columns); on slices, float64 probabilities (3,)
    of the answers. A batch that does not fit in GPU memory is halved until it does.
    """
    recipe = samples.recipe
    network = devices.place(network, device)
    at_once = recipe.at_once
    for images, _ in devices.loader(samples, at_once, device, workers):
        pending = list(images.split(at_once))
        while pending:
            try:
                batch = normalise(pending[0].to(device, non_blocking=True), recipe.normalisation)
                output = network(devices.arrange(batch))
            except torch.OutOfMemoryError:
                at_once = len(pending[0]) // 2
                if not at_once:
                    raise UserError(
                        "one sample does not fit in GPU memory; set the network's `input` smaller"
                    ) from None
                print(f"out of GPU memory: {at_once} samples at once from here on")
                pending = [part for batch in pending for part in batch.split(at_once)]
                continue
            pending.pop(0)
            # In float64 no answer's probability rounds to nothing.
            yield from (output.double().softmax(1) if recipe.kind == "slices" else output.float().sigmoid()).cpu()


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
    device = devices.choose()
    # Each model predicts the same patients.
    patients = Patients(predicted(recipe.kind, folds, 0)["everyone"], recipe, crops_folder)
    parts = []
    for fold, file in enumerate(tqdm(weights, unit="fold", ascii=True)):
        network = load_network(recipe, file, recipe.shape(crop_shape))
        values = [float(p) for p in probabilities(network, patients, device, workers)]
        cohort = np.select([folds["split"] == "test", folds["fold"] == fold], ["test_fold", "validation"], "train")
        parts.append(pd.DataFrame({"patient": folds["patient"], "cohort": cohort, "fold": fold, "probability": values}))
    table = pd.concat(parts)
    test = table[table["cohort"] == "test_fold"].groupby("patient", sort=False, as_index=False)["probability"].mean()
    table = pd.concat([table, test.assign(cohort="test", fold=ENSEMBLE)], ignore_index=True)
    return table.sort_values(["cohort", "fold", "patient"], ignore_index=True)


def predict_slices(
    entry: Mapping[str, Any],
    weights: Sequence[str | Path],
    folds: pd.DataFrame,
    crops_folder: str | Path,
    crop_shape: tuple[int, int, int] = (95, 128, 128),
    workers: int = 0,
) -> pd.DataFrame:
    """A slice network's answers as a table of `base.answers.COLUMNS`, to be voted on and scored as those of a VLM.

    One row a slice, patients in the order of `folds`: a development patient's by the model that validated on it, a test
    patient's from the mean probabilities of all. choice: the most probable answer. p_hgg: p(HGG) / (p(LGG) + p(HGG)).
    """
    recipe = Recipe.read(entry)
    check_folds(weights, folds)
    device = devices.choose()
    asked = [predicted(recipe.kind, folds, fold) for fold in range(len(weights))]
    test = Slices(asked[0]["test"], recipe, crops_folder)
    total, parts = torch.zeros(len(test), len(LABELS), dtype=torch.float64), []
    for fold, file in enumerate(tqdm(weights, unit="fold", ascii=True)):
        network = load_network(recipe, file, recipe.shape(crop_shape))
        own = Slices(asked[fold]["validation"], recipe, crops_folder)
        parts.append(_answers(own, _of_slices(network, own, device, workers)))
        total += _of_slices(network, test, device, workers)
    table = pd.concat([*parts, _answers(test, total / len(weights))], ignore_index=True)
    order = {patient: number for number, patient in enumerate(folds["patient"])}
    table = table.sort_values(
        ["patient", "slice"], key=lambda keys: keys.map(order) if keys.name == "patient" else keys
    )
    return table.reset_index(drop=True)


def _of_slices(network: nn.Module, samples: Slices, device: torch.device, workers: int) -> Tensor:
    """Probabilities (N, 3) of the answers for all slices, of which there may be none."""
    rows = list(probabilities(network, samples, device, workers))
    return torch.stack(rows) if rows else torch.zeros(0, len(LABELS), dtype=torch.float64)


def _answers(samples: Slices, probabilities: Tensor) -> pd.DataFrame:
    """The rows of an answers table from the probabilities (N, 3) of its slices."""
    table = pd.DataFrame(samples.places, columns=["patient", "slice"]).assign(
        orientation="axial",
        repeat=0,
        status="ok",
        choice=pd.array(probabilities.argmax(1).tolist(), dtype="Int64"),
        points=pd.array([None] * len(samples), dtype="string"),
        p_hgg=p_hgg(probabilities).numpy(),
        # Nothing that its answers could differ from.
        likeliest=pd.array([None] * len(samples), dtype="Int64"),
        text_length=0,
    )
    return table[list(COLUMNS)]


def predict_segmenter(
    entry: Mapping[str, Any],
    weights: Sequence[str | Path],
    folds: pd.DataFrame,
    crops_folder: str | Path,
    masks_folder: str | Path,
    scans_folder: str | Path | None = None,
    single_folder: str | Path | None = None,
    published: int | None = None,
    crop_shape: tuple[int, int, int] = (95, 128, 128),
    workers: int = 0,
) -> pd.DataFrame:
    """Write each patient's whole-tumour mask; returns columns patient, cohort, fold, voxels.

    `{masks_folder}/{patient}.npy`: bool (slices, rows, columns) on the crop's grid. With `scans_folder` also
    `{scans_folder}/{patient}.nii.gz`: uint8 0/1 in the voxels of the patient's scan. cohort: "validation" (out of fold)
    or "test" (mean probability of all folds, fold -1).

    With `single_folder` also `{single_folder}/{patient}.npy` of the patients that the model of the `published` fold was
    trained on, cohort "train", and of the test patients by that model alone, cohort "test_fold".
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
        if recipe.within_brain:
            mask &= crop_files.load(crops_folder, patient).any(axis=0)
        if cohort in ("train", "test_fold"):
            save_mask(mask, patient, single_folder)
        else:
            write_mask(mask, patient, crops_folder, masks_folder, scans_folder)
        rows.append({"patient": patient, "cohort": cohort, "fold": fold, "voxels": int(mask.sum())})

    for fold, file in enumerate(tqdm(weights, unit="fold", ascii=True)):
        network = load_network(recipe, file, shape)
        single = single_folder is not None and fold == published
        asked = predicted(recipe.kind, folds, fold, published if single else None)
        for cohort in [name for name in asked if name != "test"]:
            patients = asked[cohort]
            maps = probabilities(network, Patients(patients, recipe, crops_folder), device, workers)
            for patient, map_ in zip(patients, maps, strict=True):
                write(patient, cohort, fold, map_[0])
        for index, map_ in enumerate(probabilities(network, test_crops, device, workers)):
            total[index] += map_[0]
            if single:
                write(test[index], "test_fold", fold, map_[0])
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
    save_mask(mask, patient, masks_folder)
    if scans_folder is not None:
        scan, affine = crops.mask_to_scan(mask, crop_files.load_geometry(crops_folder, patient))
        nifti.write(scan, affine, Path(scans_folder) / f"{patient}.nii.gz")


def save_mask(mask: np.ndarray, patient: str, folder: str | Path) -> None:
    with atomic_path(Path(folder) / f"{patient}.npy") as temporary:
        np.save(temporary, mask)


def check_folds(weights: Sequence[str | Path], folds: pd.DataFrame) -> None:
    """Every development patient must have exactly one model that has not seen it."""
    found = set(folds.loc[folds["split"] == "development", "fold"])
    if found != set(range(len(weights))):
        raise UserError(
            f"folds table has folds {sorted(found)} but there are {len(weights)} weight files; "
            "give one a fold, in the order of the folds"
        )
    if folds["patient"].duplicated().any():
        raise UserError(
            f"folds table lists {folds['patient'][folds['patient'].duplicated()].iloc[0]} twice; keep one of them"
        )
