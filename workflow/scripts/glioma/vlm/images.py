"""The images that a model is shown: slices rendered from crops, or those of conversations."""

import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from glioma.base.errors import UserError
from glioma.cohort import crop_files
from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import slices
from glioma.vlm.requests import Request


class Crops:
    """FLAIR volumes of a folder of crops, memory-mapped."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.flair = lru_cache(maxsize=4)(self._flair)

    def _flair(self, patient: str) -> np.ndarray:
        return crop_files.load(self.folder, patient)[SEQUENCES.index("flair")]

    def digest(self, patient: str) -> str:
        """A digest of a patient's FLAIR volume."""
        return hashlib.sha256(np.ascontiguousarray(self.flair(patient))).hexdigest()  # type: ignore[arg-type]

    def images(self, requests: Sequence[Request], side: int, frame: str) -> list[Image.Image]:
        """The RGB images of requests, in order; a slice that is requested several times is one object."""
        rendered = {}
        for patient, orientation, index, _ in requests:
            if (patient, orientation, index) not in rendered:
                shown = slices.take(self.flair(patient), orientation, index)
                rendered[patient, orientation, index] = slices.render(shown, side, frame)
        return [rendered[request[:3]] for request in requests]


def open_image(path: str) -> Image.Image:
    """The image of a conversation, as RGB."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such image; run from the folder the conversations were written in")
    with Image.open(path) as image:
        return image.convert("RGB")


@cache
def image_size(path: str) -> tuple[int, int]:
    """Width and height of an image, read once."""
    return open_image(path).size
