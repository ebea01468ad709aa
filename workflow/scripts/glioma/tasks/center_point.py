"""The centre of the tumour of a slice, as one point."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glioma.geometry import shapes
from glioma.metrics import centre
from glioma.tasks import _coordinates
from glioma.tasks._answer import Answer, Limits
from glioma.tasks._located import LocatedTask


@dataclass(frozen=True)
class CentrePoint(LocatedTask):
    """The answer is "(row, col)"."""

    @property
    def pattern(self) -> re.Pattern:
        """One pair and no list of them."""
        return re.compile(_coordinates.STRICT_PAIR)

    @property
    def example(self) -> list[tuple[str, str]]:
        return [("", "")]

    def counts(self, limits: Limits) -> set[int]:
        return {1}

    def of_box(self, box: shapes.Box) -> np.ndarray:
        return np.array([shapes.centre_from_box(box)])

    def generation_score(
        self, found: Sequence[Answer], wanted: Sequence[Answer], rows: Sequence[Mapping], limits: Limits
    ) -> float:
        """The share of points in the true box."""
        values = [
            centre.scores(answer.points[0], tuple(row["box"]), missing=np.inf)["in_box"] if answer.status == "ok" else 0
            for answer, row in zip(found, rows, strict=True)
        ]
        return float(np.mean(values))


TASK = CentrePoint(
    name="center_point",
    title="Centre point",
    noun="centre",
    output="point",
    position=4,
    drawn="marker",
    frame="image centre",
)
