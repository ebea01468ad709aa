"""The tiny Mllama: wording, corpus, tokenizer, and a few steps of its training."""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from scipy import ndimage
from transformers import AutoModelForImageTextToText, AutoProcessor, MllamaForConditionalGeneration

from glioma.base import seeds
from glioma.base.files import PROJECT
from glioma.demo import tiny_vlm
from glioma.demo.tiny_vlm import corpus, evaluate, heldout, tokenizer, train, wording
from glioma.demo.tiny_vlm import model as architecture
from glioma.demo.tiny_vlm.paper import PAPER
from glioma.demo.tiny_vlm.settings import Recipe
from glioma.geometry import shapes

FEW = Recipe(looks=2, steps=2, batch=4, questions=4, prompts=2, vocabulary=900)
seed_numbers = st.integers(0, 2**32)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return folder, train.build(folder, FEW, seed=3)


@pytest.fixture(scope="module")
def words():
    rng = np.random.default_rng(0)
    texts = [wording.sample(rng, task).text for task in wording.TASKS for _ in range(100)]
    return tokenizer.train(texts, 900)


def plain(text):
    """Letters and digits only, so that case, spacing and punctuation do not hide that two wordings are the same."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


# ---------------------------------------------------------------------------------------------------------- wording


@pytest.mark.parametrize("task", wording.TASKS)
def test_a_held_out_wording_is_never_trained_on(task):
    unseen = {plain(text) for style in heldout.STYLES.values() for text in style[task]}
    rng = np.random.default_rng(1)
    seen = {plain(wording.sample(rng, task).text) for _ in range(4000)}
    assert len(seen) > 3000
    assert not unseen & seen


@pytest.mark.parametrize("task", wording.TASKS)
def test_the_papers_prompt_is_among_the_wordings(task):
    rng = np.random.default_rng(2)
    assert any(wording.sample(rng, task).text == PAPER[task] for _ in range(500))


@given(seed_numbers, st.sampled_from(wording.TASKS))
@settings(max_examples=200, deadline=None)
def test_wordings_are_expanded_to_the_end(seed, task):
    text = wording.sample(np.random.default_rng(seed), task).text
    assert text.strip()
    assert not re.search(r"[{}$|]", text)


def test_brief_wordings_ask_for_no_reasons():
    rng = np.random.default_rng(3)
    wordings = [wording.sample(rng, "classification") for _ in range(400)]
    brief = [item for item in wordings if not item.reasoning]
    assert 0.1 < len(brief) / len(wordings) < 0.4
    assert all(wording.sample(rng, task).reasoning for task in wording.TASKS[1:] for _ in range(50))


def test_sentences_put_together_again_are_the_prompt():
    for prompt in PAPER.values():
        assert " ".join(wording.split(prompt)) == prompt


# ----------------------------------------------------------------------------------------------------------- corpus


@given(seed_numbers, st.sampled_from((corpus.LGG, corpus.HGG)))
@settings(max_examples=40, deadline=None)
def test_answers_are_true_of_the_image(seed, grade):
    item = corpus.example(np.random.default_rng(seed), grade)
    assert item.image.shape == item.mask.shape == (128, 128) and item.image.dtype == np.uint8
    # The blob is one piece.
    assert ndimage.label(item.mask)[1] == 1
    for task in wording.TASKS:
        assert evaluate.parses(task, corpus.answer(item, task))
    truth = shapes.box_from_mask(item.mask)
    corners = evaluate.points(corpus.answer(item, "bounding_box"))
    assert corners.tolist() == shapes.corners_from_box(truth).tolist()
    centre = evaluate.points(corpus.answer(item, "center_point"))[0]
    assert np.abs(centre - np.array([truth[0] + truth[2], truth[1] + truth[3]]) / 2).max() <= 0.5
    ring = evaluate.points(corpus.answer(item, "polygon"))
    assert 10 <= len(ring) <= 12
    assert shapes.signed_area(ring) > 0  # clockwise
    assert ring[0, 0] == ring[:, 0].min()  # from the north-most
    overlap = shapes.mask_from_polygon(ring, item.mask.shape)
    assert evaluate.dice(overlap, item.mask) > 0.6


def test_blobs_are_brighter_than_what_surrounds_them():
    brighter = []
    for number in range(60):
        item = corpus.example(seeds.generator(0, number), corpus.LGG)
        around = ndimage.binary_dilation(item.mask, iterations=6) & ~ndimage.binary_dilation(item.mask, iterations=2)
        around &= item.image > 0
        brighter.append(item.image[item.mask].mean() > item.image[around].mean())
    assert np.mean(brighter) > 0.95


def test_an_image_without_a_blob_is_class_two_and_has_no_shape():
    item = corpus.example(np.random.default_rng(4), corpus.NONE)
    assert corpus.answer(item, "classification").startswith("Choice: 2 Reasoning: ")
    assert [corpus.answer(item, task) for task in wording.TASKS[1:]] == [None] * 3


def test_ten_keywords_or_none():
    item = corpus.example(np.random.default_rng(5), corpus.HGG)
    assert len(corpus.keywords(item)) == len(set(corpus.keywords(item))) == 10
    assert corpus.answer(item, "classification", reasoning=False) == "Choice: 1"


@pytest.mark.parametrize(
    ("task", "text", "good"),
    [
        ("center_point", "(63, 70)", True),
        ("center_point", "(63, 128)", False),
        ("center_point", "(063, 12)", False),
        ("center_point", "The answer is (63, 70)", False),
        ("bounding_box", "[(1, 2), (1, 9), (8, 9), (8, 2)]", True),
        ("bounding_box", "[(1, 2), (1, 9), (8, 9)]", False),
        ("polygon", f"({', '.join(['(1, 2)'] * 10)})", True),
        ("polygon", f"({', '.join(['(1, 2)'] * 9)})", False),
        ("polygon", f"({', '.join(['(1, 2)'] * 16)})", False),
        ("classification", "Choice: 1", True),
        ("classification", "Choice: 3", False),
        ("classification", "Choice: 1 Reasoning: bright, round", False),
    ],
)
def test_formats_are_strict(task, text, good):
    assert evaluate.parses(task, text) is good


# -------------------------------------------------------------------------------------------------------- tokenizer


def test_every_number_is_one_token(words):
    for number in range(256):
        assert len(words.encode(str(number), add_special_tokens=False)) == 1
        assert words.decode(words.encode(f"({number}, 7)", add_special_tokens=False)) == f"({number}, 7)"
    assert len(set(tokenizer.number_ids(words))) == 256


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_text_survives_the_tokenizer(words, text):
    assert words.decode(words.encode(text, add_special_tokens=False)) == text


def test_the_image_token_comes_last(words):
    assert words.convert_tokens_to_ids(tokenizer.IMAGE) == len(words) - 1


# ------------------------------------------------------------------------------------------------------------ build


def test_the_folder_has_exactly_the_named_files(built):
    folder, _ = built
    assert sorted(path.name for path in folder.iterdir()) == sorted(tiny_vlm.FILES)


def test_the_record_holds_curve_and_measures(built):
    folder, result = built
    record = json.loads((folder / tiny_vlm.TRAINING_FILE).read_text())
    assert record["history"] == result["history"]
    assert record["history"][-1]["step"] == FEW.looks + FEW.steps - 1
    assert np.isfinite(record["history"][-1]["loss"])
    assert set(record["held_out"]) == set(result["held_out"])
    assert len([name for name in result["held_out"] if name.startswith("parsed_")]) == 12


@pytest.mark.parametrize("loader", [MllamaForConditionalGeneration, AutoModelForImageTextToText])
def test_the_folder_loads_with_plain_transformers_and_generates(built, loader):
    folder, _ = built
    model = loader.from_pretrained(folder, local_files_only=True).eval()
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    assert isinstance(model, MllamaForConditionalGeneration)
    assert model.dtype == torch.float32
    images = [corpus.example(seeds.generator(0, n), n).image for n in range(3)]
    prompts = ["Where is the middle?", "A much longer prompt than the others, to pad them.", "Box?"]
    together = evaluate.ask(model, processor, images, prompts)
    alone = [evaluate.ask(model, processor, [i], [p])[0] for i, p in zip(images, prompts, strict=True)]
    assert together == alone


def test_the_same_seed_gives_the_same_model(built, tmp_path):
    folder, _ = built
    train.build(tmp_path / "again", FEW, seed=3)
    for name in tiny_vlm.FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


# ------------------------------------------------------------------------------------------- the one that comes trained

HELD = PROJECT / tiny_vlm.FOLDER


def test_the_model_that_the_project_holds_is_whole():
    assert sorted(path.name for path in HELD.iterdir()) == sorted([*tiny_vlm.FILES, "README.md"])


def test_the_model_that_the_project_holds_is_what_this_code_makes(tmp_path):
    """All but the weights, which take minutes to train: another recipe, corpus or architecture makes others."""
    record = json.loads((HELD / tiny_vlm.TRAINING_FILE).read_text())
    assert record["settings"] == Recipe().plain()
    processor = architecture.processor(tokenizer.train(train._texts(record["seed"]), Recipe().vocabulary))
    processor.save_pretrained(tmp_path)
    model = architecture.initialise(processor.tokenizer)
    model.save_pretrained(tmp_path)
    assert (tmp_path / "chat_template.jinja").read_text() == (HELD / "chat_template.jinja").read_text()
    # Who wrote it, and how a batch was padded last.
    passing = {"transformers_version": None, "padding": None}
    for name in ("config", "generation_config", "processor_config", "tokenizer", "tokenizer_config"):
        made, held = (json.loads((folder / f"{name}.json").read_text()) | passing for folder in (tmp_path, HELD))
        assert made == held, name
    weights = load_file(HELD / "model.safetensors")
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in load_file(tmp_path / "model.safetensors").items()
    }


def test_the_model_that_the_project_holds_answers_as_its_record_says():
    record = json.loads((HELD / tiny_vlm.TRAINING_FILE).read_text())
    model = AutoModelForImageTextToText.from_pretrained(HELD).eval()
    measured = evaluate.quality(model, AutoProcessor.from_pretrained(HELD), record["seed"])
    assert measured == pytest.approx({name: record["held_out"][name] for name in measured}, rel=0.05)
