"""The pictures that a model is shown: slices rendered from crops, or those of conversations."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from glioma.base.errors import UserError
from glioma.cohort import crop_files
from glioma.cohort.sequences import SEQUENCES
from glioma.vlm.backends import Example
from glioma.vlm.pictures import Pictures, show
from glioma.vlm.requests import Request
from glioma.vlm.settings import Picture


class Crops:
    """The volumes of a folder of crops, memory-mapped."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.volumes = lru_cache(maxsize=4)(partial(crop_files.load, self.folder))

    def digest(self, patient: str, sequences: Sequence[str] = ("flair",)) -> str:
        """A digest of a patient's volumes of these sequences."""
        found = hashlib.sha256()
        for sequence in sequences:
            found.update(np.ascontiguousarray(self.volumes(patient)[SEQUENCES.index(sequence)]))  # type: ignore[arg-type]
        return found.hexdigest()

    def pictures(
        self, requests: Sequence[Request], side: int, frame: str, how: Picture | None = None
    ) -> list[Pictures]:
        """The pictures of requests, in order; those of a slice that is requested several times are one object."""
        how, shown = how or Picture(), {}
        for patient, orientation, index, _ in requests:
            if (patient, orientation, index) not in shown:
                shown[patient, orientation, index] = show(self.volumes(patient), orientation, index, how, side, frame)
        return [shown[request[:3]] for request in requests]


def open_image(path: str) -> Image.Image:
    """The image of a conversation, as RGB."""
    with _opened(path) as image:
        return image.convert("RGB")


def open_all(paths: Sequence[str]) -> Pictures:
    """The images of a conversation, as RGB."""
    return tuple(map(open_image, paths))


def read_examples(files: Sequence[str]) -> tuple[Example, ...]:
    """The examples in the file that `vlm.examples` wrote, the first of these; none without one."""
    rows = [json.loads(line) for path in files[:1] for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return tuple(Example(open_all(row["images"]), row["reply"]) for row in rows)


@cache
def image_size(path: str) -> tuple[int, int]:
    """Width and height of an image, of which nothing else is read."""
    with _opened(path) as image:
        return image.size


def _opened(path: str) -> Image.Image:
    if not Path(path).is_file():
        raise UserError(f"{path}: no such image; run from the folder the conversations were written in")
    return Image.open(path)
