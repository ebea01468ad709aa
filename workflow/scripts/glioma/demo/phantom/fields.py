"""Smooth random fields and separable resampling on the working box: what makes a patient in seconds.

A field of millions of voxels is a small grid of coefficients times one matrix an axis, which costs a few
hundredths of a second where a general interpolation of the same field costs a second.
"""

from collections.abc import Sequence

import numpy as np

# Places that `sample` looks up at a time.
BLOCK = 8192
EVERYTHING = (slice(None),) * 3


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


def noise(
    rng: np.random.Generator, shape: Sequence[int], spacing: float, part: Sequence[slice] = EVERYTHING
) -> np.ndarray:
    """Smooth Gaussian field: float32, zero mean, unit variance, features about `spacing` voxels across.

    Of a field of `shape` only `part` is computed; what is drawn does not depend on it.
    """
    matrices = [bspline_matrix(size, spacing) for size in shape]
    coefficients = rng.standard_normal([matrix.shape[1] for matrix in matrices], dtype=np.float32)
    return separable(coefficients, [matrix[rows] for matrix, rows in zip(matrices, part, strict=True)])


def octaves(
    rng: np.random.Generator, shape: Sequence[int], spacings: Sequence[float], part: Sequence[slice] = EVERYTHING
) -> np.ndarray:
    """Sum of `noise` at several spacings, amplitude proportional to the spacing's square root, unit variance."""
    weights = np.sqrt(np.asarray(spacings, dtype=np.float32))
    weights /= np.linalg.norm(weights)
    return sum(weight * noise(rng, shape, spacing, part) for weight, spacing in zip(weights, spacings, strict=True))


def enlarge(half: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Linear interpolation to `shape` of samples taken at every second voxel; an even axis repeats its last sample."""
    for axis, new in enumerate(shape):
        before = (slice(None),) * axis
        old = half.shape[axis]
        full = np.empty((*half.shape[:axis], new, *half.shape[axis + 1 :]), dtype=half.dtype)
        full[(*before, slice(0, None, 2))] = half
        between = full[(*before, slice(1, 2 * old - 1, 2))]
        np.add(half[(*before, slice(0, -1))], half[(*before, slice(1, None))], out=between)
        between *= 0.5
        full[(*before, slice(2 * old - 1, None))] = half[(*before, slice(-1, None))]
        half = full
    return half


def sample(volume: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Linear interpolation of all channels of a volume (x, y, z, channels) at `positions` (3, ...), in voxels.

    Returns (channels, ...) float32, 0 beyond the volume. Equals `scipy.ndimage.map_coordinates` of one channel after
    the other at a third of the time: places and weights are found once, in blocks that fit a cache.
    """
    shape, channels = volume.shape[:3], volume.shape[3]
    voxels = np.ascontiguousarray(volume.reshape(-1, channels))
    last = np.array(shape)[:, None] - 1
    steps = np.array([shape[1] * shape[2], shape[2], 1])
    flat = positions.reshape(3, -1)
    result = np.empty((channels, flat.shape[1]), dtype=np.float32)
    for start in range(0, flat.shape[1], BLOCK):
        place = flat[:, start : start + BLOCK].astype(np.float64)
        inside = ((place >= 0) & (place <= last)).all(0)
        place = np.where(inside, place, 0)
        lower = np.minimum(place.astype(np.intp), last - 1)
        first = steps @ lower
        upper = place - lower
        weights = (1 - upper, upper)
        total = np.zeros((place.shape[1], channels))
        for corner in np.ndindex(2, 2, 2):
            weight = weights[corner[0]][0] * weights[corner[1]][1] * weights[corner[2]][2] * inside
            total += weight[:, None] * voxels.take(first + steps @ corner, axis=0)
        result[:, start : start + BLOCK] = total.T
    return result.reshape(channels, *positions.shape[1:])


def ramp(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Smooth step, 0 well below `centre` and 1 well above it: a logistic with scale `width`, float32."""
    # In one array: arrays as large as the box are made faster than they are filled.
    argument = (values - centre) / width
    np.clip(argument, -30, 30, out=argument)
    np.negative(argument, out=argument)
    np.exp(argument, out=argument)
    argument += 1
    return np.divide(1, argument, out=argument).astype(np.float32, copy=False)
