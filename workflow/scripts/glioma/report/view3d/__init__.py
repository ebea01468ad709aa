"""A patient in three dimensions: one offline HTML file with four sequences, the truth, and what methods located.

Drawn by NiiVue (https://github.com/niivue/niivue, BSD-2-Clause), which is fetched from npm and stands in the file.
"""

import base64
import gzip
import hashlib
import io
import tarfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from markupsafe import Markup

from glioma import tasks
from glioma.base import pages
from glioma.base.errors import UserError
from glioma.base.files import atomic_path
from glioma.geometry import slices

HERE = Path(__file__).parent
VERSION = "0.69.0"
PACKAGE = f"https://registry.npmjs.org/@niivue/niivue/-/niivue-{VERSION}.tgz"
MEMBER = "package/dist/niivue.umd.js"
DIGEST = "6e9a6a471b428eb3b258a0086beca9187d95e43a781a39e8a519c6da246af485"
"""SHA-256 of the package: what runs in the page is what was tried."""
COLOURS = ("#4DB8FF", "#FF3B30", "#FFB000", "#44AA99", "#AA3377", "#DDCC77", "#EE99AA", "#BBBBBB")
"""Of the truth, then of the methods in turn."""


def fetch(out: str | Path) -> None:
    """NiiVue's script from npm's registry; `UserError` without a network, and for another package than was tried."""
    try:
        with urllib.request.urlopen(PACKAGE, timeout=60) as answer:
            packed = answer.read()
    except OSError as error:
        raise UserError(f"{out}: cannot fetch {PACKAGE} ({error}); look at the network") from None
    if (found := hashlib.sha256(packed).hexdigest()) != DIGEST:
        raise UserError(
            f"{out}: {PACKAGE} has the SHA-256 {found}, not that of the package that was tried; do not use it"
        )
    with tarfile.open(fileobj=io.BytesIO(packed)) as package, atomic_path(out) as temporary:
        script = package.extractfile(MEMBER)
        assert script is not None
        temporary.write_bytes(script.read())


def nifti(volume: np.ndarray, geometry: Mapping[str, Any]) -> str:
    """A crop's volume (slice, row, column), uint8 or bool, as gzipped NIfTI in the scan's millimetres, in base64."""
    # A NIfTI file's first axis is the columns.
    image = nibabel.Nifti1Image(np.asarray(volume, np.uint8).transpose(2, 1, 0), _to_mm(geometry)[:, [2, 1, 0, 3]])
    return base64.b64encode(gzip.compress(image.to_bytes(), mtime=0)).decode()


def _to_mm(geometry: Mapping[str, Any]) -> np.ndarray:
    """From a crop's (slice, row, column) to the scan's millimetres, (4, 4)."""
    return np.asarray(geometry["scan_affine"]) @ np.asarray(geometry["to_voxel"])


def stacked(answers: pd.DataFrame, task: str, shape: Sequence[int], side: int) -> np.ndarray:
    """What a run's answers about a patient's axial slices cover, as a mask (slice, row, column) of the crop.

    answers: columns slice, orientation, points. Several answers to one slice are joined.
    """
    volume = np.zeros(shape, bool)
    for row in answers[answers["orientation"].eq("axial")].itertuples():
        points = tasks.points_from_text(row.points)
        if points is not None:
            volume[row.slice] |= slices.from_rendered(tasks.get(task).pixels(points, side), shape[1:])
    return volume


def write(
    path: str | Path,
    script: str | Path,
    patient: str,
    scans: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray],
    geometry: Mapping[str, Any],
    banner: str,
) -> None:
    """Write the page of a patient: `scans` and `masks` (slice, row, column) by what they are called, the truth first.

    `script` is NiiVue's, which `fetch` brings. The page fetches nothing and runs no script but these two.
    """
    first = next(iter(masks.values()), np.ones((1, 1, 1)))
    centre = _to_mm(geometry) @ [*np.argwhere(first).mean(axis=0), 1]
    data = {
        "centre": centre[:3].round(1).tolist(),
        "scans": {name: nifti(volume, geometry) for name, volume in scans.items()},
        "masks": [
            {"name": name, "colour": COLOURS[number % len(COLOURS)], "voxels": nifti(volume, geometry)}
            for number, (name, volume) in enumerate(masks.items())
        ],
    }
    scripts = [
        Path(script).read_text(encoding="utf-8").replace("</script", "<\\/script"),
        (HERE / "page.js").read_text(encoding="utf-8"),
    ]
    pages.write(
        path,
        (HERE / "page.html.jinja").read_text(encoding="utf-8"),
        patient=patient,
        banner=banner,
        version=VERSION,
        scans=list(scans),
        masks=data["masks"],
        data=pages.embedded(data),
        scripts=[Markup(each) for each in scripts],
        allowed=pages.allowed(*scripts),
    )
