"""The outline of the tumour of a slice, as 10 to 15 points."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glioma.geometry import shapes
from glioma.tasks._answer import Limits
from glioma.tasks._located import RegionTask

# "10 to 15 point", "12-20 points", "between 10 and 15 points"
_ASKED = re.compile(r"\b(\d{1,3})\s*(?:to|-|–|and|or)\s*(\d{1,3})[- ]+(?:point|vert)", re.IGNORECASE)


@dataclass(frozen=True)
class Polygon(RegionTask):
    """The answer is "((row, col), ...)", clockwise."""

    @property
    def example(self) -> list[tuple[str, str]]:
        return [("1", "1"), ("2", "2"), ("N", "N")]

    def counts(self, limits: Limits) -> set[int]:
        return set(range(limits.polygon_points[0], limits.polygon_points[1] + 1))

    def is_degenerate(self, points: np.ndarray) -> bool:
        return np.linalg.matrix_rank(points - points[0]) < 2

    def of_box(self, box: shapes.Box) -> np.ndarray:
        return shapes.polygon_from_mask(shapes.mask_from_box(box, (box[2] + 1, box[3] + 1)))

    def of_mask(self, mask: np.ndarray, settings: Mapping | None = None) -> np.ndarray | None:
        counts = settings["polygon_points"] if settings and "polygon_points" in settings else shapes.POLYGON_POINTS
        return shapes.polygon_from_mask(mask, *counts)

    def pixels(self, points: np.ndarray, side: int, inclusive: bool = True) -> np.ndarray:
        return shapes.mask_from_polygon(points, (side, side))

    def check_prompt(self, prompt: str, limits: Limits) -> str | None:
        for low, high in _ASKED.findall(prompt):
            if not {int(low), int(high)} <= self.counts(limits):
                fewest, most = limits.polygon_points
                return f"asks for {low} to {high} points, but {fewest} to {most} are parsed; make them the same"
        return super().check_prompt(prompt, limits)


TASK = Polygon(name="polygon", title="Polygon", noun="polygon", output="region", position=3, form="({})")
