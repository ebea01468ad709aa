"""Masks of boxes: every slice is encoded once, for the boxes of all sources on it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from glioma.base.errors import UserError
from glioma.cohort import crop_files
from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import shapes, slices
from glioma.sam import masks
from glioma.sam.models import Segmenter
from glioma.tasks import points_from_text

FLAIR = SEQUENCES.index("flair")
BATCH = 8 if torch.cuda.is_available() else 1
"""Slices that are encoded at a time: two no longer fit the cache of a CPU, and take 1.2 times as long each."""


def of_run(answers: pd.DataFrame, wanted: pd.DataFrame, run: str) -> pd.DataFrame:
    """A run's answers to these slices (patient, orientation, slice, repeat); `UserError` where it was not asked about
    one."""
    found = wanted.merge(answers, on=list(wanted.columns), how="left", validate="one_to_one")
    if (missing := found[found["status"].isna()]).size:
        first = missing.iloc[0]
        raise UserError(
            f"run {run!r} has no answer to {first['orientation']} slice {first['slice']} of {first['patient']}; set "
            "`every` to a multiple of the run's, and `patients` to those that it is asked about"
        )
    return found


def predict(
    segmenter: Segmenter, crops: str | Path, boxes: Mapping[str, pd.DataFrame], side: int, folder: str | Path
) -> int:
    """Write `{folder}/{source}/{patient}.npz` (`sam.masks`) of each source of boxes; return how many slices were seen.

    boxes: source -> answers of the box task (patient, slice, status, points), one a slice at the most. A slice without
    a box that can be read is not segmented, and has no mask.
    """
    readable = {source: table[table["status"].eq("ok") & table["points"].notna()] for source, table in boxes.items()}
    everyone = pd.concat(table["patient"] for table in boxes.values()).unique()
    count = 0
    for patient in tqdm(everyone, desc="slices segmented", unit="patient"):
        own = {
            source: {
                int(row.slice): shapes.box_from_corners(points_from_text(row.points))
                for row in table[table["patient"].eq(patient)].itertuples()
            }
            for source, table in readable.items()
        }
        flair = crop_files.load(crops, patient)[FLAIR]
        found: dict[str, dict[int, np.ndarray]] = {source: {} for source in own}
        indices = sorted(set().union(*own.values()))
        for index, encoded in _encoded(segmenter, flair, indices, side):
            on_it = {source: of_slice[index] for source, of_slice in own.items() if index in of_slice}
            made = segmenter.masks(encoded, list(on_it.values()), side)
            for source, mask in zip(on_it, made, strict=True):
                found[source][index] = mask
        for source, of_source in found.items():
            masks.save(of_source, Path(folder) / source / f"{patient}.npz", side)
        count += len(indices)
    return count


def _encoded(
    segmenter: Segmenter, flair: np.ndarray, indices: Sequence[int], side: int
) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, len(indices), BATCH):
        some = indices[start : start + BATCH]
        pictures = [np.asarray(slices.render(slices.take(flair, "axial", index), side).getchannel(0)) for index in some]
        yield from zip(some, segmenter.encode(pictures), strict=True)
