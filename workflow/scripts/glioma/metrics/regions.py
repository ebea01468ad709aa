"""Masks, 2D or 3D, with what scoring takes of them, and the distances between their surfaces.

The nearest voxel of a surface is found in one of four ways, whichever is the quickest for what is asked: by all pairs,
in closed form of a box, by the exact Euclidean distance transform of the frame, or by a tree. All give the same
distances but for the transform's last digits: it squares in single precision, so that they are within 1e-6 of
themselves, and exact where voxels are cubes.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Union

import edt
import numpy as np
import scipy  # its parts are loaded when they are first used

PAIRS = 200_000
"""Up to so many pairs of voxels all distances are taken: two outlines of a slice."""
VOXELS_A_POINT = 40
"""A tree takes as long over a voxel of a surface as the transform over so many of the frame, or longer."""
LEAF = 64
"""Points in a leaf of a search tree: surfaces are dense, and fewer, larger leaves are searched faster."""


class Region:
    """A mask and what is taken of it, each made once, however many masks it is held against.

    mask: boolean, 2D or 3D. step: the voxel size along each axis (ndim,), 1 unless `spacing` says so.
    """

    def __init__(self, mask: np.ndarray, spacing: Sequence[float] | None = None):
        self.mask = np.asarray(mask, dtype=bool)
        self.step = np.ones(self.mask.ndim) if spacing is None else np.asarray(spacing, dtype=float)
        self._corner = np.zeros(self.mask.ndim, dtype=int)
        self._transform = np.empty((0,) * self.mask.ndim, dtype=np.float32)

    @classmethod
    def of(cls, mask: Union[np.ndarray, "Region"], spacing: Sequence[float] | None = None) -> "Region":
        """A mask as a region; a region is what it is, whatever the spacing."""
        return mask if isinstance(mask, Region) else cls(mask, spacing)

    @cached_property
    def size(self) -> int:
        """The number of the mask's voxels."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def points(self) -> np.ndarray:
        """The surface: indices (N, ndim) of voxels with a face neighbour outside; beyond the frame is outside."""
        return _surface(self.mask)

    @cached_property
    def places(self) -> np.ndarray:
        """The surface in the unit of the spacing, (N, ndim)."""
        return self.points * self.step

    @cached_property
    def extent(self) -> np.ndarray:
        """The first index of the surface along each axis, and that beyond the last, (2, ndim)."""
        return np.array([self.points.min(axis=0), self.points.max(axis=0) + 1])

    @cached_property
    def box(self) -> tuple[int, int, int, int] | None:
        """Of a slice: the first and the last row and column, (low, low, high, high); None of an empty mask."""
        if not self.size:
            return None
        (top, left), (bottom, right) = self.extent.tolist()
        return top, left, bottom - 1, right - 1

    @cached_property
    def _tree(self) -> "scipy.spatial.cKDTree":
        return scipy.spatial.cKDTree(self.places, LEAF, balanced_tree=False, compact_nodes=False)

    def distances(self, other: "Region") -> np.ndarray:
        """From each point of the other's surface to the nearest of this one's, (N of the other,)."""
        if self.size == np.prod(self.extent[1] - self.extent[0]):
            return self._from_box(other)
        low, high = np.minimum(self.extent[0], other.extent[0]), np.maximum(self.extent[1], other.extent[1])
        if (low < self._corner).any() or (high > self._corner + self._transform.shape).any():
            if np.prod(high - low) > VOXELS_A_POINT * (len(self.points) + len(other.points)):
                return self._tree.query(other.places)[0]
            free = np.ones(high - low, dtype=np.uint8)
            free[tuple((self.points - low).T)] = 0
            # In units of the first step: of cubes the squares are whole numbers, and exact.
            self._corner, self._transform = low, edt.edtsq(free, tuple(self.step / self.step[0]), parallel=1)
        return self.step[0] * np.sqrt(self._transform[tuple((other.points - self._corner).T)], dtype=float)

    def _from_box(self, other: "Region") -> np.ndarray:
        """`distances` of a mask that fills its extent: from outside to the nearest voxel, from inside to the nearest
        face."""
        before, beyond = other.points - self.extent[0], self.extent[1] - 1 - other.points
        outside = np.maximum(0, -np.minimum(before, beyond)) * self.step
        inside = (np.minimum(before, beyond) * self.step).min(axis=1)
        return np.where(inside < 0, np.sqrt((outside**2).sum(axis=1)), inside)


def distances(first: Region, second: Region) -> tuple[np.ndarray, np.ndarray]:
    """From the first's surface to the second's, and the other way round, in the unit of their spacing; none empty."""
    if len(first.points) * len(second.points) <= PAIRS:
        pairs = scipy.spatial.distance.cdist(first.places, second.places)
        return pairs.min(axis=1), pairs.min(axis=0)
    return second.distances(first), first.distances(second)


def _surface(mask: np.ndarray) -> np.ndarray:
    """Shifted views in place of scipy's erosion, which takes ten times as long on a slice."""
    axes = range(mask.ndim)
    hits = [np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    if not len(hits[0]):
        return np.empty((0, mask.ndim), dtype=int)
    mask = mask[tuple(slice(hit[0], hit[-1] + 1) for hit in hits)]
    padded = np.zeros([length + 2 for length in mask.shape], dtype=bool)
    core = (slice(1, -1),) * mask.ndim
    padded[core] = mask
    inner = mask.copy()
    for axis in axes:
        for shift in (slice(None, -2), slice(2, None)):
            inner &= padded[(*core[:axis], shift, *core[axis + 1 :])]
    return np.argwhere(mask > inner) + [hit[0] for hit in hits]
