"""Overlap and surface distance of two masks, 2D or 3D.

Where a mask is empty: two empty masks agree (Dice, precision, recall and NSD 1, HD95 0). With one empty side Dice,
precision, recall and NSD are 0 and HD95 is a declared distance, by default the diagonal of the frame; a score that
skipped such a case would reward saying nothing. Specificity is NaN where the truth fills the frame.
"""

import numpy as np
import scipy  # its parts are loaded when they are first used

from glioma.metrics import with_medpy

# Points in a leaf of a search tree: surfaces are dense, and fewer, larger leaves are searched faster.
LEAF = 64
SCORES = ("dice", "hd95", "precision", "recall", "specificity", "nsd")
"""What `scores` computes of two masks."""
EXTENT = ("true_voxels", "oversegmented", "components", "true_components")
"""What `extent` computes of two masks."""
TOLERANCE = 2.0


def scores(
    predicted: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, ...] | None = None,
    empty_hd95: float | None = None,
    tolerance: float = TOLERANCE,
    convention: str = "pooled",
    backend: str = "own",
) -> dict[str, float]:
    """All of `SCORES` for two boolean masks of one shape; distances in the unit of `spacing` (default: pixels).

    `backend` "own" or "medpy": whose functions compute them where neither mask is empty; what then counts is said here.
    """
    predicted, truth = np.asarray(predicted, dtype=bool), np.asarray(truth, dtype=bool)
    limits = (empty_hd95, tolerance, convention, backend)
    return overlap(predicted, truth, backend) | boundary(predicted, truth, spacing, *limits)


def overlap(predicted: np.ndarray, truth: np.ndarray, backend: str = "own") -> dict[str, float]:
    """Dice, voxel precision, recall and specificity of two boolean masks."""
    if backend == "medpy" and predicted.any() and truth.any():
        return with_medpy.overlap(predicted, truth)
    both = int(np.count_nonzero(predicted & truth))
    n_predicted, n_truth = int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))
    background = truth.size - n_truth
    agree = float(n_predicted == n_truth == 0)
    return {
        "dice": 2 * both / (n_predicted + n_truth) if n_predicted + n_truth else 1.0,
        "precision": both / n_predicted if n_predicted else agree,
        "recall": both / n_truth if n_truth else agree,
        "specificity": 1 - (n_predicted - both) / background if background else float("nan"),
    }


def boundary(
    predicted: np.ndarray,
    truth: np.ndarray,
    spacing: tuple[float, ...] | None = None,
    empty_hd95: float | None = None,
    tolerance: float = TOLERANCE,
    convention: str = "pooled",
    backend: str = "own",
) -> dict[str, float]:
    """HD95 and NSD of two boolean masks, from one computation of the distances between their surfaces.

    hd95: the 95th percentile of the distances between the surfaces. `convention` "pooled": of both directions together,
        as medpy; "max": the larger of the two directed percentiles, as MONAI and the BraTS challenge. Where exactly one
        mask is empty it is `empty_hd95` (default: the frame's diagonal in the unit of `spacing`).
    nsd: normalised surface distance (Nikolov et al. 2018), the share of both surfaces that lies within `tolerance` of
        the other. A surface is its voxels, each of the same weight, as in MONAI's SurfaceDiceMetric; DeepMind's own
        implementation weighs surface elements by their area.
    """
    if not (predicted.any() and truth.any()):
        if predicted.any() == truth.any():
            return {"hd95": 0.0, "nsd": 1.0}
        step = np.ones(truth.ndim) if spacing is None else np.asarray(spacing, dtype=float)
        diagonal = float(np.linalg.norm(step * truth.shape))
        return {"hd95": diagonal if empty_hd95 is None else float(empty_hd95), "nsd": 0.0}
    of = with_medpy.directed_distances if backend == "medpy" else directed_distances
    directions = of(predicted, truth, spacing)
    distances = np.concatenate(directions)
    if convention == "max":
        found = max(np.percentile(each, 95) for each in directions)
    elif backend == "medpy":
        found = with_medpy.hd95(predicted, truth, spacing)
    else:
        found = np.percentile(distances, 95)
    return {"hd95": float(found), "nsd": float(np.mean(distances <= tolerance))}


def hd95(
    predicted: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...] | None = None, empty: float | None = None
) -> float:
    """HD95 alone, as `boundary` defines it."""
    return boundary(predicted, truth, spacing, empty)["hd95"]


def surface_distances(predicted: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...] | None = None) -> np.ndarray:
    """Distances from each mask's surface voxels to the other's, one after the other; neither mask may be empty."""
    return np.concatenate(directed_distances(predicted, truth, spacing))


def directed_distances(
    predicted: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Distances from the prediction's surface voxels to the truth's surface, and the other way round.

    By a KD-tree on the surface voxels within the union's bounding box. `spacing` is the voxel size along each axis
    (default 1).
    """
    step = np.ones(truth.ndim) if spacing is None else np.asarray(spacing, dtype=float)
    # Outside the common box both masks are background, and so no voxel's standing as surface depends on it.
    box = _box(predicted | truth)
    first, second = surface(predicted[box]) * step, surface(truth[box]) * step
    trees = (scipy.spatial.cKDTree(each, LEAF, balanced_tree=False, compact_nodes=False) for each in (second, first))
    of_predicted, of_true = (tree.query(points)[0] for tree, points in zip(trees, (first, second), strict=True))
    return of_predicted, of_true


def surface(mask: np.ndarray) -> np.ndarray:
    """Indices (N, ndim) of the mask's voxels with a face neighbour outside the mask; beyond the frame is outside.

    Shifted views in place of scipy's erosion, which takes ten times as long on a slice.
    """
    inner = mask.copy()
    for axis in range(mask.ndim):
        moved, inside = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)
        inside[1:] &= moved[:-1]
        inside[:-1] &= moved[1:]
        inside[[0, -1]] = False
    return np.argwhere(mask & ~inner)


def extent(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """How much was drawn of what there is: `EXTENT` of two boolean masks, the true one not empty.

    true_voxels: volume of the true mask. oversegmented: volume drawn outside of it, as a share of it (1: as much
    again).
    components, true_components: parts that touch in no face, edge or corner.
    """
    n_truth = int(np.count_nonzero(truth))
    beyond = int(np.count_nonzero(predicted & ~truth))
    touching = np.ones((3,) * truth.ndim)
    return {
        "true_voxels": float(n_truth),
        "oversegmented": beyond / n_truth if n_truth else float("nan"),
        "components": float(scipy.ndimage.label(predicted, touching)[1]),
        "true_components": float(scipy.ndimage.label(truth, touching)[1]),
    }


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The slices of the bounding box of a mask that is not empty."""
    axes = range(mask.ndim)
    hits = [np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    return tuple(slice(hit[0], hit[-1] + 1) for hit in hits)
