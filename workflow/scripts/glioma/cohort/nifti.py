"""NIfTI in and out, with the checks that a scan from an unknown disk needs."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel.volumeutils import apply_read_scaling

from glioma.base.errors import UserError
from glioma.base.files import atomic_path

# What reading a damaged file raises, in nibabel, gzip and zlib.
DAMAGE = (nib.filebasedimages.ImageFileError, EOFError, OSError, ValueError, zlib.error)
Grid = tuple[tuple[int, ...], np.ndarray]

MOST_VOXELS = 100_000_000
"""Of a scan: a head at 0.5 mm has some 60 million. Memory is asked for by what a header says, true or not."""

# (position, first bytes there) of what else is found under the name of a scan.
FOREIGN = {
    "NRRD": ((0, b"NRRD"),),
    "DICOM": ((128, b"DICM"),),
    "MetaImage": ((0, b"ObjectType"), (0, b"NDims")),
    "HDF5 or MINC": ((0, b"\x89HDF"),),
    "NumPy": ((0, b"\x93NUMPY"),),
    "PNG": ((0, b"\x89PNG"),),
    "JPEG": ((0, b"\xff\xd8\xff"),),
    "ZIP": ((0, b"PK\x03\x04"),),
}
PAGE = (b"<!doctype", b"<html")
POINTER = (b"version https://git-lfs", b"/annex/objects")


def open_scan(path: str | Path) -> nib.Nifti1Image:
    """A NIfTI file with its voxels still on disk: three axes, real numbers, a usable affine; else `UserError`."""
    try:
        image: Any = nib.load(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check cohort.root, or list the case under cohort.exclude") from None
    # nibabel has no common base for what a header that makes no sense raises.
    except Exception as error:
        raise UserError(f"{path}: {_why_not(path, error)}") from None
    if not isinstance(image, nib.Nifti1Image):
        raise UserError(f"{path}: is {type(image).__name__}, not NIfTI; convert it to .nii.gz")
    if len(image.shape) != 3:
        raise UserError(f"{path}: has {len(image.shape)} axes, a scan has 3; give one volume a file")
    if 0 in image.shape:
        raise UserError(f"{path}: has no voxels, its shape is {_times(image.shape)}; export it again")
    if math.prod(image.shape) > MOST_VOXELS:
        raise UserError(
            f"{path}: {_times(image.shape)} voxels are too many for a head ({MOST_VOXELS:,} at most); "
            "resample it to 0.5 mm or more"
        )
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
        size = len(_unpacked(path, needed))
    if size < needed:
        raise UserError(_damaged(path, f"{size} bytes, its header says {needed}"))


def planes(image: nib.Nifti1Image, path: str | Path) -> list[np.ndarray]:
    """The first and the middle plane along the last axis on disk: a sample that needs half a `.nii.gz` unpacked."""
    try:
        return [np.asanyarray(image.dataobj[..., index]) for index in (0, image.shape[2] // 2)]
    except DAMAGE as error:
        raise UserError(_damaged(path, error)) from None


def _unpacked(path: Path, needed: int) -> bytes:
    """The first `needed` bytes that a gzip file holds, read to its end, where the checksum of what it holds stands."""
    try:
        # Intel's decoder: the same content and checksum in a third of the time.
        with igzip.open(path) as stream:
            content = stream.read(needed)
            extra = 0
            while block := stream.read(2**20):
                extra += len(block)
                if extra > 2**24:
                    raise UserError(f"{path}: holds much more than the {needed:,} bytes of its header; export it again")
    except DAMAGE as error:
        raise UserError(_damaged(path, error)) from None
    return content


def read(path: str | Path) -> tuple[np.ndarray, np.ndarray, Grid]:
    """One volume in radiological order.

    Returns `(volume, to_voxel, grid)`: the volume as (slice, row, column) with slices towards superior, rows towards
    posterior and columns towards the patient's left, whatever the order on disk; `to_voxel` (4, 4) takes such an index
    to the voxel index on disk; `grid` is the file's own shape and affine (4, 4), voxel to world in mm.
    """
    image = open_scan(path)
    voxels: Any = image.dataobj
    try:
        if Path(path).suffix == ".gz":
            # nibabel stops before the checksum at a file's end, and a damaged byte would pass as voxels.
            needed = voxels.offset + math.prod(image.shape) * image.get_data_dtype().itemsize
            content = _unpacked(Path(path), needed)
            stored = np.frombuffer(content, image.get_data_dtype(), offset=voxels.offset).reshape(
                image.shape, order="F"
            )
            volume = apply_read_scaling(stored, voxels.slope, voxels.inter)
        else:
            volume = np.asanyarray(voxels)
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


def _why_not(path: str | Path, error: Exception) -> str:
    """Why a file is no NIfTI, and what to do about it."""
    try:
        with gzip.open(path) if _is_gzip(path) else open(path, "rb") as stream:
            start = stream.read(512)
    except DAMAGE:
        start = b""
    for kind, marks in FOREIGN.items():
        if any(start[at : at + len(mark)] == mark for at, mark in marks):
            return f"is a {kind} file, not NIfTI; convert it to .nii.gz"
    if start.lstrip().lower().startswith(PAGE):
        return "is a web page, not a scan; download the file itself"
    if any(mark in start for mark in POINTER):
        return "is a pointer to a file that was not fetched; fetch it with git lfs pull or git annex get"
    if not start:
        return "is empty; copy it again"
    return f"not a readable NIfTI file ({' '.join(str(error).split())}); copy it again, or export it anew"


def _is_gzip(path: str | Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _damaged(path: str | Path, why: object) -> str:
    return f"{path}: cannot be read to its end ({why}); copy the file again, it is damaged"
