"""What an answer is once it has been parsed, and what it may hold.

Answers are untrusted text. Parsing is a total function (any string has an interpretation, none raises), linear in the
length of the text, and loses nothing silently: every answer keeps its row and gets one of `STATUSES`.

Two modes exist. `strict` accepts the format that the study's prompts demand and nothing before or behind it but white
space at the end: the study counted legible choices after other text, and even after two line breaks, as errors (its
Figure 6). `lenient` takes the answer that a free text states last, whatever stands around it (`_free_text`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from glioma.base.answers import LABELS
from glioma.base.errors import UserError
from glioma.geometry import coordinates, shapes

MODES = ("strict", "lenient")
STATUSES = ("ok", "empty", "malformed", "wrong_count", "out_of_range", "degenerate", "truncated")

LONGEST = 100_000
"""Characters of an answer that are parsed; the longest legal answer has some 200."""

UNREADABLE = len(LABELS)
"""The number of what is none of `LABELS`, where answers are counted: an answer that could not be parsed."""


@dataclass(frozen=True)
class Limits:
    """What an answer may hold: image side in pixels, polygon points, the coordinates the model uses, and what the
    choices 0, 1 and 2 stand for in the prompt that it answers, by `LABELS`."""

    side: int = 128
    polygon_points: tuple[int, int] = shapes.POLYGON_POINTS
    convention: Mapping = field(default_factory=lambda: coordinates.DEFAULT)
    choices: Sequence[str] = LABELS

    def __post_init__(self) -> None:
        if sorted(self.choices) != sorted(LABELS):
            raise UserError(f"choices: {list(self.choices)} is no order of {', '.join(LABELS)}; name each once")


@dataclass(frozen=True)
class Answer:
    """A parsed answer. `choice` is a number when legible: of a grade that in `LABELS`, whatever number the prompt gives
    that label. `points` (N, 2) are our (row, column) pixels as far as legible."""

    status: str
    choice: int | None = None
    points: np.ndarray | None = None


def kinds(choice, status):
    """The number of each answer's choice, `UNREADABLE` where it could not be parsed (pandas columns, whole numbers)."""
    return choice.where(status.eq("ok")).fillna(UNREADABLE).astype(int)
