"""The masks that a promptable segmenter made, a file a patient: what makes them and what scores them share."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from glioma.base.files import atomic_path


def save(masks: Mapping[int, np.ndarray], path: Path, side: int) -> None:
    """Write slice -> mask, bool (side, side), as `.npz`: slices (n,), and masks (n, side, side) packed along the last
    axis."""
    stacked = np.stack(list(masks.values())) if masks else np.zeros((0, side, side), dtype=bool)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, slices=np.array(list(masks), dtype=int), masks=np.packbits(stacked, axis=-1))


def read(folder: str | Path, patients: Iterable[str], side: int) -> dict[tuple[str, str, int], np.ndarray]:
    """(patient, orientation, slice) -> mask, bool (side, side), of the `{patient}.npz` in a folder."""
    found = {}
    for patient in patients:
        with np.load(Path(folder) / f"{patient}.npz") as content:
            masks = np.unpackbits(content["masks"], axis=-1, count=side).astype(bool)
            found |= {
                (patient, "axial", int(index)): mask for index, mask in zip(content["slices"], masks, strict=True)
            }
    return found
