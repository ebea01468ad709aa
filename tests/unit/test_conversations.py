import ast
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_crops import PATIENTS, SIDE

from glioma import tasks
from glioma.base.errors import UserError
from glioma.geometry import shapes, slices
from glioma.vlm import conversations

PROMPT = "Find the tumour."
GRADES = dict(zip(PATIENTS["patient"], PATIENTS["grade"], strict=True))


@pytest.fixture
def write(small_crops, tmp_path, monkeypatch):
    """Write conversations below a fresh working directory; returns the rows of the three files of fold 0."""
    monkeypatch.chdir(tmp_path)

    def write(task, **settings):
        conversations.write("c", PATIENTS, small_crops, tasks.get(task), PROMPT, {"side": SIDE, **settings}, seed=1)
        return files_of(0)

    return write


def files_of(fold):
    paths = {part: f"c/fold{fold}/{part}.jsonl" for part in ("train", "validation")} | {"test": "c/test.jsonl"}
    return {part: conversations.read(path) for part, path in paths.items()}


def said(row):
    return row["messages"][1]["content"][0]["text"]


def true_mask(row, crops, side=SIDE):
    mask = np.load(crops / f"{row['patient']}.mask.npy")
    return slices.render_mask(slices.take(mask, row["orientation"], row["slice"]) > 0, side)


def test_patients_go_to_the_file_of_their_split_and_stay_out_of_what_the_model_sees(write):
    files = write("classification", orientations=["axial", "sagittal"])
    assert {name: {row["patient"] for row in rows} for name, rows in files.items()} == {
        "train": {"gli-a", "gli-b", "gli-c"},
        "validation": {"gli-d"},
        "test": {"gli-e"},
    }
    for row in sum(files.values(), []):
        assert row["messages"][0]["content"] == [{"type": "text", "text": PROMPT}, {"type": "image"}]
        assert "gli" not in json.dumps(row["messages"])
        assert not row["images"][0].startswith("/")
        assert Image.open(row["images"][0]).size == (SIDE, SIDE)


def test_each_fold_is_validated_by_its_own_patients_on_the_same_images(write, small_crops, monkeypatch):
    one = write("center_point")
    rendered = []
    render = slices.render
    monkeypatch.setattr(slices, "render", lambda *plane: rendered.append(1) or render(*plane))
    counts = conversations.write(
        "c", PATIENTS, small_crops, tasks.get("center_point"), PROMPT, {"side": SIDE}, seed=1, validating=(0, 1)
    )
    assert files_of(0) == one and files_of(1)["test"] == one["test"]
    assert {name: {row["patient"] for row in rows} for name, rows in files_of(1).items()} == {
        "train": {"gli-c", "gli-d"},
        "validation": {"gli-a", "gli-b"},
        "test": {"gli-e"},
    }
    assert counts == {
        **{f"fold{fold}/{part}": len(files_of(fold)[part]) for fold in (0, 1) for part in ("train", "validation")},
        "test": len(one["test"]),
    }
    for fold in (0, 1):
        rows_of = Counter(GRADES[row["patient"]] for row in files_of(fold)["train"])
        assert rows_of["LGG"] == rows_of["HGG"] > 0
    shown = {row["images"][0] for fold in (0, 1) for rows in files_of(fold).values() for row in rows}
    assert len(rendered) == len(shown) == len(list(Path("c/images").iterdir()))


def test_classes_are_the_grade_or_no_glioma_in_the_share_asked_for(write, small_crops):
    files = write("classification", no_glioma_slices=0.5, balance=False)
    for row in sum(files.values(), []):
        expected = {"LGG": 0, "HGG": 1}[GRADES[row["patient"]]] if true_mask(row, small_crops).any() else 2
        assert said(row) == f"Choice: {expected}"
    for patient in GRADES:
        counts = Counter(said(row) == "Choice: 2" for row in sum(files.values(), []) if row["patient"] == patient)
        assert counts[True] == counts[False] > 0


def test_a_native_frame_is_for_classification_alone(write):
    native = write("classification", frame="native", orientations=["coronal"])
    assert {Image.open(row["images"][0]).size for rows in native.values() for row in rows} == {(64, 40)}
    for task in ("center_point", "polygon"):
        assert write(task, frame="native") == write(task)
        assert Image.open(write(task, frame="native")["test"][0]["images"][0]).size == (SIDE, SIDE)


def test_only_training_is_balanced_by_repeating_the_rarer_grade(write):
    plain, balanced = write("classification", balance=False), write("classification", balance=True)
    assert plain["validation"] == balanced["validation"] and plain["test"] == balanced["test"]
    before, after = (Counter(GRADES[row["patient"]] for row in files["train"]) for files in (plain, balanced))
    assert before["LGG"] < before["HGG"] == after["HGG"] == after["LGG"]
    ids = [row["id"] for row in balanced["train"]]
    assert len(set(ids)) == len(ids)
    copies = Counter(re.sub("#.*", "", name) for name in ids if name.startswith("gli-a"))
    assert max(copies.values()) - min(copies.values()) <= 1


@pytest.mark.parametrize("task", ["center_point", "bounding_box", "polygon"])
def test_shapes_are_those_of_the_rendered_mask_on_axial_tumour_slices(write, small_crops, task):
    files = write(task, orientations=["axial", "coronal"], tumour_pixels=9, coordinates={"scale": "pixels"})
    for row in sum(files.values(), []):
        mask = true_mask(row, small_crops)
        assert row["orientation"] == "axial" and mask.sum() >= 9
        points = np.array(ast.literal_eval(said(row)))
        top, left = np.argwhere(mask).min(axis=0)
        bottom, right = np.argwhere(mask).max(axis=0)
        if task == "bounding_box":
            assert points.tolist() == [[top, left], [top, right], [bottom, right], [bottom, left]]
        elif task == "center_point":
            assert points.tolist() == [(top + bottom) // 2, (left + right) // 2]
        else:
            assert 10 <= len(points) <= 15 and mask[tuple(points.T)].all()
            assert points[0, 0] == top and np.array_equal(points, shapes.polygon_from_mask(mask))


def test_answers_speak_the_models_convention(write):
    rows = {"pixels": [], "1000": []}
    for scale in rows:
        convention = {"order": "x_y", "scale": scale}
        rows[scale] = [ast.literal_eval(said(row)) for row in write("center_point", coordinates=convention)["test"]]
    x, y = np.array(rows["pixels"]).T
    assert np.allclose(np.array(rows["1000"]).T, [(x + 0.5) / SIDE * 1000, (y + 0.5) / SIDE * 1000], atol=0.5)
    plain = [ast.literal_eval(said(row)) for row in write("center_point", coordinates={"scale": "pixels"})["test"]]
    assert [(b, a) for a, b in plain] == rows["pixels"]


def test_limit_and_stride_thin_the_slices_of_each_patient(write):
    every = write("center_point", balance=False)
    thinned = write("center_point", balance=False, every=2)
    limited = write("center_point", balance=False, limit=2)
    assert len(thinned["test"]) == -(-len(every["test"]) // 2)
    assert set(Counter(row["patient"] for row in limited["train"]).values()) == {2}


def test_the_same_seed_writes_the_same_bytes_and_another_one_another_order(small_crops, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = []
    for seed in (1, 1, 2):
        settings = {"no_glioma_slices": 0.3, "side": SIDE}
        conversations.write("c", PATIENTS, small_crops, tasks.get("classification"), PROMPT, settings, seed)
        content.append((tmp_path / "c/fold0/train.jsonl").read_bytes())
    assert content[0] == content[1] != content[2]


def test_datasets_loads_the_files_with_their_images(write):
    from datasets import Image as ImageFeature
    from datasets import List, load_dataset

    rows = write("classification")["train"]
    data = load_dataset("json", data_files="c/fold0/train.jsonl", split="train", cache_dir="cache")
    data = data.cast_column("images", List(ImageFeature()))
    assert data["id"][:] == [row["id"] for row in rows]
    assert data[0]["images"][0].size == (SIDE, SIDE)
    assert data[0]["messages"][1]["content"][0]["text"] == said(rows[0])


def test_trl_trains_on_the_files_with_none_of_our_code(write, tiny_mllama):
    write("classification")
    from datasets import Image as ImageFeature
    from datasets import List, load_dataset
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import SFTConfig, SFTTrainer

    data = load_dataset("json", data_files="c/fold0/train.jsonl", split="train", cache_dir="cache")
    model = AutoModelForImageTextToText.from_pretrained(tiny_mllama["path"])
    before = model.lm_head.weight.detach().clone()
    arguments = SFTConfig(
        output_dir="trl", max_steps=1, per_device_train_batch_size=2, learning_rate=1e-3, warmup_steps=0, bf16=False,
        use_cpu=True, gradient_checkpointing=False, max_length=None, report_to="none", save_strategy="no",
    )  # fmt: skip
    trainer = SFTTrainer(
        model,
        arguments,
        train_dataset=data.cast_column("images", List(ImageFeature())),
        processing_class=AutoProcessor.from_pretrained(tiny_mllama["path"]),
    )
    loss = trainer.train().training_loss
    assert np.isfinite(loss) and not before.equal(model.lm_head.weight)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("polygon", {"evry": 2}, "evry"),
        ("classification", {"no_glioma_slices": 1.0}, "no_glioma_slices"),
        ("polygon", {"tumour_pixels": 10**6}, "tumour_pixels"),
    ],
)
def test_bad_settings_are_named(write, task, settings, message):
    with pytest.raises(UserError, match=message):
        write(task, **settings)


def test_a_broken_file_is_named_with_its_line(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"messages": []}\n')
    with pytest.raises(UserError, match="train.jsonl, line 1"):
        conversations.read(path)
