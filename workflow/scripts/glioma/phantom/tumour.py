"""A glioma that infiltrates: seeded in white matter, grown along it, with core, rim and oedema as the grade has it.

BraTS labels: 1 necrotic or non-enhancing core, 2 oedema and infiltration, 4 enhancing. Growth is an arrival time (a
shortest path over tissue-dependent cost), so oedema has fingers and neither it nor the core leaps over the falx.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from glioma.phantom import fields
from glioma.phantom.anatomy import Anatomy, Push
from glioma.phantom.template import template

CORE, OEDEMA, ENHANCING = 1, 2, 4
REACH = 64  # voxels of the window around the seed, each way
NEVER = 1e4  # cost of a voxel that growth cannot enter, in grey matter millimetres a millimetre


@dataclass(frozen=True)
class Plan:
    """What is decided before the brain is built. Volumes in ml; fractions in 0..1; `start` is a template index (3,)."""

    grade: str
    malignancy: float
    volume: float
    core_fraction: float
    enhancement: float
    necrosis: float
    mismatch: bool
    start: np.ndarray
    push: Push


@dataclass
class Tumour:
    """Labels (uint8) and soft maps (float32, 0..1) on the anatomy's box; `edge` is 1 at the core, 0 at the margin."""

    labels: np.ndarray
    core: np.ndarray
    enhancing: np.ndarray
    necrosis: np.ndarray
    oedema: np.ndarray
    rim: np.ndarray
    edge: np.ndarray
    plan: Plan


def plan(rng: np.random.Generator, grade: str) -> Plan:
    """Draw a tumour: a latent malignancy that the grade only shifts, and what follows from it."""
    high = grade == "HGG"
    malignancy = float(rng.beta(5, 2) if high else rng.beta(2, 4))
    volume = float(np.clip(np.exp(rng.normal(np.log(88 if high else 68), 0.42)), 22 if not high else 32, 165))
    core_fraction = float(np.clip(rng.normal(0.62 - 0.33 * malignancy, 0.12), 0.16, 0.8))
    poorly = high and rng.random() < 0.1
    enhancement = float(np.clip((malignancy - 0.28) / 0.42 + rng.normal(0, 0.18), 0, 1))
    if poorly:
        enhancement = float(rng.uniform(0, 0.15))
    if not high:
        enhancement *= 0.55
    necrosis = float(np.clip((malignancy - 0.3) / 0.5 + rng.normal(0, 0.15), 0.1, 1)) if high else 0.0
    mismatch = bool(not high and rng.random() < 0.3)
    seeds = template().seeds
    start = seeds[rng.integers(len(seeds))]
    radius = (3 * volume * core_fraction * 1000 / (4 * np.pi)) ** (1 / 3)
    shift = float(np.clip(radius * rng.uniform(0.12, 0.30) * (0.7 + 0.6 * malignancy), 1.0, 8.0))
    push = Push(radius=float(radius), shift=shift, reach=float(rng.uniform(16, 28)))
    return Plan(grade, malignancy, volume, core_fraction, enhancement, necrosis, mismatch, start, push)


def _arrival(cost: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Arrival time (mm of unit cost) at every voxel of a 2 mm grid, lightly smoothed against grid artefacts."""
    times, _ = MCP_Geometric(cost, fully_connected=True).find_costs([tuple(start)])
    return ndimage.gaussian_filter(np.minimum(times, NEVER).astype(np.float32) * 2, 0.6)


def _limit(times: np.ndarray, allowed: np.ndarray, millilitres: float) -> float:
    """The arrival time by which `millilitres` of allowed tissue (1 mm voxels) have been reached."""
    values = times[allowed]
    count = min(int(millilitres * 1000), len(values) - 1)
    return float(np.partition(values, count)[count])


def grow(rng: np.random.Generator, plan: Plan, anatomy: Anatomy) -> Tumour:
    """Grow the planned tumour in the patient's brain."""
    shape = anatomy.brain.shape
    low = np.maximum(anatomy.centre.astype(int) - REACH, 0) // 2 * 2
    window = tuple(slice(a, min(a + 2 * REACH, size)) for a, size in zip(low, shape, strict=True))
    size = anatomy.brain[window].shape
    every = tuple(slice(s.start, s.stop, 2) for s in window)
    start = ((anatomy.centre - low) / 2).astype(int)

    brain, wm, csf = anatomy.brain[every], anatomy["wm"][every], anatomy["csf"][every]
    ventricle = anatomy["ventricle"][every]
    midline = np.abs(anatomy.midline[every])
    # The falx is closed except where white matter crosses in the callosum, which lets growth pass, slowly.
    wall = (midline < 2.2) & (wm < 0.6)
    bridge = (midline < 5) & (wm >= 0.6)
    closed = ~brain | wall | (ventricle < 0) | (csf > 0.75)
    texture = np.exp(0.55 * fields.octaves(rng, brain.shape, (2.5, 6)))
    cost = np.where(closed, NEVER, (1.0 / (0.16 + 1.1 * wm**1.5)) * texture * np.where(bridge, 2.5, 1))
    spread = fields.enlarge(_arrival(cost, start), size)
    texture = np.exp(0.5 * fields.octaves(rng, brain.shape, (5, 11)))
    cost = np.where(~brain | wall | (ventricle < -1), NEVER, (1.0 + 0.8 * csf - 0.25 * wm) * texture)
    bulk = fields.enlarge(_arrival(cost, start), size)

    inside = anatomy.brain[window] & (anatomy["ventricle"][window] > -0.5)
    core_volume = plan.volume * plan.core_fraction
    bulk_limit = _limit(bulk, inside, core_volume)
    core_soft = fields.ramp(bulk_limit - bulk, 0, 0.8) * inside
    core = core_soft > 0.5
    tissue = inside & (anatomy["csf"][window] < 0.6) & ~core
    spread_limit = _limit(spread, tissue, plan.volume - core.sum() / 1000)
    margin = 0.10 * spread_limit
    oedema_soft = fields.ramp(spread_limit - spread, 0, margin / 2) * tissue
    edge = np.clip((spread_limit - spread) / spread_limit, 0, 1) * inside

    # Depth below the core's surface decides rim and necrosis; noise makes the rim uneven.
    depth = ndimage.distance_transform_edt(core).astype(np.float32)
    uneven = fields.octaves(rng, size, (5, 11))
    patches = fields.octaves(rng, size, (9, 16))
    if plan.grade == "HGG":
        thickness = (2.0 + 4.5 * (1 - plan.necrosis)) * np.exp(0.45 * uneven)
        hollow = fields.ramp(depth - thickness, 0, 0.7) * core
        coverage = np.quantile(patches[core], 1 - plan.enhancement) if plan.enhancement > 0 else np.inf
        enhancing = (1 - hollow) * core_soft * fields.ramp(patches, coverage, 0.12)
    else:
        # Never a ring: nodules within solid tissue, away from the core's surface layer of infiltration.
        hollow = np.zeros(size, dtype=np.float32)
        share = 0.4 * plan.enhancement
        coverage = np.quantile(patches[core], 1 - share) if share > 0.02 else np.inf
        enhancing = core_soft * fields.ramp(patches, coverage, 0.12)

    labels = np.zeros(size, dtype=np.uint8)
    labels[oedema_soft > 0.5] = OEDEMA
    labels[core] = CORE
    labels[core & (enhancing > 0.5)] = ENHANCING
    labels = _tidy(labels)
    rim = np.exp(-(((depth - 3) / 2.5) ** 2)) * core

    def on_box(values: np.ndarray) -> np.ndarray:
        full = np.zeros(shape, dtype=values.dtype)
        full[window] = values
        return full

    soft = [np.asarray(m, dtype=np.float32) for m in (core_soft, enhancing, hollow, oedema_soft, rim, edge)]
    core_map, enhancing_map, hollow_map, oedema_map, rim_map, edge_map = map(on_box, soft)
    return Tumour(on_box(labels), core_map, enhancing_map, hollow_map, oedema_map, rim_map, edge_map, plan)


def _tidy(labels: np.ndarray) -> np.ndarray:
    """Smooth the outline as a rater's hand does: keep the largest part, close pinholes with oedema."""
    whole = ndimage.gaussian_filter((labels > 0).astype(np.float32), 0.9) > 0.5
    parts, count = ndimage.label(whole)
    if count > 1:
        whole = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    return np.where(whole, labels, 0).astype(np.uint8)
