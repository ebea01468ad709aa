"""Scan -> crop and back: the one grid on which both arms see a patient.

A crop is uint8 (sequence, slice, row, column), 0 where there is no brain. Two ways to choose its place:

- `brain`: the box of the brain, resampled to isotropic voxels so that it fills the crop. Uses no truth.
- `tumour`: as published, the scan's own voxels around the middle of the true mask. It tells every method where to look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from glioma.base.errors import UserError
from glioma.base.files import atomic_path, write_json
from glioma.cohort import crop_files, nifti, voxels
from glioma.cohort.labels import canonical
from glioma.cohort.sequences import SEQUENCES

# Cutting one crop takes as long as importing pandas: only the table of all crops does.
if TYPE_CHECKING:
    import pandas as pd

# Intensities between these percentiles of the brain become 1..255: single bright voxels must not set the scale.
PERCENTILES = (0.5, 99.5)
MOST_VALUES = 100_000
"""Whole numbers that a scan's intensities range over, up to which they are counted."""


@dataclass(frozen=True)
class Crop:
    """`image` uint8 (4, slice, row, column), `mask` uint8 (slice, row, column) of `labels.CODES`, and the geometry."""

    image: np.ndarray
    mask: np.ndarray
    geometry: dict


def make(
    patient: str, paths: Mapping[str, str], mode: str, shape: tuple[int, int, int], labels: Mapping[int, str]
) -> Crop:
    """The crop of one patient from its five NIfTI files (`SEQUENCES` and `mask`).

    `labels` says what the values of the mask mean (`labels.read`); the mask of the crop holds `labels.CODES`.
    """
    scans = {}
    for name in (*SEQUENCES, "mask"):
        scans[name], to_disk, its_grid = nifti.read(paths[name])
        grid = its_grid if name == SEQUENCES[0] else grid
        if not nifti.same_grid(its_grid, grid):
            raise UserError(
                f"{paths[name]}: shape {its_grid[0]} or affine differs from {paths['flair']}; "
                f"co-register the scans of {patient} to one grid"
            )
    disk_shape, affine = grid
    mask = canonical(scans.pop("mask"), labels, paths["mask"])
    brain = np.logical_or.reduce([scan != 0 for scan in scans.values()])
    box = _box(brain)
    if box is None:
        raise UserError(f"{paths['flair']}: every voxel of {patient} is zero; copy the scans again")
    tumour = mask > 0
    region = box if mode == "brain" else _box(tumour)
    if region is None:
        raise UserError(f"{patient}: the mask is empty, so crops.mode: tumour has no centre; exclude it or use brain")
    spacing = np.linalg.norm((affine @ to_disk)[:3, :3], axis=0)
    # The workflow's start sees a sample of the voxels (`index.check`), this sees all.
    for name, scan in scans.items():
        voxels.check_background([scan[index] for index in (0, len(scan) // 2, -1)], paths[name])
    voxels.check_extent(int(np.count_nonzero(brain)), spacing, paths["flair"])
    to_scan = _place(*region, mode, shape, spacing)
    # All that is not zero lies in the brain's box. A rim of zeros around it is what interpolation reaches into.
    low, high = np.maximum(box[0] - 1, 0), box[1] + 1
    inside = tuple(slice(*side) for side in zip(low, high, strict=True))
    to_box = to_scan.copy()
    to_box[:3, 3] -= low
    brain = np.ascontiguousarray(brain[inside])
    positions = _positions(to_scan, shape)
    within = _nearest(brain, [axis - first for axis, first in zip(positions, low, strict=True)])
    resample = resampling(to_box, brain.shape, shape)
    image = np.empty((len(SEQUENCES), *shape), dtype=np.uint8)
    for channel, name in zip(image, SEQUENCES, strict=True):
        scan = np.ascontiguousarray(scans[name][inside])
        voxels.check_content(scan, paths[name])
        # Interpolation must not smear the head into the background: outside the brain stays exactly zero.
        np.multiply(_to_bytes(resample(_scaled(scan, brain))), within, out=channel)
    geometry = {
        "patient": patient,
        "mode": mode,
        "sequences": list(SEQUENCES),
        "spacing": [float(mm) for mm in spacing * np.diag(to_scan)[:3]],
        "to_voxel": (to_disk @ to_scan).tolist(),
        "scan_shape": list(disk_shape),
        "scan_affine": affine.tolist(),
        "tumour_voxels_in_scan": int(np.count_nonzero(tumour)),
        "tumour_share_in_crop": _share_inside(tumour, to_scan, shape),
    }
    return Crop(image, _nearest(mask, positions), geometry)


def mask_to_scan(mask: np.ndarray, geometry: dict) -> tuple[np.ndarray, np.ndarray]:
    """A crop's mask (slice, row, column) in the scan's own voxels: uint8 `scan_shape`, and the scan's affine.

    Nearest neighbour, as the way in; scan voxels outside the crop are 0.
    """
    to_crop = np.linalg.inv(np.asarray(geometry["to_voxel"]))
    # A crop is never turned: every axis of the scan runs along one of the crop's.
    axes = np.abs(to_crop[:3, :3]).argmax(axis=0)
    sides = zip(to_crop[axes, range(3)], geometry["scan_shape"], to_crop[axes, 3], strict=True)
    positions = [step * np.arange(size) + start for step, size, start in sides]
    scan = _nearest(mask.astype(np.uint8).transpose(axes), positions)
    return scan, np.asarray(geometry["scan_affine"])


def _box(region: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """First index and last index + 1 of a region along each axis; None if it is empty."""
    sides = [np.flatnonzero(region.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not sides[0].size:
        return None
    return np.array([side[0] for side in sides]), np.array([side[-1] + 1 for side in sides])


def _place(low: np.ndarray, high: np.ndarray, mode: str, shape: tuple, spacing: np.ndarray) -> np.ndarray:
    """The affine (4, 4) from crop index to scan index, both (slice, row, column), for the region from low to high."""
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


def _positions(place: np.ndarray, shape: tuple) -> list[np.ndarray]:
    """Where a crop's indices lie in the scan, along each axis."""
    # In the order of operations of scipy's `affine_transform`, so that halves, of which there are many, fall as there.
    sides = zip(shape, np.diag(place)[:3], place[:3, 3], strict=True)
    return [(np.arange(size) + start / step) * step for size, step, start in sides]


def resampling(
    place: np.ndarray, source: tuple[int, ...], shape: tuple[int, ...]
) -> Callable[[np.ndarray], np.ndarray]:
    """What takes a volume of shape `source` to its values at crop index -> `place`, trilinear, 0 outside; float32.

    The weights of all sequences of a patient are the same: a sparse matrix along each axis, made once. Values are those
    of `scipy.ndimage.affine_transform`, order 1, mode constant.
    """
    scale, offset, positions = np.diag(place)[:3], place[:3, 3], _positions(place, shape)
    if np.all(scale == 1) and np.all(offset == np.rint(offset)):
        # Whole steps: nothing to interpolate.
        return lambda volume: _nearest(volume, positions)
    weights = [_weights(axis, size) for axis, size in zip(positions, source, strict=True)]

    def apply(volume: np.ndarray) -> np.ndarray:
        for matrix in weights:
            # Along the first axis, which then becomes the last: after three turns all stand where they stood.
            turned = matrix @ volume.reshape(len(volume), -1).astype(float, copy=False)
            volume = np.ascontiguousarray(turned.reshape(-1, *volume.shape[1:]).transpose(1, 2, 0))
        return volume.astype(np.float32)

    return apply


def _weights(positions: np.ndarray, size: int) -> sparse.csr_array:
    """Of `size` voxels in a row those of the two beside each position, (positions, size); none outside."""
    within = (positions >= 0) & (positions <= size - 1)
    below = np.clip(np.floor(positions).astype(int), 0, size - 1)
    share = positions - np.floor(positions)
    values = np.stack([1 - share, share], axis=1) * within[:, None]
    columns = np.stack([below, np.minimum(below + 1, size - 1)], axis=1)
    return sparse.csr_array(
        (values.ravel(), columns.ravel(), 2 * np.arange(len(positions) + 1)), (len(positions), size)
    )


def _nearest(volume: np.ndarray, positions: list[np.ndarray]) -> np.ndarray:
    """The voxels nearest to every combination of positions along the axes; 0 outside, as scipy's mode constant."""
    result = np.zeros([len(axis) for axis in positions], dtype=volume.dtype)
    within = [
        np.flatnonzero((axis >= 0) & (axis <= size - 1)) for axis, size in zip(positions, volume.shape, strict=True)
    ]
    sources = [np.floor(axis[inside] + 0.5).astype(int) for axis, inside in zip(positions, within, strict=True)]
    # Axis by axis: many times as fast as `volume[np.ix_(*sources)]`.
    for axis, source in enumerate(sources):
        volume = volume.take(source, axis)
    result[tuple(slice(side[0], side[-1] + 1) if len(side) else slice(0) for side in within)] = volume
    return result


def _scaled(scan: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Intensities as 1..255 within the brain, 0 outside, float32."""
    inside = scan[brain]
    first, last = int(inside.min()), int(inside.max())
    if scan.dtype.kind == "f" or last - first > MOST_VALUES:
        return np.where(brain, _grey(scan, *np.percentile(inside, PERCENTILES)), np.float32(0))
    # Few whole numbers: counted for the percentiles, and each scaled but once.
    above = inside.astype(np.intp) - first
    counts = np.bincount(above)
    table = _grey(np.arange(first, last + 1), *(_percentile(counts, share) + first for share in PERCENTILES))
    grey = np.zeros(scan.shape, dtype=np.float32)
    grey[brain] = table.take(above)
    return grey


def _grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Intensities as 1..255, float32, `low` and what is below it as 1, `high` and what is above it as 255."""
    scaled = (values.astype(np.float32).astype(float) - low) * (254 / max(high - low, 1e-6)) + 1
    return np.clip(scaled, 1, 255).astype(np.float32)


def _percentile(counts: np.ndarray, share: float) -> float:
    """`np.percentile` of numbers of which `counts[i]` are i."""
    below = np.cumsum(counts)
    rank = (below[-1] - 1) * (share / 100)
    lower, upper = np.searchsorted(below, np.floor(rank) + np.array([0, 1]), side="right").clip(max=len(counts) - 1)
    step = rank - np.floor(rank)
    # As numpy rounds: from the nearer of the two.
    return float(lower + (upper - lower) * step if step < 0.5 else upper - (upper - lower) * (1 - step))


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
    """Write a crop as two `.npy` files, which their users map into memory, and its geometry as JSON."""
    for array, path in ((crop.image, image), (crop.mask, mask)):
        with atomic_path(path) as temporary:
            np.save(temporary, array)
    write_json(crop.geometry, geometry)


def table(folder: str | Path, patients: Iterable[str]) -> pd.DataFrame:
    """A row a patient: patient, mode, voxel_mm (along the slice axis), tumour_share_in_crop, tumour_voxels, sha256."""
    import pandas as pd

    rows = []
    for patient in patients:
        geometry = crop_files.load_geometry(folder, patient)
        content = hashlib.sha256()
        for end in crop_files.ENDS:
            content.update((Path(folder) / f"{patient}{end}").read_bytes())
        rows.append(
            {
                "patient": patient,
                "mode": geometry["mode"],
                "voxel_mm": round(geometry["spacing"][0], 4),
                "tumour_share_in_crop": geometry["tumour_share_in_crop"],
                "tumour_voxels": int(np.count_nonzero(crop_files.load_mask(folder, patient))),
                "sha256": content.hexdigest(),
            }
        )
    return pd.DataFrame(rows)
