"""What a mask and four sequences say in numbers: first-order and shape features of the tumour.

Definitions follow the Image Biomarker Standardisation Initiative (Zwanenburg et al., Radiology 295:328-338 (2020)) but
for what is named beside a feature. Intensities have no unit in MRI: they are standard deviations from the brain's mean.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage, stats

from glioma.cohort.sequences import SEQUENCES

BIN = 0.25
"""Width of the entropy's bins, in standard deviations of the brain."""
FIRST_ORDER = ("mean", "sd", "p10", "p90", "skewness", "kurtosis", "entropy")
SHAPE = ("volume", "major_axis", "elongation", "flatness", "sphericity", "components")
NAMES = (*(f"{sequence}_{name}" for sequence in SEQUENCES for name in FIRST_ORDER), *SHAPE)
FEWEST = 10
"""With fewer voxels than this a mask has a volume and nothing else."""


def describe(image: np.ndarray, mask: np.ndarray, spacing: Sequence[float]) -> dict[str, float]:
    """`NAMES` of one patient; NaN where the mask has fewer than `FEWEST` voxels.

    image: (sequences, slices, rows, columns) of `SEQUENCES`, 0 outside of the brain. mask: bool (slices, rows,
    columns). spacing: mm along slices, rows and columns.
    """
    found = dict.fromkeys(NAMES, float("nan")) | {"volume": float(mask.sum() * np.prod(spacing) / 1000)}
    if mask.sum() < FEWEST:
        return found
    brain = image.any(axis=0)
    for sequence, volume in zip(SEQUENCES, image, strict=True):
        inside = volume[brain].astype(float)
        values = (volume[mask] - inside.mean()) / max(inside.std(), 1e-6)
        found |= {f"{sequence}_{name}": value for name, value in first_order(values).items()}
    return found | shape(mask, spacing)


def first_order(values: np.ndarray) -> dict[str, float]:
    """`FIRST_ORDER` of intensities (N,). Kurtosis is that of a normal distribution less 3; entropy is in bits."""
    share = np.unique(np.floor(values / BIN), return_counts=True)[1] / values.size
    constant = np.ptp(values) == 0
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "p10": float(np.percentile(values, 10)),
        "p90": float(np.percentile(values, 90)),
        "skewness": 0.0 if constant else float(stats.skew(values)),
        "kurtosis": 0.0 if constant else float(stats.kurtosis(values)),
        "entropy": float(-np.sum(share * np.log2(share))),
    }


def shape(mask: np.ndarray, spacing: Sequence[float]) -> dict[str, float]:
    """`SHAPE` of a mask (slices, rows, columns): ml, mm, and ratios.

    Axes are those of the ellipsoid with the mask's second moments. Sphericity takes the surface of the voxels' faces,
    not of a mesh: that of a ball is 2/3, not 1.
    """
    spacing = np.asarray(spacing, dtype=float)
    volume = float(mask.sum() * spacing.prod())
    moments = np.linalg.eigvalsh(np.cov((np.argwhere(mask) * spacing).T)).clip(min=0)
    least, minor, major = np.sqrt(moments)
    padded = np.pad(mask, 1).astype(np.int8)
    faces = [np.count_nonzero(np.diff(padded, axis=axis)) * spacing.prod() / spacing[axis] for axis in range(3)]
    return {
        "volume": volume / 1000,
        "major_axis": 4 * float(major),
        "elongation": float(minor / major),
        "flatness": float(least / major),
        "sphericity": float((36 * np.pi * volume**2) ** (1 / 3) / sum(faces)),
        "components": float(ndimage.label(mask, structure=np.ones((3, 3, 3)))[1]),
    }
