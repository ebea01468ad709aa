"""A glioma that infiltrates: seeded in white matter, grown along it, with core, rim and oedema as the grade has it.

BraTS labels: 1 necrotic or non-enhancing core, 2 oedema and infiltration, 4 enhancing. Growth is an arrival time (a
shortest path over tissue-dependent cost), so oedema has fingers and neither it nor the core leaps over the falx.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from glioma.demo.phantom import fields
from glioma.demo.phantom.anatomy import Anatomy, Push

CORE, OEDEMA, ENHANCING = 1, 2, 4
REACH = 64  # voxels of the window around the seed, each way
NEVER = 1e4  # arrival time where growth never comes; it takes some hundreds to cross a brain
BARRIER = -1  # cost of what growth cannot enter


@dataclass(frozen=True)
class Plan:
    """What is decided before the brain is built.

    volume: whole tumour, ml. core_fraction: core / whole. enhancement: share of the viable core that takes up contrast.
    necrosis: 0 none, 1 a thin-walled cavity. mismatch: bright on T2, dark on FLAIR. start: template index (3,).
    """

    grade: str
    malignancy: float
    volume: float
    core_fraction: float
    enhancement: float
    necrosis: float
    mismatch: bool
    start: np.ndarray
    push: Push


@dataclass(frozen=True)
class Tumour:
    """Labels (uint8) and soft maps (float32, 0..1) on the anatomy's box.

    necrosis and enhancing are parts of core. border: a band just inside the core's surface. edge: 1 at the seed,
    0 at the margin of the oedema. window: the part of the box beyond which all of them are 0.
    """

    plan: Plan
    window: tuple[slice, ...]
    labels: np.ndarray
    core: np.ndarray
    enhancing: np.ndarray
    necrosis: np.ndarray
    oedema: np.ndarray
    border: np.ndarray
    edge: np.ndarray


def plan(rng: np.random.Generator, grade: str, seeds: np.ndarray) -> Plan:
    """Draw a tumour: a latent malignancy that the grade only shifts, what follows from it, one of the `seeds` (n, 3).

    Some high-grade tumours hardly enhance and some low-grade ones do, as in life; a low-grade one is never necrotic.
    """
    high = grade == "HGG"
    malignancy = rng.beta(5, 2) if high else rng.beta(2, 4)
    volume = np.clip(np.exp(rng.normal(np.log(88 if high else 74), 0.4)), 38 if high else 24, 165)
    core_fraction = np.clip(rng.normal(0.62 - 0.3 * malignancy, 0.12), 0.18, 0.8)
    enhancement = np.clip((malignancy - 0.28) / 0.5 + rng.normal(0, 0.22), 0, 1)
    necrosis = np.clip((malignancy - 0.3) / 0.5 + rng.normal(0, 0.2), 0.1, 1) if high else 0.0
    if high and rng.random() < 0.1:
        enhancement = rng.uniform(0, 0.15)
    mismatch = not high and rng.random() < 0.3
    start = seeds[rng.integers(len(seeds))]
    radius = (3 * 1000 * volume * core_fraction / (4 * np.pi)) ** (1 / 3)
    shift = np.clip(radius * rng.uniform(0.15, 0.35) * (0.7 + 0.6 * malignancy), 1, 9)
    push = Push(radius=float(radius), shift=float(shift), reach=float(rng.uniform(16, 28)))
    return Plan(grade, malignancy, volume, core_fraction, enhancement, necrosis, mismatch, start, push)


def _arrival(cost: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Arrival time (mm of unit cost) at every voxel of a 2 mm grid, lightly smoothed against grid artefacts."""
    times, _ = MCP_Geometric(cost, fully_connected=True).find_costs([tuple(start)])
    return ndimage.gaussian_filter(np.minimum(2 * times, NEVER).astype(np.float32), 0.6)


def _limit(times: np.ndarray, allowed: np.ndarray, millilitres: float) -> float:
    """The arrival time by which `millilitres` of allowed tissue (1 mm voxels) have been reached."""
    values = times[allowed]
    count = min(int(max(millilitres, 0) * 1000), len(values) - 1)
    return float(np.partition(values, count)[count])


def _spread(
    rng: np.random.Generator, anatomy: Anatomy, every: tuple[slice, ...], start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Arrival times of infiltration, fast along white matter, and of bulk, nearly indifferent to tissue; 2 mm grids.

    The falx is closed except where the callosum crosses it, which lets growth pass, slowly.
    """
    brain, wm, csf = anatomy.brain[every], anatomy["wm"][every], anatomy["csf"][every]
    ventricle, midline = anatomy["ventricle"][every], np.abs(anatomy.midline[every])
    falx = (midline < 2.2) & (wm < 0.6)
    callosum = (midline < 5) & (wm >= 0.6)

    cost = np.where(callosum, 2.5, 1) / (0.16 + 1.1 * wm**1.5)
    cost *= np.exp(0.55 * fields.octaves(rng, brain.shape, (2.5, 6)))
    cost[~brain | falx | (ventricle < 0) | (csf > 0.75)] = BARRIER
    infiltration = _arrival(cost, start)

    cost = 1.0 + 0.8 * csf - 0.25 * wm
    cost *= np.exp(0.5 * fields.octaves(rng, brain.shape, (5, 11)))
    cost[~brain | falx | (ventricle < -1)] = BARRIER
    # Shortest paths on a grid make octahedra; half of the plain distance rounds them off.
    axes = [np.arange(size, dtype=np.float32) - first for size, first in zip(brain.shape, start, strict=True)]
    distance = 2 * np.sqrt(sum(axis**2 for axis in np.ix_(*axes)))
    return infiltration, _arrival(cost, start) + distance * np.exp(0.2 * fields.noise(rng, brain.shape, 7))


def _around(mask: np.ndarray, margin: int) -> tuple[slice, ...]:
    """The box of a mask's voxels, `margin` voxels wider each way where the array goes on."""
    (box,) = ndimage.find_objects(mask.view(np.uint8), max_label=1)
    return tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)


def _interior(rng: np.random.Generator, plan: Plan, core: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Necrosis, enhancement and border of a core (bool), each a soft map 0..1.

    High grade: a rim of uneven thickness round necrosis, with gaps. Low grade: no necrosis and never a ring, at most
    nodules in solid tissue.
    """
    # The nearest voxel outside is never farther than the shell around the core's own box.
    part = _around(core, 1)
    depth = np.zeros(core.shape, dtype=np.float32)
    depth[part] = ndimage.distance_transform_edt(core[part])
    uneven = fields.octaves(rng, core.shape, (4, 10))
    patches = fields.octaves(rng, core.shape, (5, 9, 16))
    border = np.exp(-(((depth - 2.5 - uneven) / 2.5) ** 2)) * core
    if plan.grade == "HGG":
        thickness = (2.6 + 5 * (1 - plan.necrosis)) * np.exp(0.45 * uneven)
        necrosis, share = fields.ramp(depth - thickness, 0, 0.7) * core, plan.enhancement
    else:
        necrosis, share = np.zeros_like(depth), 0.45 * plan.enhancement
    if share < 0.02:
        return necrosis, np.zeros_like(depth), border
    threshold = np.quantile(patches[core], 1 - share)
    return necrosis, (1 - necrosis) * fields.ramp(patches, threshold, 0.12) * core, border


def _labels(core: np.ndarray, enhancing: np.ndarray, oedema: np.ndarray) -> np.ndarray:
    """BraTS labels from soft maps, in one part and with a rater's smooth outline."""
    labels = np.where(oedema > 0.5, OEDEMA, 0)
    labels[core > 0.5] = CORE
    labels[(core > 0.5) & (enhancing > 0.5)] = ENHANCING
    whole = ndimage.gaussian_filter((labels > 0).astype(np.float32), 0.9) > 0.5
    parts, _ = ndimage.label(whole)
    largest = np.argmax(np.bincount(parts.ravel())[1:]) + 1
    return np.where(parts == largest, labels, 0).astype(np.uint8)


def grow(rng: np.random.Generator, plan: Plan, anatomy: Anatomy) -> Tumour:
    """Grow the planned tumour in the patient's brain."""
    shape = anatomy.brain.shape
    low = np.maximum(anatomy.centre.astype(int) - REACH, 0) // 2 * 2
    window = tuple(slice(a, min(a + 2 * REACH, size)) for a, size in zip(low, shape, strict=True))
    every = tuple(slice(part.start, part.stop, 2) for part in window)
    times = _spread(rng, anatomy, every, ((anatomy.centre - low) / 2).astype(int))

    brain, wm, csf = anatomy.brain[window], anatomy["wm"][window], anatomy["csf"][window]
    infiltration, bulk = (fields.enlarge(time, brain.shape) for time in times)
    falx = (np.abs(anatomy.midline[window]) < 1.5) & (wm < 0.5)
    inside = brain & ~falx & (anatomy["ventricle"][window] > -0.5)
    core = fields.ramp(_limit(bulk, inside, plan.volume * plan.core_fraction) - bulk, 0, 0.8) * inside
    solid = core > 0.5
    tissue = inside & ~solid & (csf < 0.6)
    limit = _limit(infiltration, tissue, plan.volume - solid.sum() / 1000)
    oedema = fields.ramp(limit - infiltration, 0, 0.05 * limit) * tissue
    edge = np.clip(1 - infiltration / limit, 0, 1) * inside
    necrosis, enhancing, border = _interior(rng, plan, solid)

    def on_box(values: np.ndarray) -> np.ndarray:
        full = np.zeros(shape, dtype=values.dtype)
        full[window] = values
        return full

    maps = (_labels(core, enhancing, oedema), core, enhancing, necrosis, oedema, border, edge)
    return Tumour(plan, window, *map(on_box, maps))
