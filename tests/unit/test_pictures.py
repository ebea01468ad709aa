"""What is shown of a slice: packs of sequences and neighbours, montages, and examples of patients who are not asked."""

import numpy as np
import pytest
from PIL import Image
from small_crops import PATIENTS, SIDE

from glioma import tasks
from glioma.base.errors import UserError
from glioma.cohort import parts
from glioma.geometry import slices
from glioma.vlm import conversations, examples, pictures
from glioma.vlm.images import Crops, read_examples
from glioma.vlm.requests import Request
from glioma.vlm.settings import Conversations, Picture


@pytest.fixture(scope="module")
def crop(small_crops):
    return np.load(small_crops / "gli-b.npy")


def grey(crop, sequence, index, orientation="axial", frame="square"):
    """A view by itself, as one grey plane."""
    return np.asarray(slices.render(slices.take(crop[sequence], orientation, index), SIDE, frame))[..., 0]


def shown(crop, index, orientation="axial", frame="square", **how):
    found = pictures.show(crop, orientation, index, Picture.read(how), SIDE, frame)
    return [np.asarray(image) for image in found]


def test_the_study_shows_one_grey_flair_slice(crop):
    (only,) = shown(crop, 9)
    assert all(np.array_equal(only[..., channel], grey(crop, 0, 9)) for channel in range(3))


@pytest.mark.parametrize("orientation", slices.ORIENTATIONS)
@pytest.mark.parametrize("frame", ["square", "native"])
def test_three_views_are_the_colours_of_one_picture(crop, orientation, frame):
    (pack,) = shown(crop, 9, orientation, frame, sequences=["flair", "t1ce", "t2"])
    for channel, sequence in enumerate((0, 2, 3)):
        assert np.array_equal(pack[..., channel], grey(crop, sequence, 9, orientation, frame))
    (pack,) = shown(crop, 9, orientation, frame, neighbours=[-2, 0, 2])
    for channel, index in enumerate((7, 9, 11)):
        assert np.array_equal(pack[..., channel], grey(crop, 0, index, orientation, frame))


def test_a_neighbour_beyond_the_last_slice_is_the_last_one(crop):
    (pack,) = shown(crop, 0, neighbours=[-3, 0, 30])
    for channel, index in enumerate((0, 0, len(crop[0]) - 1)):
        assert np.array_equal(pack[..., channel], grey(crop, 0, index))


def test_images_and_tiles_are_views_in_their_order(crop):
    how = {"sequences": ["flair", "t1"], "neighbours": [0, 1, 3]}
    views = [grey(crop, sequence, 9 + offset) for sequence in (0, 1) for offset in (0, 1, 3)]
    found = shown(crop, 9, **how, arrange="images")
    assert len(found) == 6 and all(np.array_equal(a[..., 1], b) for a, b in zip(found, views, strict=True))
    (sheet,) = shown(crop, 9, **how, arrange="montage")
    assert sheet.shape == (2 * SIDE, 3 * SIDE, 3)
    for number, view in enumerate(views):
        row, column = divmod(number, 3)
        tile = sheet[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
        assert np.array_equal(tile[..., 2], view)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"sequences": ["flair", "t1"]}, "2 views cannot be the colours of a picture; take 3"),
        ({"sequences": []}, "name at least one"),
        ({"neighbours": [1, 1, 0]}, "each once"),
        ({"sequences": ["dwi"]}, "sequences"),
    ],
)
def test_what_cannot_be_arranged_is_refused(how, said):
    with pytest.raises(UserError, match=said):
        Picture.read(how)


def test_training_and_inference_show_the_same(small_crops, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    how = {"sequences": ["flair", "t1ce"], "arrange": "images"}
    settings = {"side": SIDE, "limit": 3, "picture": how, "system": "Be brief."}
    conversations.write("made", PATIENTS, small_crops, tasks.get("classification"), "Which?", settings, seed=1)
    for row in conversations.read("made/test.jsonl"):
        request = Request(row["patient"], row["orientation"], row["slice"])
        (asked,) = Crops(small_crops).pictures([request], SIDE, "square", Picture.read(how))
        assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
        assert (
            len(row["images"]) == len(asked) == sum(part["type"] == "image" for part in row["messages"][1]["content"])
        )
        for path, image in zip(row["images"], asked, strict=True):
            assert np.array_equal(np.asarray(Image.open(path)), np.asarray(image))


def example_settings(**more):
    shared = {"side": SIDE, "coordinates": {"order": "row_col", "scale": "128", "shown": None}, "count": 2}
    shared |= {"picture": {}, "frame": "square", "orientations": ["axial"]}
    return Conversations().model_dump() | shared | more


@pytest.mark.parametrize("part", ["test", "fold0", "fold1", "fold2"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_examples_are_of_patients_who_are_not_asked(part, seed):
    found = examples.choose(PATIENTS, part, 2, seed)
    assert not set(found) & set(parts.rows(PATIENTS, part)["patient"])
    grades = PATIENTS.set_index("patient").loc[found]
    assert set(grades["split"]) == {"development"} and found == examples.choose(PATIENTS, part, 2, seed)
    assert set(grades["grade"]) == {"LGG", "HGG"}


def test_another_scan_of_a_subject_is_no_example():
    folds = PATIENTS.assign(subject=["one", "two", "three", "four", "one"])
    for seed in range(5):
        assert "gli-a" not in examples.choose(folds, "test", 3, seed)
    with pytest.raises(UserError, match="examples: 4, but part test leaves 3"):
        examples.choose(folds, "test", 4, 0)


@pytest.mark.parametrize("task", tasks.queries())
def test_examples_show_what_they_are_answered(small_crops, tmp_path, task):
    task, path = tasks.get(task), tmp_path / "examples.jsonl"
    assert examples.write(path, PATIENTS, small_crops, task, "test", example_settings(count=3), 7) == 3
    limits = tasks.Limits(SIDE)
    found = read_examples([str(path)])
    assert all(len(each.pictures) == 1 for each in found)
    assert {task.parse(each.reply, "strict", limits).status for each in found} == {"ok"}
    if task.name == "classification":
        assert sorted(each.reply for each in found) == ["Choice: 0", "Choice: 1", "Choice: 2"]
