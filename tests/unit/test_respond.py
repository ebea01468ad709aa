import json
import shutil
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from killed import run_and_kill
from scipy import stats
from small_crops import PATIENTS, SIDE
from transformers import LogitsProcessorList, MinPLogitsWarper, TemperatureLogitsWarper

from glioma.base.errors import UserError
from glioma.geometry import slices
from glioma.vlm import models, prompts, requests, sampling
from glioma.vlm import respond as responding
from glioma.vlm.backends import Choices, Decoding, Prompt, transformers
from glioma.vlm.backends.transformers import Transformers
from glioma.vlm.encode import Question, image_features
from glioma.vlm.images import Crops
from glioma.vlm.requests import Request
from glioma.vlm.settings import Responses

PROMPT = "Classify the brain scan as Low Grade Glioma (0), High Grade Glioma (1), or No Glioma (2)."
CHOICES = {"forced_start": "Choice: ", "choices": ["0", "1", "2"]}
GREEDY = {**CHOICES, "side": SIDE, "max_new_tokens": 10, "batch_size": 8}
SAMPLED = {**GREEDY, "temperature": 1.5, "min_p": 0.01, "top_p": 0.95}


@pytest.fixture(scope="module")
def loaded(tiny_mllama):
    return models.load(tiny_mllama)


@pytest.fixture
def respond(tiny_mllama, small_crops, tmp_path):
    """Answer requests into a file of the given name; returns its bytes."""

    def respond(name, asked, settings, prompt=PROMPT, seed=3):
        out, timing = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.timing.csv"
        responding.respond(tiny_mllama, None, asked, small_crops, prompt, settings, out, timing, seed)
        return out.read_bytes()

    return respond


@pytest.fixture(scope="module")
def asked(small_crops):
    return requests.slices_of(["gli-a", "gli-e"], small_crops, ["axial", "coronal"], "tumour", every=2)


def rows_of(content):
    return [json.loads(line) for line in content.decode().splitlines()]


def test_choices_alone_are_the_likeliest_and_nothing_is_decoded(respond, asked, monkeypatch):
    free = rows_of(respond("free", asked, GREEDY))
    monkeypatch.setattr(Transformers, "answer", None)
    alone = rows_of(respond("alone", asked, {**GREEDY, "choices_only": True}))
    for one, other in zip(free, alone, strict=True):
        assert other["logprobs"] == pytest.approx(one["logprobs"], abs=2e-4)
        assert other["text"] == "Choice: " + max(other["logprobs"], key=other["logprobs"].get)
        assert (other["finish"], other["tokens"]) == ("stop", 0)


def test_an_answer_ends_with_the_first_stop_and_others_go_on(respond, asked):
    free = rows_of(respond("free", asked, GREEDY))
    texts = [row["text"] for row in free]
    # A text that some answers hold, not at their end.
    stop = next(
        text[start : start + 2]
        for text in texts
        for start in range(1, len(text) - 4)
        if 0 < sum(text[start : start + 2] in other[:-2] for other in texts) < len(texts)
    )
    found = rows_of(respond("stopped", asked, {**GREEDY, "stop": [stop]}))
    alone = rows_of(respond("alone", asked, {**GREEDY, "stop": [stop], "batch_size": 1}))
    assert found == alone
    ended = 0
    for before, after in zip(free, found, strict=True):
        if stop in before["text"]:
            ended += 1
            assert after["text"] == before["text"][: before["text"].index(stop) + len(stop)]
            assert after["finish"] == "stop" and 0 < after["tokens"] <= before["tokens"]
        else:
            assert after == before
    assert 0 < ended < len(free)
    assert sum(row["tokens"] for row in found) < sum(row["tokens"] for row in free)


def test_answers_of_other_code_are_not_gone_on_with(tiny_mllama, small_crops, asked, tmp_path, monkeypatch):
    marks = []
    monkeypatch.setattr(responding, "Partial", lambda _, mark: marks.append(mark) or sys.exit())
    for code in ("one", "one", "two"):
        with pytest.raises(SystemExit):
            out = tmp_path / "a.jsonl", tmp_path / "a.csv"
            responding.respond(tiny_mllama, None, asked, small_crops, PROMPT, GREEDY, *out, 3, code)
    assert marks[0] == marks[1] != marks[2]


def test_requests_list_selected_slices_in_order(small_crops):
    listed = requests.slices_of(["gli-b", "gli-a"], small_crops, ["axial", "sagittal"], "all", every=4)
    assert [r[:2] for r in dict.fromkeys((r.patient, r.orientation) for r in listed)] == [
        ("gli-b", "axial"), ("gli-b", "sagittal"), ("gli-a", "axial"), ("gli-a", "sagittal"),
    ]  # fmt: skip
    mask = np.load(small_crops / "gli-a.mask.npy")
    tumour = requests.slices_of(["gli-a"], small_crops, ["axial"], "tumour")
    assert [r.slice for r in tumour] == np.flatnonzero(mask.any(axis=(1, 2))).tolist()
    repeated = requests.repeated(["gli-a", "gli-b"], small_crops, 95)
    assert len(repeated) == 190 and [r.repeat for r in repeated[:95]] == list(range(95))
    assert len({r[:3] for r in repeated}) == 2 and mask[repeated[0].slice].astype(bool).sum() == max(
        plane.astype(bool).sum() for plane in mask
    )


def test_each_part_of_a_run_asks_about_its_own_patients(small_crops):
    asked = {"orientations": ["axial"], "selection": "tumour", "every": 1, "tumour_pixels": 1}
    asked |= {"repeats": None, "samples": 1}
    assert {r.patient for r in requests.of_run(PATIENTS, small_crops, asked)} == {"gli-e"}
    for part, patients in {"test": "e", "fold0": "d", "fold1": "ab", "fold2": "c"}.items():
        found = {r.patient for r in requests.of_run(PATIENTS, small_crops, asked, part)}
        assert found == {f"gli-{letter}" for letter in patients}
    held_out = PATIENTS.assign(split="test")
    consistency = requests.of_run(held_out, small_crops, {**asked, "repeats": 95})
    assert Counter(r.patient for r in consistency) == {"gli-b": 95, "gli-a": 95}
    with pytest.raises(ValueError, match="fold1"):
        requests.of_run(PATIENTS, small_crops, {**asked, "repeats": 95}, "fold1")


@pytest.mark.parametrize("count", [1, 3, 7, 40])
def test_shards_put_together_are_the_whole(asked, count):
    parts = [requests.shard(asked, number, count) for number in range(count)]
    assert sum(parts, []) == asked
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("settings", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_bytes_do_not_depend_on_batch_size_or_shards(respond, asked, settings):
    whole = respond("whole", asked, settings)
    for size in (1, 3, 64):
        assert respond(f"batch{size}", asked, {**settings, "batch_size": size}) == whole
    shards = [respond(f"shard{number}", requests.shard(asked, number, 3), settings) for number in range(3)]
    assert b"".join(shards) == whole
    rows = rows_of(whole)
    assert [(row["patient"], row["orientation"], row["slice"], row["repeat"]) for row in rows] == asked
    assert len({row["text"] for row in rows}) > 1


def test_greedy_answers_are_those_of_transformers_one_slice_at_a_time(respond, loaded, asked, small_crops):
    model, processor = loaded
    chat = processor.apply_chat_template(prompts.messages(PROMPT), add_generation_prompt=True, tokenize=False)
    for row in rows_of(respond("greedy", asked[::3], GREEDY)):
        flair = np.load(small_crops / f"{row['patient']}.npy")[0]
        image = slices.render(slices.take(flair, row["orientation"], row["slice"]), SIDE)
        inputs = processor(images=image, text=chat, add_special_tokens=False, return_tensors="pt")
        output = model.generate(**inputs, max_new_tokens=10, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        assert row["text"] == processor.tokenizer.decode(output, skip_special_tokens=True)
        assert row["tokens"] == len(output)
        assert row["finish"] == ("stop" if output[-1] == processor.tokenizer.eos_token_id else "length")


def test_choice_logprobs_are_those_of_each_choice_scored_alone(respond, loaded, asked, small_crops):
    model, processor = loaded
    chat = processor.apply_chat_template(prompts.messages(PROMPT), add_generation_prompt=True, tokenize=False)
    for row in rows_of(respond("scored", asked[:3], GREEDY)):
        flair = np.load(small_crops / f"{row['patient']}.npy")[0]
        image = slices.render(slices.take(flair, row["orientation"], row["slice"]), SIDE)
        scores = []
        for choice in "012":
            inputs = processor(
                images=image, text=f"{chat}Choice: {choice}", add_special_tokens=False, return_tensors="pt"
            )
            with torch.no_grad():
                logprobs = model(**inputs).logits[0].log_softmax(dim=-1)
            scores.append(logprobs[-2, inputs["input_ids"][0, -1]].item())
        expected = np.array(scores) - np.logaddexp.reduce(scores)
        assert list(row["logprobs"].values()) == pytest.approx(expected, abs=1e-4)
        assert all(value == round(value, 4) for value in row["logprobs"].values())


def test_scoring_choices_of_several_tokens_agrees_with_the_one_pass(loaded, small_crops):
    backend = Transformers.live(*loaded)
    question = Question(backend.processor, prompts.messages(PROMPT), ((SIDE, SIDE),))
    flair = np.load(small_crops / "gli-a.npy")[0]
    images = image_features(backend.processor, [(slices.render(flair[i], SIDE),) for i in (6, 9)])
    tokens = backend.processor.tokenizer("Choice: 12", add_special_tokens=False).input_ids
    start = len(tokens) - 2
    score = lambda candidate, known: backend._score(question, images, candidate, known)  # noqa: E731
    with torch.inference_mode():
        together, one_by_one = score(tokens, start), score(tokens[:-1], start) + score(tokens, start + 1)
    assert torch.allclose(together, one_by_one, atol=1e-5)


@pytest.mark.parametrize("more", [{}, {"legal": "Choice: [0-2]"}, {"temperature": 1.0}], ids=["free", "legal", "drawn"])
def test_choices_share_the_pass_over_the_question_with_the_answer(loaded, small_crops, monkeypatch, more):
    """Scores are those of a pass of their own, answers those without any; rows of three sizes, each seen once."""
    asked = requests.slices_of(["gli-b"], small_crops, slices.ORIENTATIONS, "tumour", every=3)
    shown = Crops(small_crops).pictures(asked, SIDE, "native")
    names, prompt = [request.name for request in asked], Prompt(PROMPT)
    for choices in (Choices("Choice: ", ("0", "1", "2")), Choices("", ("yes", "no")), Choices("", ("0", "Choice: 12"))):
        backend = Transformers.live(*loaded)
        found = backend.answer(prompt, shown, names, Decoding(6, choices=choices, **more))
        together = backend.logprobs(prompt, shown, choices)
        apart = Transformers.live(*loaded)
        assert apart.answer(prompt, shown, names, Decoding(6, **more)) == found
        assert np.allclose(together, apart.logprobs(prompt, shown, choices), atol=1e-5)
        assert np.allclose(np.exp(together).sum(axis=1), 1)
    seen = []
    pass_ = backend.model.model.vision_model.forward
    monkeypatch.setattr(backend.model.model.vision_model, "forward", lambda *a, **k: seen.append(1) or pass_(*a, **k))
    choices = Choices("Choice: ", ("0", "1", "2"))
    backend.answer(prompt, shown, names, Decoding(6, choices=choices))
    backend.logprobs(prompt, shown, choices)
    assert len(seen) == 3  # one for each size
    # Those of other slices are no longer known, though they may lie where these did.
    backend.logprobs(prompt, shown[:1], Choices("Choice: ", ("0", "1")))
    assert len(seen) == 4


def test_repeats_differ_only_if_sampled_and_seeds_matter(respond, small_crops):
    asked = requests.repeated(["gli-b"], small_crops, 6)
    assert len({row["text"] for row in rows_of(respond("greedy", asked, GREEDY))}) == 1
    sampled = rows_of(respond("sampled", asked, SAMPLED))
    assert len({row["text"] for row in sampled}) > 1
    assert len({str(row["logprobs"]) for row in sampled}) == 1
    assert sampled != rows_of(respond("other", asked, SAMPLED, seed=4))
    assert rows_of(respond("few", asked[4:], SAMPLED)) == sampled[4:]


def test_sampled_tokens_follow_the_warped_distribution():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 30, generator=generator) * 2
    warped = LogitsProcessorList([TemperatureLogitsWarper(1.5), MinPLogitsWarper(0.1)])(None, logits)
    probabilities = warped.double().softmax(dim=-1)[0].numpy()
    draws = 4000
    decoding = Decoding(1, temperature=1.5, min_p=0.1)
    chain = sampling.processors(decoding, [f"r{i}" for i in range(draws)], 5)
    picked = chain(torch.zeros(draws, 7, dtype=torch.long), logits.expand(draws, -1)).argmax(dim=-1).numpy()
    counts = np.bincount(picked, minlength=30)
    possible = probabilities > 0
    assert counts[~possible].sum() == 0 and possible.sum() < 30
    assert stats.chisquare(counts[possible], probabilities[possible] * draws).pvalue > 0.001


def test_a_killed_job_goes_on_to_the_same_bytes(respond, tiny_mllama, small_crops, tmp_path):
    asked = requests.slices_of(["gli-a", "gli-b", "gli-c"], small_crops, ["axial", "coronal"], "tumour")
    settings = {**SAMPLED, "batch_size": 3}
    expected = respond("uninterrupted", asked, settings)
    partial = tmp_path / "out.partial.jsonl"
    code = f"""
from pathlib import Path
from glioma.vlm import requests
from glioma.vlm.respond import respond
asked = requests.slices_of(["gli-a", "gli-b", "gli-c"], {str(small_crops)!r}, ["axial", "coronal"], "tumour")
respond({tiny_mllama!r}, None, asked, {str(small_crops)!r}, {PROMPT!r}, {settings!r},
        "out.jsonl", "out.timing.csv", 3)
"""
    run_and_kill(code, lambda: partial.exists() and partial.read_bytes().count(b"\n") >= 6, tmp_path)
    done = partial.read_bytes().count(b"\n")
    assert 6 <= done < len(asked) and not (tmp_path / "out.jsonl").exists()
    with partial.open("ab") as torn:
        torn.write(b'{"patient": "gli')  # as a kill in the middle of a write would leave it
    shutil.copytree(tmp_path, tmp_path / "copy")

    assert respond("out", asked, settings) == expected
    timing = pd.read_csv(tmp_path / "out.timing.csv")
    assert list(timing.columns) == ["batch", "rows", "tokens", "seconds"]
    # The kill may fall between the rows of a batch and its time.
    assert len(timing) >= -(-len(asked) // 3) - 1 and timing["batch"].is_monotonic_increasing
    assert not list(tmp_path.glob("*partial*"))

    # What another prompt left behind is not gone on with.
    (tmp_path / "copy" / "out.partial.jsonl").replace(partial)
    (tmp_path / "copy" / "out.partial.json").replace(tmp_path / "out.partial.json")
    other = respond("out", asked, settings, prompt=PROMPT + " Be brief.")
    assert other == respond("fresh", asked, settings, prompt=PROMPT + " Be brief.") != expected


def test_each_image_is_preprocessed_once(loaded, small_crops, monkeypatch):
    seen = []
    features = transformers.image_features
    monkeypatch.setattr(
        transformers,
        "image_features",
        lambda processor, images: seen.append(len(images)) or features(processor, images),
    )
    batch = [Request("gli-a", "axial", 7, repeat) for repeat in range(5)] + [Request("gli-a", "axial", 8)]
    images = Crops(small_crops).pictures(batch, SIDE, "square")
    backend, settings = Transformers.live(*loaded), Responses.read(GREEDY)
    prompt = Prompt(PROMPT)
    rows = responding.answer(backend, batch, images, prompt, settings, seed=0)
    assert len(rows) == 6 and all(row["logprobs"] for row in rows)
    assert seen == [2] and images[0] is images[4]
    # Other pictures are looked at anew, though they may lie where forgotten ones did.
    for index in range(5, 15):
        image = Crops(small_crops).pictures([Request("gli-a", "axial", index)], SIDE, "square")
        (fresh,) = Transformers.live(*loaded).answer(Prompt(PROMPT), image, ["x"], Decoding(3))
        assert backend.answer(prompt, image, ["x"], Decoding(3)) == [fresh]
        assert np.array_equal(
            backend.logprobs(prompt, image, Choices("Choice: ", ("0", "1"))),
            Transformers.live(*loaded).logprobs(Prompt(PROMPT), image, Choices("Choice: ", ("0", "1"))),
        )


def test_slices_in_their_native_frame_are_answered_each_in_its_own_size(respond, loaded, small_crops):
    asked = requests.slices_of(["gli-b"], small_crops, slices.ORIENTATIONS, "tumour", every=3)
    native = {**GREEDY, "frame": "native"}
    whole = respond("native", asked, native)
    assert respond("one", asked, {**native, "batch_size": 1}) == whole
    rows, square = rows_of(whole), rows_of(respond("square", asked, GREEDY))
    assert [tuple(row[key] for key in ("patient", "orientation", "slice", "repeat")) for row in rows] == asked
    assert all(row["logprobs"] != padded["logprobs"] for row, padded in zip(rows, square, strict=True))
    images = Crops(small_crops).pictures(asked, SIDE, "native")
    assert {image.size for (image,) in images} == {(51, 64), (64, 40), (64, 32)}
    model, processor = loaded
    chat = processor.apply_chat_template(prompts.messages(PROMPT), add_generation_prompt=True, tokenize=False)
    inputs = processor(images=images[-1][0], text=chat, add_special_tokens=False, return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=10, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert rows[-1]["text"] == processor.tokenizer.decode(output, skip_special_tokens=True)


@pytest.mark.parametrize("image_first", [False, True])
def test_a_question_equals_the_processors_own_batch(loaded, small_crops, image_first):
    processor = loaded[1]
    flair = np.load(small_crops / "gli-c.npy")[0]
    images = [(slices.render(flair[i], SIDE),) for i in (5, 9, 11)]
    messages = prompts.messages(PROMPT, image_first=image_first)
    chat = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    expected = processor(
        images=[list(shown) for shown in images], text=[chat] * 3, add_special_tokens=False, return_tensors="pt"
    )
    batch = Question(processor, messages, ((SIDE, SIDE),)).batch(image_features(processor, images))
    assert set(batch) == set(expected)
    assert all(torch.equal(batch[name], expected[name]) for name in batch)


def test_what_determines_the_answers_is_known_without_the_model(tiny_mllama, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_mllama["path"], folder)
    base = {"name": "m", "path": str(folder), "quantisation": "none"}
    known = Transformers(base).fingerprint()
    assert {"version/torch", "version/transformers", "version/peft", "precision", "quantisation"} <= set(known)
    assert {"base/config.json", "base/model.safetensors", "base/tokenizer.json"} <= set(known)
    assert Transformers({**base, "quantisation": "4bit"}).fingerprint() != known  # which could not be loaded here
    assert Transformers({**base, "name": "n"}).fingerprint() == known
    for name in models.ADAPTER_FILES:
        (tmp_path / name).write_text("{}")
    adapted = Transformers(base, tmp_path).fingerprint()
    assert known.items() < adapted.items() and "adapter/adapter_model.safetensors" in adapted
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"?")
    assert Transformers(base).fingerprint() != known


def test_errors_of_the_user_are_named(respond, asked, tiny_mllama, tmp_path):
    with pytest.raises(UserError, match="key max_tokens.*did you mean max_new_tokens"):
        respond("x", asked, {**GREEDY, "max_tokens": 3})
    with pytest.raises(UserError, match="nobody"):
        respond("x", [Request("nobody", "axial", 3)], GREEDY)
    with pytest.raises(UserError, match="model m: no config.json"):
        models.load({"name": "m", "path": str(tmp_path)})
    (tmp_path / "config.json").write_text('{"model_type": "no such"}')
    shutil.copy(f"{tiny_mllama['path']}/model.safetensors", tmp_path)
    with pytest.raises(UserError, match="model m: cannot load") as caught:
        models.load({"name": "m", "path": str(tmp_path)})
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="adapter_model.safetensors"):
        models.load(tiny_mllama, tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="4bit needs CUDA"):
            models.load({**tiny_mllama, "quantisation": "4bit"})


def test_a_file_of_responses_holds_one_for_each_request():
    asked = [requests.Request("p", "axial", index) for index in range(4)]
    rows = [request._asdict() | {"text": "t"} for request in asked]

    def answered(given, asked):
        return list(requests.answered("r.jsonl", iter(given), asked))

    assert answered(rows, asked) == rows
    with pytest.raises(UserError, match=r"r\.jsonl: no answer to p/axial/2/0 and 1 more; it was edited: delete it"):
        answered(rows[:2], asked)
    with pytest.raises(UserError, match=r"r\.jsonl: an answer that nobody asked for, p/axial/3/0; it was edited"):
        answered(rows, asked[:3])
    with pytest.raises(UserError, match=r"r\.jsonl: an answer to p/axial/2/0 in place of one to p/axial/1/0; it was"):
        answered([rows[0], *rows[2:]], asked)
    with pytest.raises(UserError, match=r"r\.jsonl: an answer to p/axial/0/0 in place of one to p/axial/1/0; it was"):
        answered([rows[0], rows[0], *rows[2:]], asked)
