"""The files of a folder of crops, read without what cutting them needs."""

from pathlib import Path

import numpy as np

from glioma.base.files import load_array


def load(folder: str | Path, patient: str) -> np.ndarray:
    """The memory-mapped crop of a patient, uint8 (4, slice, row, column)."""
    return load_array(Path(folder) / f"{patient}.npy")


def load_mask(folder: str | Path, patient: str) -> np.ndarray:
    """The memory-mapped labels of a patient's crop, uint8 (slice, row, column)."""
    return load_array(Path(folder) / f"{patient}.mask.npy")


def load_predicted(folder: str | Path, patient: str) -> np.ndarray:
    """The memory-mapped mask that a network predicts on a patient's crop, bool (slice, row, column)."""
    return load_array(Path(folder) / f"{patient}.npy", folder)
