"""Four sequences of one anatomy: tissue contrast, tumour contrast, look-alikes, then what a scanner does to them.

Intensities are relative to white matter = 1 in each sequence until the last step. Contrast rules: T1 white > grey >
fluid; T2 fluid > grey > white; FLAIR grey slightly > white, fluid dark; T1ce as T1 with vessels and enhancement.
"""

import numpy as np
from scipy import ndimage

from glioma.demo.phantom import fields
from glioma.demo.phantom.anatomy import BOX, HALF, Anatomy
from glioma.demo.phantom.tumour import Tumour

# Sequence: (grey matter, fluid) relative to white matter, typical clinical values at 1.5-3 T.
TISSUE = {"flair": (1.15, 0.2), "t1": (0.74, 0.33), "t1ce": (0.75, 0.33), "t2": (1.38, 2.7)}


def _lesion_map(rng: np.random.Generator, anatomy: Anatomy) -> np.ndarray:
    """White matter hyperintensities of ageing: caps and bands at the ventricles, confluent or punctate in the depth.

    Soft map 0..1 on the box. Volume is log-normal, from nearly none to tens of millilitres; not related to the tumour.
    """
    wm, ventricle = anatomy["wm"][HALF], anatomy["ventricle"][HALF]
    speckle = fields.octaves(rng, wm.shape, (2.5, 5))
    score = speckle + rng.uniform(1.5, 3.5) * np.exp(-np.clip(ventricle, 0, None) / rng.uniform(4, 9))
    score = np.where((wm > 0.55) & (ventricle > 0), score, -9)
    volume = np.clip(np.exp(rng.normal(np.log(9), 0.9)), 1, 45)
    cut = np.partition(score.ravel(), -int(volume * 125))[-int(volume * 125)]
    return fields.enlarge(fields.ramp(score, cut, 0.18) * (score > -9), BOX) * anatomy["wm"]


def _contrast(rng: np.random.Generator, anatomy: Anatomy, sequence: str) -> np.ndarray:
    """The healthy brain in one sequence, white matter = 1."""
    grey, fluid = TISSUE[sequence]
    grey = 1 + (grey - 1) * rng.uniform(0.75, 1.2)
    fluid *= rng.uniform(0.85, 1.15)
    image = anatomy["wm"] + grey * anatomy["gm"] + fluid * anatomy["csf"]
    if sequence in ("t1", "t1ce"):
        return image * anatomy["t1"]
    image *= 1 - rng.uniform(0.15, 0.3) * anatomy["iron"] * (1 - anatomy["csf"])
    return image


def _flair_artefacts(rng: np.random.Generator, image: np.ndarray, anatomy: Anatomy) -> None:
    """What is bright on FLAIR and is not tumour: limbic cortex, ependyma, flow, plexus, skull-base susceptibility."""
    ventricle, csf, gm, wm = (anatomy[name] for name in ("ventricle", "csf", "gm", "wm"))
    image += rng.uniform(0.06, 0.2) * anatomy["limbic"] * gm
    image += rng.uniform(0.15, 0.5) * np.exp(-((ventricle - 0.8) ** 2) / 1.6) * (1 - 0.5 * csf)
    image += rng.uniform(0.3, 0.7) * anatomy["choroid"]
    flow = fields.ramp(fields.noise(rng, BOX, 9), rng.uniform(1.1, 2.0), 0.25)
    image += rng.uniform(0.3, 0.9) * flow * csf
    # Cortex that happens to be bright, and patches of grey-looking white matter, in smooth regions.
    image += rng.uniform(0.1, 0.3) * fields.ramp(fields.noise(rng, BOX, 16), rng.uniform(0.9, 1.5), 0.3) * gm
    image += rng.uniform(0.04, 0.16) * fields.ramp(fields.noise(rng, BOX, 20), 0.8, 0.4) * wm
    base = np.exp(-anatomy["depth"] / 8) * fields.ramp(fields.noise(rng, BOX, 22), 1.2, 0.3)
    image += rng.uniform(0.1, 0.5) * base * (1 - csf)


def _enhance(rng: np.random.Generator, image: np.ndarray, anatomy: Anatomy) -> None:
    """Gadolinium outside the tumour: arteries, sinuses, plexus, cortical veins in the sulci."""
    veins = fields.ramp(np.abs(fields.noise(rng, BOX, 5)), 0.12, 0.04)
    veins = (1 - veins) * anatomy["csf"] * np.exp(-np.clip(anatomy["depth"] - 6, 0, None) / 5)
    veins *= fields.ramp(fields.noise(rng, BOX, 7), 0.2, 0.2)
    image += rng.uniform(0.4, 0.9) * veins
    image += rng.uniform(0.6, 1.1) * anatomy["vessels"]
    image += rng.uniform(0.4, 0.9) * anatomy["sinus"] * (0.3 + 0.7 * anatomy["csf"])
    image += rng.uniform(0.3, 0.7) * anatomy["choroid"]


def _add_tumour(rng: np.random.Generator, images: dict[str, np.ndarray], tumour: Tumour) -> None:
    """Blend the tumour's zones into the four sequences; strengths differ from patient to patient and place to place."""
    plan = tumour.plan
    # The rest of the box would stay as it is. Two voxels are the reach of the blur below.
    part = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in tumour.window)
    images = {name: image[part] for name, image in images.items()}
    core, enhancing, necrosis = tumour.core[part], tumour.enhancing[part], tumour.necrosis[part]
    rough = fields.octaves(rng, BOX, (4, 10), part)
    patchy = np.clip(0.85 + 0.3 * fields.octaves(rng, BOX, (6, 14), part), 0.05, 1.4)

    # Oedema: water between fibres. FLAIR contrast is patchy and fades towards the margin; so strong that the best
    # threshold finds what it finds in real cases (Dice .73).
    fade = tumour.oedema[part] * (0.6 + 0.4 * np.clip(tumour.edge[part] * 2, 0, 1))
    strength = rng.uniform(0.7, 1.05)
    images["flair"] += strength * fade * patchy
    images["t2"] += rng.uniform(0.75, 1.2) * fade * (1 + 0.1 * rough)
    t1_drop = rng.uniform(0.17, 0.3)
    for name in ("t1", "t1ce"):
        images[name] *= 1 - t1_drop * fade

    # Solid, non-enhancing tumour; in a mismatch tumour FLAIR is dark inside a bright border.
    solid = ndimage.gaussian_filter(core * (1 - necrosis), 0.6)
    if plan.mismatch:
        level = rng.uniform(0.62, 0.85) + 0.06 * rough
        flair = level + (1.45 - level) * tumour.border[part] * np.clip(0.7 + 0.4 * patchy - 0.3 * rough, 0, 1)
        water = rng.uniform(2.1, 2.5)
    else:
        flair = 1.3 + rng.uniform(0.2, 0.65) + 0.12 * rough
        water = rng.uniform(1.6, 2.1) + 0.12 * rough
    dark = rng.uniform(0.58, 0.74) + 0.04 * rough
    for name, value in (("flair", flair), ("t2", water), ("t1", dark), ("t1ce", dark * 1.02)):
        images[name] += solid * (value - images[name])

    hollow = ndimage.gaussian_filter(necrosis, 0.6)
    fluid = rng.uniform(0, 1)  # from pasty to liquid
    for name, value in (("flair", 1.15 - 0.5 * fluid), ("t2", 1.7 + 0.6 * fluid), ("t1", 0.5), ("t1ce", 0.52)):
        images[name] += hollow * (value * (1 + 0.08 * rough) - images[name])

    uptake = ndimage.gaussian_filter(enhancing, 0.5)
    brightness = rng.uniform(1.1, 1.65)
    images["t1ce"] += uptake * (brightness * (1 + 0.12 * rough) - images["t1ce"])
    images["flair"] += uptake * rng.uniform(-0.25, 0.1)
    images["t2"] -= uptake * rng.uniform(0.1, 0.45)


def _acquire(rng: np.random.Generator, image: np.ndarray, brain: np.ndarray, thickness: float) -> np.ndarray:
    """Scan in axial slices of `thickness` mm with Rician noise, gain per slice and coil shading; resample to 1 mm.

    Returns the values of the brain's voxels (n,), in their order in the box.
    """
    size = image.shape[2]
    count = int(np.ceil(size / thickness)) + 1
    centres = np.arange(count) * thickness + rng.uniform(-thickness / 2, thickness / 2)
    profile = np.exp(-0.5 * ((np.arange(size)[None] - centres[:, None]) / (0.42 * thickness)) ** 2)
    profile /= np.maximum(profile.sum(1, keepdims=True), 1e-6)
    slices = image @ profile.T.astype(np.float32)
    blur = rng.uniform(0.45, 0.8)
    for axis in (0, 1):
        slices = ndimage.gaussian_filter1d(slices, blur, axis=axis, truncate=3)
    # Thick slices collect more signal.
    sigma = rng.uniform(0.03, 0.055) * min(1, thickness**-0.5)
    real = slices + sigma * rng.standard_normal(slices.shape, dtype=np.float32)
    slices = np.hypot(real, sigma * rng.standard_normal(slices.shape, dtype=np.float32))
    slices *= 1 + rng.normal(0, 0.02 if thickness > 2 else 0.005, count).astype(np.float32)
    image = slices @ fields.linear_matrix(count, (np.arange(size) - centres[0]) / thickness).T
    shading = fields.noise(rng, [n // 2 for n in BOX], 40)
    return image[brain] * np.exp(rng.uniform(0.04, 0.13) * fields.enlarge(shading, BOX)[brain])


def scan(rng: np.random.Generator, anatomy: Anatomy, tumour: Tumour) -> dict[str, np.ndarray]:
    """The four sequences on the box: int16, exactly 0 outside the brain and at least 1 inside."""
    lesions = _lesion_map(rng, anatomy)
    images = {sequence: _contrast(rng, anatomy, sequence) for sequence in TISSUE}
    images["flair"] += rng.uniform(0.25, 0.6) * lesions
    images["t2"] += rng.uniform(0.25, 0.6) * lesions
    for name in ("t1", "t1ce"):
        images[name] *= 1 - rng.uniform(0.02, 0.1) * lesions
    _flair_artefacts(rng, images["flair"], anatomy)
    _enhance(rng, images["t1ce"], anatomy)
    _add_tumour(rng, images, tumour)
    scans = {}
    for sequence, image in images.items():
        volumetric = rng.random() < (0.5 if sequence in ("t1", "t1ce") else 0.15)
        thickness = 1.0 if volumetric else rng.uniform(2.5, 5)
        acquired = _acquire(rng, image, anatomy.brain, thickness)
        white = np.exp(rng.uniform(np.log(150), np.log(900)))
        scans[sequence] = np.zeros(BOX, dtype=np.int16)
        scans[sequence][anatomy.brain] = np.clip(np.rint(acquired * white), 1, 32000)
    return scans
