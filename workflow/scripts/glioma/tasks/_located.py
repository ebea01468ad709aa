"""What the tasks that locate the tumour on a slice share: points in, points out, and the way between."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from glioma.geometry import coordinates, shapes
from glioma.metrics import segmentation
from glioma.tasks import _coordinates, _forms, _legal
from glioma.tasks._answer import Answer, Limits
from glioma.tasks._task import QueryTask

# "integers between 0 and 127", "0-127", "up to 127"; "(row, col)", "[x_min": what stands first in a pair.
# Not "up to 15 points".
_RANGES = re.compile(
    r"(?:\bbetween 0 and|\bfrom 0 to|\bup to|\b0 ?[-–]|\b0 to) ?(\d{1,5})\b"
    r"(?!\s{0,2}(?:points?|vert|corners?|words?|characters?|tokens?|sentences?|keywords?))",
    re.IGNORECASE,
)
_AXES = re.compile(r"[(\[] ?(row|col|x|y)(?:\d|_min|_max|\b)", re.IGNORECASE)


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

    @property
    @abstractmethod
    def example(self) -> list[tuple[str, str]]:
        """What follows the names of row and column at each point that a prompt shows."""

    def shown(self, pairs: list) -> list:
        """Those of an answer's pairs that stand in a form other than the list of pairs."""
        return pairs

    @staticmethod
    def form_of(convention: Mapping | None) -> str:
        """The form in which the model writes answers, one of `_forms.FORMS`."""
        return (convention or {}).get("form", "pairs")

    def wording(self, limits: Limits) -> dict[str, str]:
        axes = coordinates.words(limits.convention, limits.side)
        first, second = axes["first"], axes["second"]
        x_first = limits.convention.get("order") == "x_y"
        points = [(first + b, second + a) if x_first else (first + a, second + b) for a, b in self.example]
        if (form := self.form_of(limits.convention)) != "pairs":
            return axes | {"format": _forms.write(form, self.drawn, self.shown(points))}
        pairs = [f"({a}, {b})" for a, b in points]
        if self.drawn == "polygon":
            pairs.insert(-1, "...")
        return axes | {"format": self.form.format(", ".join(pairs))}

    def legal(self, limits: Limits) -> str:
        form = self.form_of(limits.convention)
        counts = sorted(self.counts(limits))
        if form != "pairs":
            counts = sorted({len(self.shown([None] * count)) for count in counts})
        return _legal.listed(form, self.drawn, self.form, counts, limits.convention, limits.side)

    def check_prompt(self, prompt: str, limits: Limits) -> str | None:
        fields = self.wording(limits)
        last = coordinates.largest(limits.convention, limits.side)
        for said in _RANGES.findall(prompt):
            if int(said) != last:
                return f"has numbers up to {said}, but its model's go up to {last}; write {{range}} in their place"
        for said in _AXES.findall(prompt):
            if said.lower() != fields["first"][: len(said)]:
                return (
                    f"puts {said.lower()} first, but its model's coordinates begin with {fields['first']}; write "
                    "{format}, {first} and {second} in their place"
                )
        if self.form_of(limits.convention) != "pairs" and fields["format"] not in prompt:
            return f"does not show how its model answers, {fields['format']}; write {{format}} where it belongs"
        return None

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
        native = _forms.read(self.form_of(limits.convention), self.drawn, text)
        if mode == "strict" and self.form_of(limits.convention) != "pairs":
            answer = self._checked(native, limits, self.lenient_counts(limits)) if native else Answer("malformed")
            return Answer("ok", points=self.completed(answer.points)) if answer.status == "ok" else answer
        if mode == "strict":
            pairs = _coordinates.strict(text, self.pattern, limits)
            if pairs is None:
                return Answer("malformed")
            answer = self._checked(pairs, limits, self.counts(limits))
            return Answer(self.strict_status(answer.points), points=answer.points) if answer.status == "ok" else answer
        counts = self.lenient_counts(limits)
        pairs = native or _coordinates.lenient(text, limits, counts)
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
        if (form := self.form_of(convention)) != "pairs":
            return _forms.write(form, self.drawn, self.shown(pairs))
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
