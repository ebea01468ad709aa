"""A patient in three dimensions: volumes lie where the scan says, answers cover what they did, the page is closed."""

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from glioma import tasks
from glioma.base.errors import UserError
from glioma.geometry import slices
from glioma.report import view3d

RNG = np.random.default_rng(0)
GEOMETRY = {
    "scan_affine": [[-1, 0, 0, 90], [0, -1, 0, 126], [0, 0, 1, -72], [0, 0, 0, 1]],
    "to_voxel": [[0, 0, 1.5, 10], [0, 1.5, 0, 20], [1, 0, 0, 5], [0, 0, 0, 1]],
}


def test_a_voxel_of_the_file_lies_where_that_of_the_crop_does():
    volume = RNG.integers(0, 255, (5, 6, 7), dtype=np.uint8)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(view3d.nifti(volume, GEOMETRY))))
    assert np.array_equal(np.asarray(image.dataobj), volume.transpose(2, 1, 0)) and image.get_data_dtype() == np.uint8
    for voxel in ((0, 0, 0), (4, 2, 6)):
        scan = np.array(GEOMETRY["to_voxel"]) @ [*voxel, 1]
        np.testing.assert_allclose(image.affine @ [*voxel[::-1], 1], np.array(GEOMETRY["scan_affine"]) @ scan)
    assert view3d.nifti(volume, GEOMETRY) == view3d.nifti(volume, GEOMETRY)


@pytest.mark.parametrize(("shape", "side"), [((32, 32), 32), ((24, 32), 32), ((32, 20), 64), ((40, 48), 16)])
def test_a_rendered_slice_goes_back_to_its_own_pixels(shape, side):
    """Every pixel takes what lies at its centre, and where pictures are no smaller the way back is exact."""
    mask = (RNG.random(shape) < 0.3).astype(np.uint8)
    shown = slices.render_mask(mask, side)
    back = slices.from_rendered(shown, shape)
    assert back.shape == shape
    if side >= max(shape):
        assert np.array_equal(back, mask)
    # Pillow resizes the padded square by itself.
    whole = np.asarray(Image.fromarray(shown).resize([max(shape)] * 2, Image.Resampling.NEAREST))
    assert np.array_equal(slices.square(back), np.where(slices.square(np.ones(shape)), whole, 0))


def test_answers_are_stacked_as_they_are_scored():
    box, side, shape = tasks.get("bounding_box"), 32, (3, 32, 32)
    points = [[4, 6], [4, 20], [15, 20], [15, 6]]
    rows = pd.DataFrame(
        [(1, "axial", json.dumps(points)), (2, "axial", None), (0, "coronal", json.dumps(points))],
        columns=["slice", "orientation", "points"],
    )
    volume = view3d.stacked(rows, "bounding_box", shape, side)
    assert volume.any(axis=(1, 2)).tolist() == [False, True, False]
    assert np.array_equal(volume[1], box.pixels(np.array(points), side))


def test_the_page_runs_these_two_scripts_and_fetches_nothing(tmp_path):
    (tmp_path / "n.js").write_text("window.niivue = '</script>';")
    hostile = "</script><img src=x>"
    volume = np.zeros((2, 3, 4), np.uint8)
    volume[1, 2, 3] = 1
    view3d.write(
        tmp_path / "p.html", tmp_path / "n.js", hostile, {"flair": volume}, {"truth": volume, hostile: volume},
        GEOMETRY, "Phantom patient.",
    )  # fmt: skip
    page = (tmp_path / "p.html").read_text()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    policy = re.search(r'content="(default-src.*?)"', page)[1]
    assert re.findall(r"'sha256-(.*?)'", policy) == digests and len(digests) == 2
    assert policy.startswith("default-src 'none'") and "http" not in policy and "<img" not in page
    assert "Not for clinical use" in page and "Phantom patient." in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    # The middle of the truth, in millimetres.
    expected = np.array(GEOMETRY["scan_affine"]) @ np.array(GEOMETRY["to_voxel"]) @ [1, 2, 3, 1]
    assert data["centre"] == expected[:3].tolist() and [mask["name"] for mask in data["masks"]] == ["truth", hostile]


def test_only_the_script_that_was_tried_is_taken(tmp_path, monkeypatch):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as package:
        entry = tarfile.TarInfo(view3d.MEMBER)
        entry.size = 4
        package.addfile(entry, io.BytesIO(b"true"))
    monkeypatch.setattr(view3d.urllib.request, "urlopen", lambda *_, **__: io.BytesIO(packed.getvalue()))
    with pytest.raises(UserError, match="not that of the package that was tried"):
        view3d.fetch(tmp_path / "n.js")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(view3d, "DIGEST", hashlib.sha256(packed.getvalue()).hexdigest())
    view3d.fetch(tmp_path / "n.js")
    assert (tmp_path / "n.js").read_text() == "true"

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(view3d.urllib.request, "urlopen", offline)
    with pytest.raises(UserError, match=r"cannot fetch .*niivue.* \(no route to host\); look at the network"):
        view3d.fetch(tmp_path / "n.js")
