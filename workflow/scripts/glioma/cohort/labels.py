"""What the values of a mask mean: every data set's own convention in, one code of the crops out."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from glioma.base.errors import UserError

# The code in a crop's mask. Whole tumour is "> 0", so what is no tumour shares the zero of the background.
CODES = {"background": 0, "cavity": 0, "necrosis": 1, "oedema": 2, "enhancing": 3, "tumour": 4}
SHOWN_VALUES = 10


def read(labels: Mapping[Any, str]) -> dict[int, str]:
    """A user's `cohort.labels` (value in the mask -> tissue) with whole numbers as keys, in their order.

    Raises `UserError` for an unknown tissue, a value that is no whole number, or labels without any tumour.
    """
    meaning = {0: "background"}
    for value, tissue in labels.items():
        if not str(value).isdecimal():
            raise UserError(f"cohort.labels: {value!r} is no value of a mask; use whole numbers from 0 on")
        if tissue not in CODES:
            raise UserError(f"cohort.labels: {value}: {tissue!r}; use one of {', '.join(CODES)}")
        if int(value) == 0 and CODES[tissue]:
            raise UserError(f"cohort.labels: 0: {tissue!r}, but 0 is the background of every mask; leave it out")
        meaning[int(value)] = tissue
    if not any(CODES[tissue] for tissue in meaning.values()):
        raise UserError("cohort.labels: names no tumour; give at least one value such as 1: tumour")
    return dict(sorted(meaning.items()))


def canonical(mask: np.ndarray, meaning: Mapping[int, str], path: object) -> np.ndarray:
    """The mask in `CODES`, uint8 and in the same memory order; `path` is named in faults.

    A thousandth is no fraction: masks are exported with a scale in the header, and 1 comes back as 1.00001526. Raises
    `UserError` for fractions and for values that `meaning` does not declare.
    """
    coded = np.zeros_like(mask, dtype=np.uint8)
    # Few voxels are tumour: the rest is not looked at twice.
    inside = mask != 0
    found, which = np.unique(mask[inside], return_inverse=True)
    values = np.rint(found)
    if np.abs(found - values).max(initial=0) > 1e-3:
        raise UserError(f"{path}: a mask holds whole numbers, this one fractions; resample masks by nearest neighbour")
    unknown = [f"{value:g}" for value in values if value not in meaning]
    if unknown:
        shown = ", ".join(unknown[:SHOWN_VALUES]) + (", ..." if len(unknown) > SHOWN_VALUES else "")
        raise UserError(
            f"{path}: holds {shown}, but declared are "
            f"{', '.join(f'{value} ({tissue})' for value, tissue in meaning.items() if value)}; "
            "say under cohort.labels what it means, or exclude the case"
        )
    coded[inside] = np.array([CODES[meaning[value]] for value in values.tolist()], dtype=np.uint8)[which]
    return coded
