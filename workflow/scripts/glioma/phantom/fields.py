"""Smooth random fields and separable resampling on the working box: what makes a patient in seconds.

A field of millions of voxels is a small grid of coefficients times one matrix an axis, which costs a few
hundredths of a second where a general interpolation of the same field costs a second.
"""

from collections.abc import Sequence

import numpy as np


def bspline_matrix(size: int, spacing: float) -> np.ndarray:
    """(size, knots) float32: cubic B-spline weights of knots `spacing` voxels apart, at each voxel of an axis.

    Rows have unit length rather than unit sum: independent unit-variance coefficients then give a field of unit
    variance at every voxel.
    """
    knots = int(np.ceil((size - 1) / spacing)) + 4
    distance = np.abs(np.arange(size)[:, None] / spacing - (np.arange(knots)[None, :] - 1.5))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    return (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)


def linear_matrix(size: int, positions: np.ndarray) -> np.ndarray:
    """(len(positions), size) float32: linear interpolation of an axis of `size` samples, constant beyond its ends."""
    positions = np.clip(positions, 0, size - 1)
    return np.clip(1 - np.abs(positions[:, None] - np.arange(size)[None, :]), 0, None).astype(np.float32)


def separable(values: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Apply one (new, old) matrix to each axis of a 3D array."""
    first, second, third = matrices
    values = np.tensordot(first, values, (1, 0))
    return (second @ values) @ third.T


def noise(rng: np.random.Generator, shape: Sequence[int], spacing: float) -> np.ndarray:
    """Smooth Gaussian field: float32 of `shape`, zero mean, unit variance, features about `spacing` voxels across."""
    matrices = [bspline_matrix(size, spacing) for size in shape]
    coefficients = rng.standard_normal([matrix.shape[1] for matrix in matrices], dtype=np.float32)
    return separable(coefficients, matrices)


def octaves(rng: np.random.Generator, shape: Sequence[int], spacings: Sequence[float]) -> np.ndarray:
    """Sum of `noise` at several spacings, amplitude proportional to the spacing's square root, unit variance."""
    weights = np.sqrt(np.asarray(spacings, dtype=np.float32))
    weights /= np.linalg.norm(weights)
    return sum(weight * noise(rng, shape, spacing) for weight, spacing in zip(weights, spacings, strict=True))


def enlarge(half: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Linear interpolation to `shape` of samples taken at every second voxel."""
    return separable(half, [linear_matrix(old, np.arange(new) / 2) for old, new in zip(half.shape, shape, strict=True)])


def ramp(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Smooth step, 0 well below `centre` and 1 well above it: a logistic with scale `width`, float32."""
    argument = np.clip((values - centre) / width, -30, 30)
    return (1 / (1 + np.exp(-argument))).astype(np.float32)
