"""The box around the tumour of a slice, as four corners."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glioma.geometry import shapes
from glioma.tasks._answer import Limits
from glioma.tasks._located import RegionTask


@dataclass(frozen=True)
class BoundingBox(RegionTask):
    """The answer is "[(row, col), ...]", the corners from the top left clockwise."""

    @property
    def example(self) -> list[tuple[str, str]]:
        return [("_min", "_min"), ("_min", "_max"), ("_max", "_max"), ("_max", "_min")]

    def shown(self, pairs: list) -> list:
        """The first corner and the one across."""
        return pairs[::2]

    def counts(self, limits: Limits) -> set[int]:
        return {4}

    def lenient_counts(self, limits: Limits) -> set[int]:
        """Two opposite corners will do."""
        return {2, 4}

    def strict_status(self, points: np.ndarray) -> str:
        """Four corners must be the top-left, top-right, bottom-right and bottom-left of one box.

        A model writes each coordinate twice and may not repeat itself exactly: the corners name the smallest box that
        holds them as long as each lies nearest to its own corner of it.
        """
        row_min, col_min, row_max, col_max = *points[0], *points[2]  # type: ignore[misc]
        if np.array_equal(points, shapes.corners_from_box((row_min, col_min, row_max, col_max))):
            return "degenerate" if row_min > row_max or col_min > col_max else "ok"
        distances = np.linalg.norm(points[:, None] - self.completed(points), axis=2)
        return "ok" if np.all(np.diag(distances) <= distances.min(axis=1)) else "malformed"

    def completed(self, points: np.ndarray) -> np.ndarray:
        return shapes.corners_from_box(shapes.box_from_corners(points))

    def of_box(self, box: shapes.Box) -> np.ndarray:
        return shapes.corners_from_box(box)

    def of_mask(self, mask: np.ndarray, settings: Mapping | None = None) -> np.ndarray | None:
        box = shapes.box_from_mask(shapes.parts_to_show(mask, (settings or {}).get("components", "all")))
        if box is not None and settings and settings.get("box") == "square":
            box = shapes.square_box(box, mask.shape)
        return None if box is None else self.of_box(box)

    def pixels(self, points: np.ndarray, side: int, inclusive: bool = True) -> np.ndarray:
        return shapes.mask_from_box(shapes.box_from_corners(points), (side, side), inclusive)


TASK = BoundingBox(
    name="bounding_box", title="Bounding box", noun="box", output="region", position=2, form="[{}]", drawn="box"
)
