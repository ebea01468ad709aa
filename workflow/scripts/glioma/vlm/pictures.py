"""What a model is shown of a slice: one FLAIR picture as in the study, or several sequences and neighbouring slices.

The views of a slice are its sequences, each with its neighbours. They are the colours of one picture, the tiles of one,
or pictures of their own. All have the frame of a single slice, so that coordinates mean the same in each.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import slices
from glioma.vlm.settings import Picture

Pictures = tuple[Image.Image, ...]
"""The RGB pictures that belong to one question, in their order."""


def show(crop: np.ndarray, orientation: str, index: int, how: Picture, side: int, frame: str) -> Pictures:
    """The pictures of one slice of a crop, uint8 (sequence, slice, row, column).

    A neighbour beyond the last slice is the last one again. A tile of a montage is as large as a picture of its own.
    """
    last = slices.count(crop.shape[1:], orientation) - 1
    views = [
        slices.render(
            slices.take(crop[SEQUENCES.index(sequence)], orientation, min(max(index + offset, 0), last)), side, frame
        )
        for sequence in how.sequences
        for offset in how.neighbours
    ]
    if len(views) == 1 or how.arrange == "images":
        return tuple(views)
    if how.arrange == "montage":
        return (_montage(views),)
    return (Image.merge("RGB", [view.getchannel(0) for view in views]),)


def _montage(views: Sequence[Image.Image]) -> Image.Image:
    """Views of one size row by row, as many columns as rows or one more; what is left over stays black."""
    columns = math.ceil(math.sqrt(len(views)))
    width, height = views[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(views) / columns) * height))
    for number, view in enumerate(views):
        sheet.paste(view, (number % columns * width, number // columns * height))
    return sheet


def beside(shown: Pictures) -> Image.Image:
    """The pictures of a question as one, for people."""
    return shown[0] if len(shown) == 1 else _montage(shown)
