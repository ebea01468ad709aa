"""The answer store: what determines an answer finds it again, what does not makes no other, and nothing breaks it."""

import json
import os
import subprocess
import sys
import time

import pytest
from PIL import Image
from small_crops import SIDE

from glioma.vlm import requests, store
from glioma.vlm.backends import Example
from glioma.vlm.respond import respond
from glioma.vlm.store import Store, digest

PROMPT = "Classify the brain scan as Low Grade Glioma (0), High Grade Glioma (1), or No Glioma (2)."
GREEDY = {"forced_start": "Choice: ", "choices": ["0", "1", "2"], "side": SIDE, "max_new_tokens": 6, "batch_size": 8}
SAMPLED = {**GREEDY, "temperature": 1.5}


@pytest.fixture
def ask(tiny_mllama, small_crops, tmp_path):
    """Ask with a store; returns the bytes of the responses and how many questions were really asked."""
    number = iter(range(100))

    def ask(asked, prompt=PROMPT, settings=GREEDY, seed=3, code="", kept="store", model=tiny_mllama, **more):
        out = tmp_path / f"{next(number)}.jsonl"
        place = kept and tmp_path / kept
        timing = out.with_suffix(".timing.csv")
        count = respond(model, None, asked, small_crops, prompt, settings, out, timing, seed, code, place, **more)
        return out.read_bytes(), count

    return ask


@pytest.fixture(scope="module")
def asked(small_crops):
    return requests.slices_of(["gli-a", "gli-e"], small_crops, ["axial"], "tumour")


@pytest.mark.parametrize("settings", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_an_edited_prompt_taken_back_asks_nothing(ask, asked, settings):
    first, count = ask(asked, settings=settings)
    assert count == len(asked)
    other, count = ask(asked, PROMPT + " Be brief.", settings)
    assert count == len(asked) and other != first
    assert ask(asked, settings=settings) == (first, 0)
    # Without a store all are asked again, to the same bytes.
    assert ask(asked, settings=settings, kept=None) == (first, len(asked))


def test_order_batches_shards_and_more_patients_ask_nothing_twice(ask, asked, small_crops):
    _, count = ask(asked)
    assert ask(asked[::-1], settings={**GREEDY, "batch_size": 3})[1] == 0
    assert ask(asked[2:5])[1] == 0
    more = requests.slices_of(["gli-a", "gli-b", "gli-e"], small_crops, ["axial"], "tumour")
    content, count = ask(more)
    assert count == len(more) - len(asked)
    assert content == ask(more, kept=None)[0]


def test_what_determines_an_answer_is_asked_anew(ask, asked, tiny_mllama):
    ask(asked)
    for change in (
        {"settings": {**GREEDY, "max_new_tokens": 7}},
        {"settings": {**GREEDY, "image_first": True}},
        {"settings": {**GREEDY, "legal": "Choice: [0-2]"}},
        {"settings": {**GREEDY, "side": SIDE // 2}},
        {"settings": {**GREEDY, "picture": {"sequences": ["t1"]}}},
        {"system": "Be brief."},
        {"examples": [Example((Image.new("RGB", (SIDE, SIDE)),), "Choice: 0")]},
        {"settings": SAMPLED},
        {"code": "another digest"},
        {"model": {**tiny_mllama, "precision": "bfloat16"}},
    ):
        assert ask(asked, **change)[1] == len(asked), change
    assert ask(asked, settings=SAMPLED, seed=4)[1] == len(asked)
    assert ask(asked, seed=4)[1] == 0  # greedily, no seed matters
    # The bytes of the model's files do, not where they lie.
    assert ask(asked, model={**tiny_mllama, "name": "the same under another name"})[1] == 0


def test_repeats_are_drawn_each_and_asked_greedily_once(ask, small_crops):
    repeats = requests.repeated(["gli-a"], small_crops, 5)
    assert ask(repeats)[1] == 1
    content, count = ask(repeats, settings=SAMPLED)
    assert count == 5 and len({line[line.index(b'"text"') :] for line in content.splitlines()}) > 1


def test_what_a_kill_left_of_a_line_is_no_answer(ask, asked, tmp_path):
    first, _ = ask(asked)
    (file,) = (tmp_path / "store").glob("*/*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    lost = len(asked) - file.read_bytes().count(b"\n")
    assert ask(asked) == (first, lost) and lost > 0
    odd = [
        b"\xff\x00 no JSON",
        b"[1]",
        *(b'{"key": ' + line[8 : line.index(b",")] + b"}" for line in whole.splitlines()),
    ]
    file.write_bytes(b"\n".join([*odd, whole]))
    assert ask(asked) == (first, 0)


WRITER = """
import sys
from glioma.vlm.backends import Example
from glioma.vlm.store import Store
store = Store(sys.argv[1], {"prompt": "p"}, {"prompt": "p"})
for number in range(200):
    store.add({f"{sys.argv[2]}-{number}": {"text": "x" * 500}})
"""


def test_writers_side_by_side_lose_nothing(tmp_path):
    environment = os.environ | {"PYTHONPATH": "workflow/scripts"}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)], env=environment)
        for number in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0] * 4
    found = Store(tmp_path, {"prompt": "p"}, {}).known
    assert len(found) == 800 and all(answer == {"text": "x" * 500} for answer in found.values())


def test_images_differ_by_mode_size_and_pixels():
    images = [Image.new("L", (4, 2)), Image.new("L", (2, 4)), Image.new("RGB", (4, 2)), Image.new("L", (4, 2), 1)]
    assert len({digest((image,)) for image in images} | {digest(tuple(images[:2])), digest(tuple(images[1::-1]))}) == 6
    assert digest((images[0],)) == digest((images[0].copy(),))


def test_the_store_says_what_it_holds_and_forgets_what_is_old(ask, asked, tmp_path):
    ask(asked)
    ask(asked, "Another question, long enough to be cut off in the table of the terminal?")
    folder = tmp_path / "store"
    found = store.contexts(folder)
    assert [context["answers"] for context in found] == [len(asked)] * 2
    lines = list(store.table(found))
    assert any("tiny-mllama" in line and "Another question" in line for line in lines)
    assert lines[-1].startswith(f"2 contexts, {2 * len(asked)} answers")
    for path in found[0]["place"].iterdir():
        os.utime(path, (time.time() - 100 * store.DAY,) * 2)
    assert [context["place"] for context in store.prune(folder, 90)] == [found[0]["place"]]
    assert [context["place"] for context in store.contexts(folder)] == [found[1]["place"]]
    # A use is noted: what is asked again is not old.
    os.utime(found[1]["place"] / store.ABOUT, (0, 0))
    prompt = json.loads((found[1]["place"] / store.ABOUT).read_text())["prompt"]
    ask(asked, prompt)
    assert (found[1]["place"] / store.ABOUT).stat().st_mtime > time.time() - store.DAY
