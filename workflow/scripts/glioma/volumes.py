"""NIfTI in and out, with the checks that a scan from an unknown disk needs."""

from pathlib import Path

import nibabel as nib
import numpy as np

from glioma.errors import UserError
from glioma.files import atomic_path


def read_header(path: str | Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of a NIfTI file, without its voxels."""
    image = _open(path)
    if len(image.shape) != 3:
        raise UserError(f"{path}: has {len(image.shape)} axes, a scan has 3; give one volume a file")
    return tuple(image.shape), np.asarray(image.affine, dtype=float)


def read(path: str | Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One volume in radiological order.

    Returns `(volume, to_voxel, affine)`: the volume as (slice, row, column) with slices towards superior, rows towards
    posterior and columns towards the patient's left, whatever the order on disk; `to_voxel` (4, 4) takes such an index
    to the voxel index on disk; `affine` (4, 4) is the file's own, voxel to world in mm.
    """
    shape, affine = read_header(path)
    try:
        volume = np.asanyarray(_open(path).dataobj)
    except (EOFError, OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read to its end ({error}); copy the file again, it is damaged") from None
    # "SPL" names where each axis leads: superior, posterior, left.
    transform = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(("S", "P", "L"))
    )
    volume = nib.orientations.apply_orientation(volume, transform)
    return volume, nib.orientations.inv_ornt_aff(transform, shape), affine


def write(volume: np.ndarray, affine: np.ndarray, path: str | Path) -> None:
    """Write a volume in the voxel order that `affine` describes, 1 mm units, as `.nii` or `.nii.gz`."""
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _open(path: str | Path) -> nib.spatialimages.SpatialImage:
    try:
        return nib.load(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check cohort.root, or list the case under cohort.exclude") from None
    except (nib.filebasedimages.ImageFileError, EOFError, OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable NIfTI file ({error}); copy it again") from None
