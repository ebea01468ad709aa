"""The healthy brain that every patient is a deformation of: the ICBM152 average that ships inside nilearn.

Fonov et al., Unbiased nonlinear average age-appropriate brain templates (NeuroImage 2009). Axes are (right-left
reversed x, y, z): index 0 increases to the right, 1 to anterior, 2 to superior, 1 mm; world = index - ORIGIN.
"""

from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from glioma.base.errors import UserError
from glioma.base.files import atomic_path, load_array

ORIGIN = np.array([98.0, 134.0, 72.0], dtype=np.float32)

# Approximate courses of the large vessels in MNI millimetres (right side; mirrored for the left), read off an atlas.
VESSELS = (
    [(0, -30, -48), (0, -26, -30), (0, -20, -16)],  # basilar
    [(14, -4, -26), (13, 2, -16), (24, 4, -16), (36, 4, -12), (42, -4, 0), (44, -18, 12)],  # carotid, middle cerebral
    [(13, 2, -16), (4, 10, -10), (3, 32, -4), (3, 40, 10), (3, 30, 26), (3, 8, 34)],  # anterior cerebral
    [(0, -20, -16), (12, -26, -12), (18, -42, -4), (14, -62, 0)],  # posterior cerebral
    [(2, -4, 14), (2, -24, 12), (1, -38, 6), (0, -50, 4), (0, -66, -4)],  # internal cerebral veins, straight sinus
)
LIMBIC = ((38, 6, 0), (40, -8, 2), (5, 24, 24), (5, -6, 38), (5, -34, 34), (24, -8, -20), (28, -22, -14))
IRON = ((18, -2, -2), (11, -18, -11), (17, -60, -34))  # pallidum, substantia nigra, dentate nucleus


# The last axis of a template's arrays, so that one look-up of a voxel gives all that is sampled together.
TISSUE = ("gm", "wm", "csf", "t1")
OUTLINE = ("brain", "depth")
MAPS = ("ventricle", "depth", "choroid", "iron", "vessels", "sinus", "limbic")


@dataclass(frozen=True)
class Template:
    """float32 arrays on the template grid, x y z first and what is sampled last: `tissue` at 1 mm, the rest at 2 mm.

    tissue: TISSUE; fractions of grey and white matter and fluid (sum 1) and T1 relative to what those predict.
    outline: OUTLINE; the brain as a fraction, and mm below its surface.
    normals: the three components that point away from the ventricles, fading with the distance from them.
    maps: MAPS; ventricle is a signed distance in mm, negative inside.
    seeds: (n, 3) template indices at which a tumour may start.
    """

    tissue: np.ndarray
    outline: np.ndarray
    normals: np.ndarray
    maps: np.ndarray
    seeds: np.ndarray


def save(template: Template, folder: str | Path) -> None:
    """Write one .npy an array; preparing a template takes a second, mapping a written one into memory nothing."""
    for field in fields(Template):
        with atomic_path(Path(folder) / f"{field.name}.npy") as temporary:
            np.save(temporary, getattr(template, field.name))


def load(folder: str | Path) -> Template:
    """What `save` wrote, mapped read-only: a patient touches only the part of it where brain is."""
    return Template(*(load_array(Path(folder) / f"{field.name}.npy") for field in fields(Template)))


def _read(kind: str) -> np.ndarray:
    package = find_spec("nilearn")
    if package is None or package.origin is None:
        raise UserError("the package nilearn is not installed: install the environment again (the phantom needs it)")
    path = Path(package.origin).parent / "datasets" / "data" / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
    if not path.is_file():
        raise UserError(f"{path}: missing; reinstall nilearn at the pinned version, whose package holds the template")
    return np.asarray(nibabel.load(path).dataobj).astype(np.float32)  # type: ignore[attr-defined]


def _blobs(centres: tuple, radius: float, shape: tuple[int, ...]) -> np.ndarray:
    """Sum of Gaussian blobs and their mirror images, at every second voxel of the template; peak about 1."""
    points = np.array([(side * x, y, z) for x, y, z in centres for side in (-1, 1)], dtype=np.float32)
    grids = [np.arange(0, size, 2, dtype=np.float32) - origin for size, origin in zip(shape, ORIGIN, strict=True)]
    axes = [np.exp(-((grid[None] - points[:, axis, None]) ** 2) / (2 * radius**2)) for axis, grid in enumerate(grids)]
    return np.minimum(np.einsum("pi,pj,pk->ijk", *axes, optimize=True), 1).astype(np.float32)


def _tubes(shape: tuple[int, ...]) -> np.ndarray:
    """Soft tubes of about 3 mm along VESSELS, at every second voxel; peak about 1."""
    canvas = np.zeros([(size + 1) // 2 for size in shape], dtype=np.float32)
    for course in VESSELS:
        course = np.array(course, dtype=np.float32)
        for start, end in zip(course[:-1], course[1:], strict=True):
            steps = np.linspace(0, 1, int(2 * np.linalg.norm(end - start)) + 2)[:, None]
            for side in (-1, 1):
                points = (start + steps * (end - start)) * (side, 1, 1) + ORIGIN
                canvas[tuple(np.rint(points / 2).astype(int).T)] = 1
    return np.minimum(3.2 * ndimage.gaussian_filter(canvas, 0.65), 1)


def prepare() -> Template:
    """Read what nilearn ships and derive the maps (about a second)."""
    t1, gm, wm = (_read(kind) for kind in ("t1", "gm", "wm"))
    brain = t1 > 0
    gm /= 255
    wm /= 255
    csf = np.clip(1 - gm - wm, 0, 1)
    # The average blurs sulci into grey matter; its T1 still darkens there.
    csf = np.maximum(csf, np.clip((150 - t1) / 80, 0, 1) * (1 - wm))
    total = np.maximum(gm + wm + csf, np.float32(1e-3))
    for fraction in (gm, wm, csf):
        fraction /= total
    # Half cortex, half fluid beyond the outline: interpolation there must not draw a line round the brain.
    gm[~brain], wm[~brain], csf[~brain] = 0.5, 0, 0.5
    predicted = 70 * csf + 166 * gm + 222 * wm
    relative = np.where(brain, np.clip(t1 / predicted, 0.75, 1.3), np.float32(1))

    halves = (slice(None, None, 2),) * 3
    half_brain = ndimage.binary_fill_holes(brain[halves])
    depth = 2 * ndimage.distance_transform_edt(half_brain)
    x, y, z = np.meshgrid(
        *(np.arange(0, n, 2, dtype=np.float32) - o for n, o in zip(brain.shape, ORIGIN, strict=True)),
        indexing="ij",
        sparse=True,
    )
    fluid = (csf[halves] > 0.5) & half_brain
    deep = fluid & (np.abs(x) < 40) & (y > -62) & (y < 40) & (z > -18) & (z < 34) & (depth > 22)
    parts, _ = ndimage.label(deep)
    largest = np.argsort(np.bincount(parts.ravel())[1:])[::-1][:3] + 1
    ventricle = np.isin(parts, largest)
    signed = 2 * (ndimage.distance_transform_edt(~ventricle) - ndimage.distance_transform_edt(ventricle))
    signed = ndimage.gaussian_filter(signed.astype(np.float32), 0.7)
    normals = np.gradient(ndimage.gaussian_filter(signed, 1.5), 2.0)
    reach = np.exp(-np.abs(signed) / 9)

    vault = (np.abs(x) < 5) & (depth < 7) & (z > -12) & (y < 62)
    supratentorial = (z > -22) & ((z > 2) | (y > -30)) & (y > -72) & (y < 44) & (np.abs(x) > 14)
    seedable = (wm[halves] > 0.6) & supratentorial & (depth > 9)
    shape = brain.shape
    surface_depth = depth.astype(np.float32)
    maps = {
        "ventricle": signed,
        "depth": surface_depth,
        "choroid": _blobs(((22, -38, 8), (14, -22, 16), (26, -30, -4)), 6, shape) * (signed < 1),
        "iron": _blobs(IRON, 4, shape),
        "vessels": _tubes(shape),
        "sinus": ndimage.gaussian_filter(vault.astype(np.float32), 0.7),
        "limbic": _blobs(LIMBIC, 9, shape),
    }
    return Template(
        tissue=np.stack([gm, wm, csf, relative], axis=-1),
        outline=np.stack([ndimage.gaussian_filter(half_brain.astype(np.float32), 0.5), surface_depth], axis=-1),
        normals=np.stack([normal * reach for normal in normals], axis=-1),
        maps=np.stack([maps[name] for name in MAPS], axis=-1),
        seeds=2 * np.argwhere(seedable).astype(np.float32),
    )
