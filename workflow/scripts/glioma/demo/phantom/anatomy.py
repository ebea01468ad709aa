"""One patient's brain: the template under an affine, a smooth warp, its own cortical folding, and the tumour's push.

Everything is sampled backwards: for each voxel of the patient, where in the template it comes from. Arrays cover BOX,
the part of the 240 x 240 x 155 scan that a brain can reach, in scan axes: i to the patient's left, j to posterior,
k to superior, 1 mm.
"""

from dataclasses import dataclass

import numpy as np

from glioma.demo.phantom import fields
from glioma.demo.phantom.template import MAPS, ORIGIN, TISSUE, Template

SCAN_SHAPE = (240, 240, 155)
BOX_START = (45, 27, 1)
BOX = (150, 186, 152)
BOX_SLICES = tuple(slice(start, start + size) for start, size in zip(BOX_START, BOX, strict=True))
HALF = (slice(None, None, 2),) * 3

# What lies beyond the brain's outline while slices are blurred: cortex and fluid, not air.
OUTSIDE = {"gm": 0.5, "wm": 0.0, "csf": 0.5}

# The middle of the template's brain, in MNI millimetres; it lies in the middle of the box.
TEMPLATE_CENTRE = np.array([0.0, -17.0, 5.0], dtype=np.float32)


@dataclass
class Anatomy:
    """Maps on BOX, float32 unless said otherwise, and the voxel (in BOX) where the tumour starts.

    brain: bool. gm, wm, csf: fractions that sum to 1 (OUTSIDE the brain too). t1: relative T1 texture.
    midline: millimetres from the mid-sagittal plane, positive to the patient's right. The rest as in `Template.maps`.
    """

    brain: np.ndarray
    maps: dict[str, np.ndarray]
    midline: np.ndarray
    centre: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        return self.maps[name]


@dataclass(frozen=True)
class Push:
    """Mass effect: tissue `radius` mm from the tumour's centre has moved out by `shift` mm, and less beyond."""

    radius: float
    shift: float
    reach: float


def _rotation(angles: np.ndarray) -> np.ndarray:
    """(3, 3) rotation by three small angles in radians about x, y, z."""
    sines, cosines = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, cosines[0], -sines[0]], [0, sines[0], cosines[0]]])
    about_y = np.array([[cosines[1], 0, sines[1]], [0, 1, 0], [-sines[1], 0, cosines[1]]])
    about_z = np.array([[cosines[2], -sines[2], 0], [sines[2], cosines[2], 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def _warp(rng: np.random.Generator) -> np.ndarray:
    """(3, *BOX) float32: the template index each voxel of a still healthy patient comes from."""
    scale = np.clip(rng.normal(0.94, 0.022, 3) * rng.normal(1, 0.015), 0.88, 0.975)
    # Scan axes run against x and y of the template, so the diagonal is negative there.
    matrix = _rotation(rng.normal(0, 0.025, 3)) @ np.diag([-1, -1, 1] / scale)
    offsets = [np.arange(size, dtype=np.float32) - (size - 1) / 2 for size in BOX]
    grids = [offsets[0][:, None, None], offsets[1][None, :, None], offsets[2][None, None, :]]
    source = np.empty((3, *BOX), dtype=np.float32)
    for axis in range(3):
        source[axis] = sum(float(matrix[axis, other]) * grids[other] for other in range(3))
        source[axis] += TEMPLATE_CENTRE[axis] + ORIGIN[axis]
        source[axis] += 2.2 * fields.noise(rng, BOX, 38) + 1.5 * fields.noise(rng, BOX, 8)
    return source


def _push(source: np.ndarray, centre: np.ndarray, push: Push, depth: np.ndarray, rng: np.random.Generator) -> None:
    """Compose the warp `source` with mass effect, in place; `depth`: mm below the surface at every second voxel.

    Inside `radius` the shift grows linearly, beyond it decays exponentially; the skull does not give, the falx half.
    Moving by d voxels in the patient moves by (Jacobian d) in the template; to first order its signs suffice.
    """
    offsets = [np.arange(size, dtype=np.float32) - c for size, c in zip(BOX, centre, strict=True)]
    grids = np.ix_(*offsets)
    distance = np.sqrt(sum(grid**2 for grid in grids))
    distance += np.float32(1e-3)
    shift = np.exp((push.radius - distance) / push.reach)
    np.divide(distance, push.radius, out=shift, where=distance < push.radius)
    shift *= push.shift
    side = np.sign(source[(0, *np.rint(centre).astype(int))] - ORIGIN[0])
    across = fields.ramp(side * (ORIGIN[0] - source[(0, *HALF)]), 0, 4)
    give = depth / (depth + 6) * (1 - 0.45 * across) * np.clip(1 + 0.25 * fields.noise(rng, depth.shape, 12), 0.4, 1.6)
    shift *= fields.enlarge(give, BOX)
    shift /= distance
    for axis, sign in enumerate((1, 1, -1)):
        source[axis] += sign * (shift * grids[axis])


def build(rng: np.random.Generator, start: np.ndarray, push: Push, template: Template) -> Anatomy:
    """Deform the template into one patient whose tumour starts at template index `start` (3,)."""
    source = _warp(rng)
    half = source[(slice(None), *HALF)]
    nearest = np.argmin(((half - start[:, None, None, None]) ** 2).sum(0))
    centre = 2.0 * np.array(np.unravel_index(nearest, half.shape[1:]), dtype=np.float32)

    # Brain outline before the push: the skull decides it.
    outline, depth = fields.sample(template.outline, half / 2)
    brain = fields.enlarge(outline, BOX) > 0.5
    _push(source, centre, push, depth, rng)

    # Wider or narrower ventricles: sample nearer to or farther from them.
    growth = np.clip(rng.normal(1.0, 1.1), -0.8, 3.2)
    for axis in range(3):
        normal = fields.sample(template.normals[..., axis : axis + 1], half / 2)[0]
        source[axis] -= growth * fields.enlarge(normal, BOX)

    maps = {
        name: fields.enlarge(values, BOX)
        for name, values in zip(MAPS, fields.sample(template.maps, half / 2), strict=True)
    }
    tissue = dict(zip(TISSUE, fields.sample(template.tissue, source[:, brain]), strict=True))
    # The average of 152 brains is blurred; a power sharpens it back to folds, a weight on fluid widens the sulci.
    wide = np.exp(rng.normal(0.1, 0.3))
    sharp = {"gm": tissue["gm"] ** 2.2, "wm": tissue["wm"] ** 2.2, "csf": wide * tissue["csf"] ** 1.8}
    total = sharp["gm"] + sharp["wm"] + sharp["csf"] + 1e-6
    for name, values in sharp.items():
        maps[name] = np.full(BOX, OUTSIDE[name], dtype=np.float32)
        maps[name][brain] = values / total
    maps["t1"] = np.ones(BOX, dtype=np.float32)
    maps["t1"][brain] = tissue["t1"]
    return Anatomy(brain, maps, source[0] - ORIGIN[0], centre)
