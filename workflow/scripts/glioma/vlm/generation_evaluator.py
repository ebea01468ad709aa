"""How well a model in training answers: the score that may choose its best step and end its training.

The loss of an answer's tokens says little about the answer: a digit off by one costs as much as one off by ninety.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from glioma.geometry import shapes
from glioma.metrics import centre, segmentation
from glioma.tasks import _answers as answers
from glioma.vlm.backends import Backend, Decoding, Prompt
from glioma.vlm.images import open_image
from glioma.vlm.requests import Request

ROOM = 2
"""How many times longer than the longest true answer an answer may be."""


class GenerationEvaluator:
    """Validation conversations that a model has to answer.

    `rows` are conversations about one task, `reading` its `task`, the `side` of their images in pixels and the
    `coordinates` that the model uses. They are answered `batch_size` at a time, with at most `max_new_tokens` each.
    Decoding is greedy, parsing strict.
    """

    def __init__(self, rows: Sequence[Mapping], reading: Mapping, batch_size: int, max_new_tokens: int) -> None:
        self.rows = rows
        self.task = reading["task"]
        self.limits = answers.Limits(side=reading["side"], convention=reading["coordinates"])
        self.batch_size = batch_size
        self.decoding = Decoding(max_new_tokens)
        question = rows[0]["messages"][0]["content"]
        text = next(part["text"] for part in question if part["type"] == "text")
        self.prompt = Prompt(text, image_first=question[0]["type"] == "image")
        self.names = [Request(row["patient"], row["orientation"], row["slice"]).name for row in rows]
        self.images = [open_image(row["images"][0]) for row in rows]

    def __call__(self, backend: Backend) -> float:
        """The score of a model's answers, 0 to 1."""
        texts = []
        for start in range(0, len(self.rows), self.batch_size):
            batch = slice(start, start + self.batch_size)
            found = backend.answer(self.prompt, self.images[batch], self.names[batch], self.decoding)
            texts += [answer.text for answer in found]
        return score(texts, self.rows, self.task, self.limits)


def score(texts: Sequence[str], rows: Sequence[Mapping], task: str, limits: answers.Limits) -> float:
    """What answers to conversations are worth, 0 to 1; one that cannot be read is wrong.

    classification: balanced accuracy, the mean over the true classes of the share answered right. center_point: the
    share of points in the true box. bounding_box, polygon: the mean Dice with the true answer's shape.
    """
    read = [answers.parse(text, task, "strict", limits) for text in texts]
    true = [answers.parse(_said(row), task, "strict", limits) for row in rows]
    if task == "classification":
        right = pd.Series([found.choice == wanted.choice for found, wanted in zip(read, true, strict=True)])
        return float(right.groupby([wanted.choice for wanted in true]).mean().mean())
    values = []
    for found, wanted, row in zip(read, true, rows, strict=True):
        if found.status != "ok":
            values.append(0.0)
        elif task == "center_point":
            values.append(centre.scores(found.points[0], tuple(row["box"]), missing=np.inf)["in_box"])
        else:
            shapes_of = [_mask(points, task, limits.side) for points in (found.points, wanted.points)]
            values.append(segmentation.overlap(*shapes_of)["dice"])
    return float(np.mean(values))


def _mask(points: np.ndarray, task: str, side: int) -> np.ndarray:
    if task == "polygon":
        return shapes.mask_from_polygon(points, (side, side))
    return shapes.mask_from_box(shapes.box_from_corners(points), (side, side))


def _said(row: Mapping) -> str:
    """The true answer of a conversation."""
    return row["messages"][1]["content"][0]["text"]
