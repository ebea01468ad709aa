"""What the voxels of a scan must be like: zero outside the brain, something inside, and no more than a brain."""

from collections.abc import Sequence

import numpy as np

from glioma.base.errors import UserError

LARGEST_BRAIN = 2200.0
"""ml. Skulls of adults hold 1,150 to 1,950 ml, heads with skull and scalp from 3,000 on."""
CORNER = 16
"""A corner of a plane is so many times narrower than the plane, at least a voxel."""


def check_background(planes: Sequence[np.ndarray], path: object) -> None:
    """`UserError` where the corners of whole planes of a scan hold something: all that is not zero counts as brain."""
    corners = np.concatenate([_corners(plane) for plane in planes])
    if np.count_nonzero(corners) * 2 > len(corners):
        raise UserError(
            f"{path}: its background is not zero (the corners hold {float(np.median(corners)):g}), and all that is not "
            "zero counts as brain; skull-strip it and set the voxels outside the brain to 0"
        )


def check_content(voxels: np.ndarray, path: object) -> None:
    """`UserError` where a scan (or a plane of it) is the same wherever it is not zero."""
    inside = voxels[voxels != 0]
    if not inside.size:
        raise UserError(f"{path}: every voxel is zero; export the sequence again, or exclude the case")
    if inside.min() == inside.max():
        raise UserError(
            f"{path}: every voxel of the brain is {float(inside[0]):g}, a picture of nothing; export the sequence "
            "again, or exclude the case"
        )


def check_extent(n_voxels: int, spacing: Sequence[float], path: object) -> None:
    """`UserError` where the voxels that are not zero, of `spacing` mm, are more than a brain."""
    volume = n_voxels * float(np.prod(spacing)) / 1000
    if volume > LARGEST_BRAIN:
        raise UserError(
            f"{path}: {volume:,.0f} ml are not zero, and a brain has at most {LARGEST_BRAIN:,.0f}; skull-strip it and "
            "set the voxels outside the brain to 0 (or correct the voxel size in its header)"
        )


def _corners(plane: np.ndarray) -> np.ndarray:
    """The voxels of a plane's four corners."""
    high, wide = (max(1, side // CORNER) for side in plane.shape)
    return np.concatenate(
        [
            plane[rows, columns].ravel()
            for rows in (np.s_[:high], np.s_[-high:])
            for columns in (np.s_[:wide], np.s_[-wide:])
        ]
    )
