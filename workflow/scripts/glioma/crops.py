"""Scan -> crop and back: the one grid on which both arms see a patient.

A crop is uint8 (sequence, slice, row, column), 0 where there is no brain. Two ways to choose its place:

- `brain`: the box of the brain, resampled to isotropic voxels so that it fills the crop. Uses no truth.
- `tumour`: as published, the scan's own voxels around the middle of the true mask. It tells every reader where to look.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from glioma import volumes
from glioma.errors import UserError
from glioma.files import atomic_path, read_json, write_json

SEQUENCES = ("flair", "t1", "t1ce", "t2")
# Intensities between these percentiles of the brain become 1..255: single bright voxels must not set the scale.
PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Crop:
    """`image` uint8 (4, slice, row, column), `mask` uint8 labels (slice, row, column), `geometry` as in its JSON."""

    image: np.ndarray
    mask: np.ndarray
    geometry: dict


def make(patient: str, paths: dict[str, str], mode: str, shape: tuple[int, int, int]) -> Crop:
    """The crop of one patient from its five NIfTI files (`SEQUENCES` and `mask`)."""
    disk_shape, affine = volumes.read_header(paths["flair"])
    scans = {}
    for name in (*SEQUENCES, "mask"):
        its_shape, its_affine = volumes.read_header(paths[name])
        if its_shape != disk_shape or not np.allclose(its_affine, affine, atol=1e-3):
            raise UserError(
                f"{paths[name]}: shape {its_shape} or affine differs from {paths['flair']}; "
                f"co-register the scans of {patient} to one grid"
            )
        scans[name], to_disk, _ = volumes.read(paths[name])
    labels = _labels(scans.pop("mask"), paths["mask"])
    brain = np.logical_or.reduce([scan != 0 for scan in scans.values()])
    if not brain.any():
        raise UserError(f"{paths['flair']}: every voxel of {patient} is zero; copy the scans again")
    spacing = np.linalg.norm((affine @ to_disk)[:3, :3], axis=0)
    to_scan = _place(brain if mode == "brain" else labels > 0, mode, shape, spacing, patient)
    image = np.stack([_to_bytes(_sample(_scaled(scans[name], brain), to_scan, shape, 1)) for name in SEQUENCES])
    # Interpolation must not smear the head into the background: outside the brain stays exactly zero.
    image[:, ~_sample(brain, to_scan, shape, 0).astype(bool)] = 0
    mask = _sample(labels, to_scan, shape, 0).astype(np.uint8)
    to_voxel = to_disk @ to_scan
    geometry = {
        "patient": patient,
        "mode": mode,
        "sequences": list(SEQUENCES),
        "spacing": [float(mm) for mm in spacing * np.diag(to_scan)[:3]],
        "to_voxel": to_voxel.tolist(),
        "scan_shape": list(disk_shape),
        "scan_affine": affine.tolist(),
        "tumour_voxels_in_scan": int((labels > 0).sum()),
        "tumour_share_in_crop": _share_inside(labels > 0, to_scan, shape),
    }
    return Crop(image, mask, geometry)


def mask_to_scan(mask: np.ndarray, geometry: dict) -> tuple[np.ndarray, np.ndarray]:
    """A crop's mask (slice, row, column) in the scan's own voxels: uint8 `scan_shape`, and the scan's affine.

    Nearest neighbour, as the way in; scan voxels outside the crop are 0.
    """
    to_crop = np.linalg.inv(np.asarray(geometry["to_voxel"]))
    scan = ndimage.affine_transform(
        mask.astype(np.uint8), to_crop[:3, :3], to_crop[:3, 3], tuple(geometry["scan_shape"]), order=0, cval=0
    )
    return scan, np.asarray(geometry["scan_affine"])


def load(folder: str | Path, patient: str) -> np.ndarray:
    """The memory-mapped crop of a patient, uint8 (4, slice, row, column)."""
    return np.load(Path(folder) / f"{patient}.npy", mmap_mode="r")


def load_mask(folder: str | Path, patient: str) -> np.ndarray:
    """The memory-mapped labels of a patient's crop, uint8 (slice, row, column)."""
    return np.load(Path(folder) / f"{patient}.mask.npy", mmap_mode="r")


def _labels(mask: np.ndarray, path: str) -> np.ndarray:
    rounded = np.rint(mask).astype(np.int64)
    if not np.allclose(mask, rounded) or rounded.min() < 0 or rounded.max() > 255:
        raise UserError(f"{path}: a mask holds whole labels from 0 to 255; this one does not")
    return rounded.astype(np.uint8)


def _place(region: np.ndarray, mode: str, shape: tuple, spacing: np.ndarray, patient: str) -> np.ndarray:
    """The affine (4, 4) from crop index to scan index, both (slice, row, column)."""
    found = ndimage.find_objects(region.astype(np.uint8))
    if not found:
        raise UserError(f"{patient}: the mask is empty, so crops.mode: tumour has no centre; exclude it or use brain")
    low = np.array([side.start for side in found[0]], dtype=float)
    high = np.array([side.stop for side in found[0]], dtype=float)
    place = np.eye(4)
    if mode == "tumour":
        # The scan's own voxels: whole steps, and back again without loss.
        place[:3, 3] = np.floor((low + high) / 2) - np.array(shape) // 2
        return place
    # One isotropic voxel size, the smallest in which the whole brain fits: shapes keep their proportions.
    voxel = max(1e-6, float(np.max((high - low) * spacing / np.array(shape))))
    scale = voxel / spacing
    place[:3, :3] = np.diag(scale)
    # Indices are voxel centres, so the middle of n voxels is at (n - 1) / 2.
    place[:3, 3] = (low + high - 1) / 2 - scale * (np.array(shape) - 1) / 2
    return place


def _sample(volume: np.ndarray, place: np.ndarray, shape: tuple, order: int) -> np.ndarray:
    scale, offset = np.diag(place)[:3], place[:3, 3]
    volume = volume.astype(np.float32 if order else np.uint8)
    # A 1-D scale lets scipy take its separable path.
    return ndimage.affine_transform(volume, scale, offset, shape, order=order, mode="constant", cval=0)


def _scaled(scan: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Intensities as 1..255 within the brain, 0 outside, float32."""
    low, high = np.percentile(scan[brain], PERCENTILES)
    scaled = (scan.astype(np.float32) - low) * (254 / max(float(high - low), 1e-6)) + 1
    return np.where(brain, np.clip(scaled, 1, 255), 0).astype(np.float32)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def _share_inside(tumour: np.ndarray, place: np.ndarray, shape: tuple) -> float | None:
    """Share of the scan's tumour voxels that the crop holds; None without a tumour."""
    points = np.argwhere(tumour)
    if not len(points):
        return None
    index = (points - place[:3, 3]) / np.diag(place)[:3]
    return float(np.mean(np.all((index > -0.5) & (index < np.array(shape) - 0.5), axis=1)))


def save(crop: Crop, image: str | Path, mask: str | Path, geometry: str | Path) -> None:
    """Write a crop as two `.npy` files, which a reader maps into memory, and its geometry as JSON."""
    for array, path in ((crop.image, image), (crop.mask, mask)):
        with atomic_path(path) as temporary:
            np.save(temporary, array)
    write_json(crop.geometry, geometry)


def table(folder: str | Path, patients: Iterable[str]) -> pd.DataFrame:
    """A row a patient: patient, mode, voxel_mm (along the slice axis), tumour_share_in_crop, tumour_voxels, sha256."""
    rows = []
    for patient in patients:
        geometry = read_json(Path(folder) / f"{patient}.json")
        content = hashlib.sha256()
        for suffix in (".npy", ".mask.npy", ".json"):
            content.update((Path(folder) / f"{patient}{suffix}").read_bytes())
        rows.append(
            {
                "patient": patient,
                "mode": geometry["mode"],
                "voxel_mm": round(geometry["spacing"][0], 4),
                "tumour_share_in_crop": geometry["tumour_share_in_crop"],
                "tumour_voxels": int(np.count_nonzero(load_mask(folder, patient))),
                "sha256": content.hexdigest(),
            }
        )
    return pd.DataFrame(rows)
