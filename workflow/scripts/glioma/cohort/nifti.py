"""NIfTI in and out, with the checks that a scan from an unknown disk needs."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from glioma.base.errors import UserError
from glioma.base.files import atomic_path

# What reading a damaged or foreign file raises, in nibabel, gzip and zlib.
DAMAGE = (nib.filebasedimages.ImageFileError, EOFError, OSError, ValueError, zlib.error)
Grid = tuple[tuple[int, ...], np.ndarray]


def open_scan(path: str | Path) -> nib.Nifti1Image:
    """A NIfTI file with its voxels still on disk: three axes, real numbers, a usable affine; else `UserError`."""
    try:
        image: Any = nib.load(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check cohort.root, or list the case under cohort.exclude") from None
    except DAMAGE as error:
        raise UserError(f"{path}: not a readable NIfTI file ({error}); copy it again") from None
    if len(image.shape) != 3:
        raise UserError(f"{path}: has {len(image.shape)} axes, a scan has 3; give one volume a file")
    if image.get_data_dtype().kind not in "iuf":
        raise UserError(f"{path}: its voxels are {image.get_data_dtype()}, a scan has numbers; convert it")
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine)) < 1e-9:
        raise UserError(f"{path}: its affine gives voxels no place in space; repair the header")
    return image


def same_grid(first: Grid, second: Grid) -> bool:
    """Whether two (shape, affine) are one grid, to a thousandth of a mm."""
    return first[0] == second[0] and np.allclose(first[1], second[1], atol=1e-3)


def check_size(image: nib.Nifti1Image, path: str | Path) -> None:
    """Raise `UserError` where a file is shorter than its header says; a `.nii.gz` is read only on suspicion.

    The last four bytes of a gzip stream are its uncompressed length modulo 2**32 (RFC 1952). A file of several streams
    may rightly end otherwise, so what does not fit is read to its end.
    """
    voxels: Any = image.dataobj
    needed = voxels.offset + math.prod(image.shape) * image.get_data_dtype().itemsize
    path = Path(path)
    if path.suffix != ".gz":
        size = path.stat().st_size
    else:
        with path.open("rb") as stream:
            stream.seek(-4, 2)
            if int.from_bytes(stream.read(4), "little") == needed % 2**32:
                return
        try:
            with gzip.open(path) as stream:
                size = sum(len(block) for block in iter(lambda: stream.read(2**20), b""))
        except DAMAGE as error:
            raise UserError(_damaged(path, error)) from None
    if size < needed:
        raise UserError(_damaged(path, f"{size} bytes, its header says {needed}"))


def read(path: str | Path) -> tuple[np.ndarray, np.ndarray, Grid]:
    """One volume in radiological order.

    Returns `(volume, to_voxel, grid)`: the volume as (slice, row, column) with slices towards superior, rows towards
    posterior and columns towards the patient's left, whatever the order on disk; `to_voxel` (4, 4) takes such an index
    to the voxel index on disk; `grid` is the file's own shape and affine (4, 4), voxel to world in mm.
    """
    image = open_scan(path)
    try:
        volume = np.asanyarray(image.dataobj)
    except DAMAGE as error:
        raise UserError(_damaged(path, error)) from None
    if volume.dtype.kind == "f" and not np.isfinite(volume).all():
        raise UserError(f"{path}: holds voxels that are no numbers (NaN or infinite); write 0 outside the brain")
    shape, affine = tuple(image.shape), np.asarray(image.affine, dtype=float)
    # "SPL" names where each axis leads: superior, posterior, left.
    transform = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(("S", "P", "L"))
    )
    volume = nib.orientations.apply_orientation(volume, transform)
    return volume, nib.orientations.inv_ornt_aff(transform, shape), (shape, affine)


def write(volume: np.ndarray, affine: np.ndarray, path: str | Path) -> None:
    """Write a volume in the voxel order that `affine` describes, 1 mm units, as `.nii` or `.nii.gz`."""
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _damaged(path: str | Path, why: object) -> str:
    return f"{path}: cannot be read to its end ({why}); copy the file again, it is damaged"
