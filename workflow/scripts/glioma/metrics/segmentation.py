"""Overlap and surface distance of two masks, 2D or 3D.

Where a mask is empty: two empty masks agree (Dice, precision, recall and NSD 1, HD95 0). With one empty side Dice,
precision, recall and NSD are 0 and HD95 is a declared distance, by default the diagonal of the frame; a score that
skipped such a case would reward saying nothing. Specificity is NaN where the truth fills the frame.
"""

import numpy as np
import scipy  # its parts are loaded when they are first used

from glioma.metrics import regions, with_medpy
from glioma.metrics.regions import Region

SCORES = ("dice", "hd95", "precision", "recall", "specificity", "nsd")
"""What `scores` computes of two masks."""
EXTENT = ("true_voxels", "oversegmented", "components", "true_components")
"""What `extent` computes of two masks."""
TOLERANCE = 2.0
ROUNDING = 1 + 1e-6
"""A distance equal to the tolerance but for rounding is within it."""


def scores(
    predicted: np.ndarray | Region,
    truth: np.ndarray | Region,
    spacing: tuple[float, ...] | None = None,
    empty_hd95: float | None = None,
    tolerance: float = TOLERANCE,
    convention: str = "pooled",
    backend: str = "own",
) -> dict[str, float]:
    """All of `SCORES` for two boolean masks of one shape; distances in the unit of `spacing` (default: pixels).

    A mask that is held against many is given as a `Region`, which has a spacing of its own.
    `backend` "own" or "medpy": whose functions compute them where neither mask is empty; what then counts is said here.
    """
    predicted, truth = Region.of(predicted, spacing), Region.of(truth, spacing)
    limits = (empty_hd95, tolerance, convention, backend)
    return overlap(predicted, truth, backend) | boundary(predicted, truth, None, *limits)


def overlap(predicted: np.ndarray | Region, truth: np.ndarray | Region, backend: str = "own") -> dict[str, float]:
    """Dice, voxel precision, recall and specificity of two boolean masks."""
    predicted, truth = Region.of(predicted), Region.of(truth)
    if backend == "medpy" and predicted.size and truth.size:
        return with_medpy.overlap(predicted.mask, truth.mask)
    both = int(np.count_nonzero(predicted.mask & truth.mask))
    background = truth.mask.size - truth.size
    agree = float(predicted.size == truth.size == 0)
    return {
        "dice": 2 * both / (predicted.size + truth.size) if predicted.size + truth.size else 1.0,
        "precision": both / predicted.size if predicted.size else agree,
        "recall": both / truth.size if truth.size else agree,
        "specificity": 1 - (predicted.size - both) / background if background else float("nan"),
    }


def boundary(
    predicted: np.ndarray | Region,
    truth: np.ndarray | Region,
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
    predicted, truth = Region.of(predicted, spacing), Region.of(truth, spacing)
    if not (predicted.size and truth.size):
        if predicted.size == truth.size:
            return {"hd95": 0.0, "nsd": 1.0}
        diagonal = float(np.linalg.norm(truth.step * truth.mask.shape))
        return {"hd95": diagonal if empty_hd95 is None else float(empty_hd95), "nsd": 0.0}
    if backend == "medpy":
        directions = with_medpy.directed_distances(predicted.mask, truth.mask, truth.step.tolist())
    else:
        directions = regions.distances(predicted, truth)
    together = np.concatenate(directions)
    if convention == "max":
        found = max(np.percentile(each, 95) for each in directions)
    elif backend == "medpy":
        found = with_medpy.hd95(predicted.mask, truth.mask, truth.step.tolist())
    else:
        found = np.percentile(together, 95)
    return {"hd95": float(found), "nsd": float(np.mean(together <= tolerance * ROUNDING))}


def hd95(
    predicted: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...] | None = None, empty: float | None = None
) -> float:
    """HD95 alone, as `boundary` defines it."""
    return boundary(predicted, truth, spacing, empty)["hd95"]


def surface_distances(predicted: np.ndarray, truth: np.ndarray, spacing: tuple[float, ...] | None = None) -> np.ndarray:
    """Distances from each mask's surface voxels to the other's, one after the other; neither mask may be empty."""
    return np.concatenate(regions.distances(Region(predicted, spacing), Region(truth, spacing)))


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
