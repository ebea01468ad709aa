"""The truth that scores are held against: label volumes and voxel sizes of crops, by patient."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from glioma.cohort import crop_files


def masks(folder: str | Path, patients: Iterable[str]) -> dict[str, np.ndarray]:
    """Label volumes, uint8 (slice, row, column), memory-mapped."""
    return {patient: crop_files.load_mask(folder, patient) for patient in patients}


def spacings(folder: str | Path, patients: Iterable[str]) -> dict[str, tuple[float, float, float]]:
    """Voxel sizes in mm along (slice, row, column)."""
    return {patient: tuple(crop_files.load_geometry(folder, patient)["spacing"]) for patient in patients}
