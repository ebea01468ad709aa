"""The measures of two masks by MedPy's own functions: the key `scores.backend: medpy`.

MedPy is licensed under the GPL and is no dependency of the workflow: `pip install medpy` where this key is set. It is
imported here and nowhere else outside of the tests, and some fifty times slower than `segmentation`, whose scores it
gives.
"""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from glioma.base.errors import UserError

MISSING = "medpy is not installed; pip install medpy, or set scores.backend: own"


def available() -> bool:
    """Whether MedPy is installed."""
    return find_spec("medpy") is not None


def _functions():
    try:
        from medpy.metric import binary
    except ModuleNotFoundError:
        raise UserError(MISSING) from None
    return binary


def overlap(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Dice, precision, recall and specificity of two boolean masks, neither of them empty."""
    binary = _functions()
    full = bool(truth.all())
    return {
        "dice": float(binary.dc(predicted, truth)),
        "precision": float(binary.precision(predicted, truth)),
        "recall": float(binary.recall(predicted, truth)),
        "specificity": float("nan") if full else float(binary.specificity(predicted, truth)),
    }


def hd95(predicted: np.ndarray, truth: np.ndarray, spacing: Sequence[float]) -> float:
    """The 95th percentile of both directions' surface distances together; neither mask may be empty."""
    return float(_functions().hd95(predicted, truth, voxelspacing=spacing))


def directed_distances(
    predicted: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Distances from the prediction's surface voxels to the truth's surface, and the other way round."""
    # What its hd95, assd and asd are made of has no public name.
    distances = vars(_functions())["__surface_distances"]
    return distances(predicted, truth, spacing, 1), distances(truth, predicted, spacing, 1)
