"""What the tasks that locate the tumour on a slice share: points in, points out, and the way between."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from glioma.geometry import coordinates, shapes
from glioma.metrics import segmentation
from glioma.tasks import _coordinates
from glioma.tasks._answer import Answer, Limits
from glioma.tasks._task import QueryTask


class Drawing(NamedTuple):
    """How an answer is drawn: as a "marker" at a pixel, a "box" around its pixels, or a "polygon"; points (N, 2)."""

    kind: str
    points: np.ndarray


@dataclass(frozen=True)
class LocatedTask(QueryTask):
    """A task whose answer is a list of points, (row, column) pixels of the slice as rendered.

    form: how the list is written, `{}` standing for the pairs. drawn: the kind of its `Drawing`. frame: what the
    baseline is called that answers with the whole frame.
    """

    form: str = "{}"
    drawn: str = "polygon"
    frame: str = "whole frame"

    @property
    def pattern(self) -> re.Pattern:
        """The form that strict parsing accepts."""
        before, after = (re.escape(part) for part in self.form.split("{}"))
        return re.compile(before + _coordinates.STRICT_LIST + after)

    @abstractmethod
    def counts(self, limits: Limits) -> set[int]:
        """How many points an answer has."""

    def lenient_counts(self, limits: Limits) -> set[int]:
        """How many points may stand for an answer in lenient parsing."""
        return self.counts(limits)

    def strict_status(self, points: np.ndarray) -> str:
        """The status of points that passed all other checks of strict parsing."""
        return "ok"

    def completed(self, points: np.ndarray) -> np.ndarray:
        """An answer from points that lenient parsing let pass."""
        return points

    def is_degenerate(self, points: np.ndarray) -> bool:
        return False

    def interpret(self, text: str, mode: str, limits: Limits) -> Answer:
        if mode == "strict":
            pairs = _coordinates.strict(text, self.pattern, limits)
            if pairs is None:
                return Answer("malformed")
            answer = self._checked(pairs, limits, self.counts(limits))
            return Answer(self.strict_status(answer.points), points=answer.points) if answer.status == "ok" else answer
        counts = self.lenient_counts(limits)
        pairs = _coordinates.lenient(text, limits, counts)
        if pairs is None:
            return Answer("malformed")
        answer = self._checked(pairs, limits, counts)
        return Answer("ok", points=self.completed(answer.points)) if answer.status == "ok" else answer

    def _checked(self, pairs: _coordinates.Pairs, limits: Limits, counts: set[int]) -> Answer:
        """Count, then convert to our pixels, then range, then area: the first error names the status."""
        if np.abs(pairs).max() >= _coordinates.HUGE:
            return Answer("wrong_count" if len(pairs) not in counts else "out_of_range")
        points = coordinates.decode(pairs, limits.convention, limits.side)
        if len(points) not in counts:
            return Answer("wrong_count", points=points)
        if points.min() < 0 or points.max() >= limits.side:
            return Answer("out_of_range", points=points)
        if self.is_degenerate(points):
            return Answer("degenerate", points=points)
        return Answer("ok", points=points)

    @abstractmethod
    def of_box(self, box: shapes.Box) -> np.ndarray:
        """A box as an answer, (N, 2)."""

    def of_mask(self, mask: np.ndarray, settings: Mapping | None = None) -> np.ndarray | None:
        """The true answer to a slice's mask, (N, 2); None without tumour. `settings` are those of conversations."""
        box = shapes.box_from_mask(shapes.parts_to_show(mask, (settings or {}).get("components", "all")))
        return None if box is None else self.of_box(box)

    def write(self, points: Sequence | np.ndarray, convention: Mapping | None, side: int) -> str:
        """Our points as an answer in the coordinates that a model uses."""
        pairs = coordinates.encode(points, convention, side).tolist()
        return self.form.format(", ".join(f"({a}, {b})" for a, b in pairs))

    def true_answer(self, hgg: bool, tumour: bool, mask: np.ndarray, settings: Mapping) -> str:
        return self.write(self.of_mask(mask, settings), settings["coordinates"], settings["side"])

    def drawing(self, points: np.ndarray) -> Drawing:
        return Drawing(self.drawn, points)


@dataclass(frozen=True)
class RegionTask(LocatedTask):
    """A located task whose answer stands for pixels."""

    @abstractmethod
    def pixels(self, points: np.ndarray, side: int, inclusive: bool = True) -> np.ndarray:
        """The pixels (side, side) that an answer covers. `inclusive`: whether a box holds its last row and column."""

    def generation_score(
        self, found: Sequence[Answer], wanted: Sequence[Answer], rows: Sequence[Mapping], limits: Limits
    ) -> float:
        """The mean Dice with the true answer's pixels."""

        def dice(one: Answer, true: Answer) -> float:
            if one.points is None or true.points is None or one.status != "ok":
                return 0.0
            drawn, truth = (self.pixels(each.points, limits.side) for each in (one, true))
            return segmentation.overlap(drawn, truth)["dice"]

        return float(np.mean([dice(one, true) for one, true in zip(found, wanted, strict=True)]))
