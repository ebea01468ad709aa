"""The files of a folder of crops, read without what cutting them needs."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from glioma.base.files import load_array, read_json

ENDS = (".npy", ".mask.npy", ".json")
"""What the files of a patient end in: crop, mask, geometry."""
TABLE = "crops.csv"
"""The table of a set of crops, beside them (`crops.table`)."""


def load(folder: str | Path, patient: str) -> np.ndarray:
    """The memory-mapped crop of a patient, uint8 (4, slice, row, column)."""
    return load_array(Path(folder) / f"{patient}.npy", folder)


def load_mask(folder: str | Path, patient: str) -> np.ndarray:
    """The memory-mapped labels of a patient's crop, uint8 (slice, row, column)."""
    return load_array(Path(folder) / f"{patient}.mask.npy", folder)


def load_geometry(folder: str | Path, patient: str) -> dict[str, Any]:
    """Where a patient's crop lies in the scan, see `crops.make`."""
    return read_json(Path(folder) / f"{patient}.json")


def load_predicted(folder: str | Path, patient: str) -> np.ndarray:
    """The memory-mapped mask that a network predicts on a patient's crop, bool (slice, row, column)."""
    return load_array(Path(folder) / f"{patient}.npy", folder)


def gather(source: Path, patients: Iterable[str], folder: Path) -> None:
    """Bring the crops of these patients together in a folder, which is made anew.

    The files are links to those of `source`, which take no room, and copies where the file system has none.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for patient in patients:
        for end in ENDS:
            path = source / f"{patient}{end}"
            if end.endswith(".npy"):
                load_array(path)  # a crop that was cut short is told here, by its own name
            try:
                os.link(path, folder / path.name)
            except OSError:
                shutil.copy2(path, folder / path.name)
