"""vLLM, in the process of a job, answers as transformers does: `make test-vllm`, in its own environment, on a CPU."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests" / "unit")]

import architectures  # noqa: E402
import small_crops  # noqa: E402
import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForImageTextToText  # noqa: E402

from glioma.base.errors import UserError  # noqa: E402
from glioma.vlm import backends, layers  # noqa: E402
from glioma.vlm.backends import Choices, Decoding, Example, Prompt  # noqa: E402
from glioma.vlm.images import Crops  # noqa: E402
from glioma.vlm.requests import slices_of  # noqa: E402

PROMPT = Prompt((ROOT / "config/prompts/classify.txt").read_text().strip())
GRADES = Choices("Choice: ", ("0", "1", "2"))
WORDS = Choices("", ("no tumour", "a tumour of low grade", "a tumour"))


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen2_5_vl"])
def base(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    architectures.build(request.param, folder)
    return {"name": request.param, "path": str(folder)}


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory):
    """One that changes every layer that fine-tuning adapts, those of the vision part too."""
    model = AutoModelForImageTextToText.from_pretrained(base["path"])
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=layers.adapted(model)))
    generator = torch.Generator().manual_seed(0)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            weights.data.normal_(std=0.2, generator=generator)
    folder = tmp_path_factory.mktemp("adapter")
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    crops = tmp_path_factory.mktemp("crops")
    small_crops.write(crops)
    requests = slices_of(["gli-d", "gli-e"], crops, every=4)
    return Crops(crops).pictures(requests, 64, "square"), [request.name for request in requests]


def pair(base, adapter=None):
    return [backends.build(base | {"backend": name}, adapter) for name in ("transformers", "vllm")]


@pytest.fixture
def both(base):
    """One model of vLLM in a process, as in a job."""
    made = pair(base)
    yield made
    made[1].close()


def answers(backend, asked, prompt=PROMPT, **decoding):
    backend.load()
    return backend.answer(prompt, *asked, Decoding(24, **decoding))


def test_greedy_answers_are_those_of_transformers(both, asked):
    ours, theirs = (answers(backend, asked) for backend in both)
    assert ours == theirs and all(answer.text for answer in ours)


def test_choices_have_the_probabilities_of_transformers(both, asked):
    for backend in both:
        backend.load()
    for choices in (GRADES, WORDS):
        ours, theirs = (backend.logprobs(PROMPT, asked[0], choices) for backend in both)
        np.testing.assert_allclose(theirs, ours, atol=3e-5)
        np.testing.assert_allclose(np.exp(theirs).sum(axis=1), 1)
        assert np.ptp(theirs, axis=0)[0] > 3e-4  # it looks at the picture


def test_an_adapter_answers_as_with_transformers(base, adapter, asked):
    ours, theirs = pair(base, adapter)
    expected = answers(ours, asked)
    assert answers(theirs, asked) == expected != answers(pair(base)[0], asked)
    np.testing.assert_allclose(
        theirs.logprobs(PROMPT, asked[0], GRADES), ours.logprobs(PROMPT, asked[0], GRADES), atol=1e-3
    )
    theirs.close()


def test_a_draw_depends_on_seed_and_name_alone(both, asked):
    shown, names = asked
    drawn = answers(both[1], asked, temperature=1.0, seed=3)
    assert answers(both[1], (shown[::-1], names[::-1]), temperature=1.0, seed=3) == drawn[::-1]
    assert answers(both[1], (shown[:1], names[:1]), temperature=1.0, seed=3) == drawn[:1]
    assert answers(both[1], asked, temperature=1.0, seed=4) != drawn
    assert answers(both[1], asked, temperature=1.0, top_p=1e-6, seed=4) == answers(both[1], asked)


def test_constrained_answers_are_legal_and_those_of_transformers(both, asked):
    ours, theirs = (answers(backend, asked, legal=r"Choice: [012]") for backend in both)
    assert ours == theirs and {answer.text[:-1] for answer in theirs} == {"Choice: "}


def test_an_answer_ends_with_a_text_that_stops_it(both, asked):
    free = answers(both[1], asked)
    stop = (next(letter for letter in free[0].text[1:] if letter.isascii() and letter.isprintable()),)
    ours, theirs = (answers(backend, asked, stop=stop) for backend in both)
    assert ours == theirs
    assert theirs[0].text == free[0].text[: free[0].text.index(stop[0]) + 1]


def test_examples_and_several_pictures_are_asked_about_alike(both, asked):
    shown, names = asked
    pairs = [(each[0], other[0]) for each, other in zip(shown, shown[::-1], strict=True)]
    few = Prompt(PROMPT.text, True, "You grade tumours.", (Example(pairs[0], "Choice: 1"),))
    ours, theirs = (answers(backend, (pairs, names), few) for backend in both)
    assert ours == theirs


def test_another_question_than_the_processors_is_refused(base, asked, monkeypatch):
    backend = backends.build(base | {"backend": "vllm"})
    monkeypatch.setattr(backend, "_generate", lambda *_: [type("", (), {"prompt_token_ids": [1, 2]})])
    monkeypatch.setattr(backend, "_start", lambda _: None)
    with pytest.raises(UserError, match=r"vLLM makes 2 tokens of a question of \d+, or others of as many; set backend"):
        answers(backend, asked)


@pytest.fixture
def served(base, tmp_path):
    """A server of vLLM's own, and the entry of a model behind it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"dtype": "float32", "max-model-len": "4096", "served-model-name": base["name"], "port": str(port)}
    settings |= {"generation-config": "vllm", "host": "127.0.0.1"}
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    call = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", base["path"], "--enforce-eager"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*call, *words], stdout=log, stderr=log, env=os.environ | {"VLLM_NO_USAGE_STATS": "1"}
        )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(180):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5)
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()[-4000:]
                time.sleep(1)
        endpoint = {"url": f"{url}/v1", "server": "vllm", "logprobs": True}
        yield {"name": base["name"], "source": base["name"], "backend": "endpoint", "endpoint": endpoint}
    finally:
        server.terminate()
        server.wait(60)


def test_a_server_of_vllm_takes_what_the_endpoint_asks_of_it(served, base, asked):
    """Pictures, constraint, stop and probabilities: its answers are those of transformers."""
    local, remote = backends.build(base), backends.build(served)
    pattern = r"Choice: [012]"
    free, ours = answers(local, asked), answers(local, asked, legal=pattern)
    stop = (next(letter for letter in free[0].text[1:] if letter.isascii() and letter.isprintable()),)
    # Random weights write bytes that are no text, and those that end an answer it does not send.
    assert [answer.text.rstrip("\ufffd") for answer in answers(remote, asked)] == [
        answer.text.rstrip("\ufffd") for answer in free
    ]
    assert answers(remote, asked, stop=stop) == answers(local, asked, stop=stop)
    theirs = answers(remote, asked, legal=pattern)
    assert [answer.text for answer in theirs] == [answer.text for answer in ours]
    np.testing.assert_allclose(np.exp(remote.logprobs(PROMPT, asked[0], GRADES)).sum(axis=1), 1)
