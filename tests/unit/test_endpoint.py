"""An OpenAI-compatible server, a real one: its answers are the local backend's, whatever goes wrong in between."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from small_crops import SIDE

from configuration import resolved
from glioma.base.errors import UserError
from glioma.geometry import slices
from glioma.vlm import backends, requests
from glioma.vlm.backends import Choices, Decoding, Example, Prompt
from glioma.vlm.respond import respond

PROMPT = Prompt(Path("config/prompts/classify.txt").read_text().strip())
SETTINGS = {"side": SIDE, "max_new_tokens": 8, "batch_size": 4}
KEY = "sk-this-must-stand-nowhere"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _serve(folder: str, port: int) -> subprocess.Popen:
    """`transformers serve` with a model from a folder, once it answers."""
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1"]
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [*command, "--port", str(port), "--device", "cpu", "--dtype", "float32", folder],
        env=os.environ | quiet,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
            return server
        except OSError:
            assert server.poll() is None, "the server ended"
            time.sleep(0.1)
    raise TimeoutError("the server did not start")


def _end(server: subprocess.Popen) -> None:
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture(scope="module")
def served(tiny_mllama):
    """The address of a server of the tiny model."""
    port = _free_port()
    server = _serve(tiny_mllama["path"], port)
    yield f"http://127.0.0.1:{port}"
    _end(server)


@pytest.fixture
def between(served):
    """A server in front of the real one, which does first what a test puts into `faults`, a request each."""
    faults: list = []
    seen: list[dict] = []
    under_way, most = [0], [0]
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                seen.append(
                    {"body": json.loads(body), "key": self.headers.get("Authorization"), "at": time.monotonic()}
                )
                fault = faults.pop(0) if faults else None
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            try:
                self._reply(fault, body)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                with lock:
                    under_way[0] -= 1

        def _reply(self, fault, body):
            status, headers, content = 200, {}, None
            if isinstance(fault, int):
                status, content = (
                    fault,
                    json.dumps({"error": {"message": f"no, {self.headers['Authorization']}"}}).encode(),
                )
                headers = {"Retry-After": "0"} if fault == 429 else {}
            elif fault == "cut":
                return self.connection.close()
            elif fault == "slow":
                time.sleep(3)
            elif fault == "garbage":
                content = b"<html>welcome</html>"
            elif fault == "empty":
                content = b'{"choices": []}'
            if content is None:
                request = urllib.request.Request(f"{served}{self.path}", body, {"Content-Type": "application/json"})
                content = urllib.request.urlopen(request).read()
                if callable(fault):
                    content = json.dumps(fault(json.loads(content))).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.faults, server.seen, server.most = faults, seen, most
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield server
    server.shutdown()


@pytest.fixture
def images(small_crops):
    flair = np.load(small_crops / "gli-e.npy")[0]
    return [(slices.render(flair[index], SIDE),) for index in range(6, 12)]


def entry(model, url, **more):
    return {
        "name": "far",
        "source": model["path"],
        "backend": "endpoint",
        "endpoint": {"url": url, "retries": 2, **more},
    }


def built(model, url, **more):
    backend = backends.build(entry(model, url, **more))
    backend.load()
    return backend


def local(model, images):
    backend = backends.build(model)
    backend.load()
    return backend.answer(PROMPT, images, names(images), Decoding(8))


def names(images):
    return [str(number) for number in range(len(images))]


def test_greedy_answers_are_those_of_the_local_backend(tiny_mllama, between, images):
    found = built(tiny_mllama, between.url, concurrency=3).answer(PROMPT, images, names(images), Decoding(8))
    assert found == local(tiny_mllama, images)
    assert 1 < between.most[0] <= 3
    first = between.seen[0]["body"]
    assert [part["type"] for part in first["messages"][0]["content"]] == ["text", "image_url"]
    assert first["temperature"] == 0 and "seed" not in first


def test_several_pictures_examples_and_a_system_prompt_are_answered_as_by_the_local_backend(
    tiny_mllama, between, images
):
    pairs = [images[number] + images[number + 1] for number in range(4)]
    prompt = Prompt(PROMPT.text, True, "Be brief.", (Example(pairs[0], "Choice: 1"),))
    local = backends.build(tiny_mllama)
    local.load()
    far = built(tiny_mllama, between.url)
    found, expected = (each.answer(prompt, pairs, names(pairs), Decoding(8)) for each in (far, local))
    assert found == expected
    assert [turn["role"] for turn in between.seen[0]["body"]["messages"]] == ["system", "user", "assistant", "user"]


def test_a_server_that_is_busy_fails_or_breaks_off_is_asked_again(tiny_mllama, between, images):
    between.faults += [429, 500, "cut", 503]
    found = built(tiny_mllama, between.url, concurrency=2, retries=5).answer(PROMPT, images, names(images), Decoding(8))
    assert found == local(tiny_mllama, images)
    assert len(between.seen) == len(images) + 4


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (429, "still wants fewer requests after 1 retries; lower endpoint.concurrency"),
        (500, "fails with status 500 after 1 retries"),
        (401, "refuses the key; set the environment variable VLM_KEY"),
        (404, "has no such model or path"),
        (400, "refuses the question with status 400"),
        ("cut", "cannot be reached; start the server, or mend endpoint.url"),
        ("slow", "no answer within 0.5 s; raise endpoint.timeout"),
        ("garbage", "answers what is no chat completion"),
        ("empty", "answers what is no chat completion"),
    ],
)
def test_what_does_not_pass_is_one_line_without_the_key(tiny_mllama, between, images, monkeypatch, fault, said):
    monkeypatch.setenv("VLM_KEY", KEY)
    between.faults += [fault] * 20
    limit = 0.5 if fault == "slow" else 60
    backend = built(tiny_mllama, between.url, key="VLM_KEY", retries=1, timeout=limit, concurrency=2)
    with pytest.raises(UserError) as raised:
        backend.answer(PROMPT, images[:2], ["a", "b"], Decoding(4))
    text = str(raised.value)
    assert text.startswith(f"model far: {between.url} ") and said in text and "\n" not in text and KEY not in text
    assert all(each["key"] == f"Bearer {KEY}" for each in between.seen)


def test_a_key_comes_from_the_environment_alone(tiny_mllama, between, monkeypatch):
    monkeypatch.delenv("VLM_KEY", raising=False)
    with pytest.raises(UserError, match="the environment has no VLM_KEY; export it"):
        built(tiny_mllama, between.url, key="VLM_KEY")
    monkeypatch.setenv("VLM_KEY", KEY)
    backend = built(tiny_mllama, between.url, key="VLM_KEY")
    assert KEY not in json.dumps(backend.fingerprint())


def test_a_job_spends_no_more_than_it_may_and_keeps_what_it_bought(tiny_mllama, between, small_crops, tmp_path):
    asked = requests.slices_of(["gli-e"], small_crops, selection="tumour")
    prices = {"limit": 1.0, "input": 4000, "output": 0}  # about a third of the limit an answer
    base = entry(tiny_mllama, between.url, concurrency=1, spending=prices)
    files = tmp_path / "out.jsonl", tmp_path / "out.timing.csv"
    how = {**SETTINGS, "batch_size": 1}
    with pytest.raises(UserError, match=r"has cost 1\.\d\d in this job, more than endpoint\.spending\.limit 1"):
        respond(base, None, asked, small_crops, PROMPT.text, how, *files, 3, "", tmp_path / "store")
    bought = len(between.seen)
    assert 1 < bought < len(asked) and not files[0].exists()
    base["endpoint"]["spending"]["limit"] = 1000.0
    assert respond(base, None, asked, small_crops, PROMPT.text, how, *files, 3, "", tmp_path / "store") > 0
    # The last one was answered and not kept: it is what went beyond the limit.
    assert len(between.seen) == len(asked) + 1


def test_no_more_requests_a_minute_than_it_may(tiny_mllama, between, images):
    built(tiny_mllama, between.url, requests_per_minute=240).answer(PROMPT, images[:4], list("abcd"), Decoding(2))
    times = sorted(each["at"] for each in between.seen)
    assert times[-1] - times[0] >= 3 * 60 / 240 * 0.9


def test_what_is_drawn_is_told_how(tiny_mllama, between, images):
    backend = built(tiny_mllama, between.url)
    drawn = Decoding(4, temperature=0.7, top_p=0.9, seed=5)
    backend.answer(PROMPT, images[:2], ["a", "b"], drawn)
    backend.answer(PROMPT, images[1:2], ["b"], drawn)
    bodies = [each["body"] for each in between.seen]
    assert all(body["temperature"] == 0.7 and body["top_p"] == 0.9 for body in bodies)
    seeds = [body["seed"] for body in sorted(bodies[:2], key=lambda body: body["seed"] == bodies[2]["seed"])]
    assert seeds[1] == bodies[2]["seed"] != seeds[0]


@pytest.mark.parametrize(("server", "kept"), [("vllm", "include_stop_str_in_output"), ("sglang", "no_stop_trim")])
def test_what_ends_an_answer_is_told_and_kept(tiny_mllama, images, server, kept):
    # Neither server can run here: what would be sent.
    backend = backends.build(entry(tiny_mllama, "http://127.0.0.1:9/v1", server=server))
    body = backend._request(PROMPT, images[0], "a", Decoding(4, stop=("]",)))
    assert body["stop"] == ["]"] and body["extra_body"][kept] is True


def test_probabilities_of_choices_are_those_that_the_server_names(tiny_mllama, between, images):
    def named(reply):
        top = [{"token": token, "logprob": value} for token, value in (("1", -0.1), (" 1", -5.0), ("0", -2.5))]
        said = [
            {"token": "Choice", "logprob": 0.0, "top_logprobs": []},
            {"token": "1", "logprob": -0.1, "top_logprobs": top},
        ]
        reply["choices"][0]["logprobs"] = {"content": said}
        return reply

    between.faults += [named, None]
    backend = built(tiny_mllama, between.url, logprobs=True, concurrency=1)
    backend.answer(PROMPT, images[:2], ["a", "b"], Decoding(4))
    first, second = backend.logprobs(PROMPT, images[:2], Choices("Choice: ", ("0", "1", "2")))
    assert np.exp(first).sum() == pytest.approx(1)
    assert first[1] - first[0] == pytest.approx(2.4) and first[2] < -90
    assert np.isnan(second).all()  # this server names none
    assert between.seen[0]["body"]["top_logprobs"] == 20
    assert built(tiny_mllama, between.url).logprobs(PROMPT, images[:2], Choices("Choice: ", ("0", "1", "2"))) is None


def test_a_server_killed_half_way_costs_what_was_under_way(tiny_mllama, small_crops, tmp_path):
    asked = requests.slices_of(["gli-a", "gli-e"], small_crops)
    port = _free_port()
    server = _serve(tiny_mllama["path"], port)
    files = tmp_path / "out.jsonl", tmp_path / "out.timing.csv"
    base = entry(tiny_mllama, f"http://127.0.0.1:{port}/v1", concurrency=2, retries=1)
    ask = (base, None, asked, small_crops, PROMPT.text, SETTINGS, *files, 3, "", tmp_path / "store")
    partial = tmp_path / "out.partial.jsonl"

    def kill():
        while not (partial.exists() and partial.read_bytes().count(b"\n") >= 8):
            time.sleep(0.02)
        _end(server)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(UserError, match="cannot be reached"):
        respond(*ask)
    killer.join()
    done = partial.read_bytes().count(b"\n")
    assert 8 <= done < len(asked) and not files[0].exists()
    server = _serve(tiny_mllama["path"], port)
    try:
        assert respond(*ask) <= len(asked) - done
    finally:
        _end(server)
    expected = tmp_path / "local.jsonl"
    respond(tiny_mllama, None, asked, small_crops, PROMPT.text, SETTINGS, expected, tmp_path / "local.timing.csv", 3)
    assert files[0].read_bytes() == expected.read_bytes()


def test_an_adapter_cannot_be_behind_an_endpoint(tiny_mllama):
    with pytest.raises(UserError, match="without an adapter"):
        backends.build(entry(tiny_mllama, "http://127.0.0.1:1/v1"), "some/adapter")


ASKED = {"task": "presence", "model": "far", "prompt": "presence", "generation": {"constrained": True}}
FAR = {"source": "vlm", "backend": "endpoint", "endpoint": {"url": "https://api.example.org/v1"}}


def test_pictures_of_patients_leave_the_machine_only_where_somebody_said_so():
    cohort = {"root": "/data/brats", "layout": "brats2020"}
    with pytest.raises(
        UserError, match=r"models\.far\.endpoint\.images_may_leave: .* sent to api\.example\.org; set it to"
    ):
        resolved(models={"far": FAR}, cohort=cohort)
    may = FAR | {"endpoint": FAR["endpoint"] | {"images_may_leave": True}}
    here = FAR | {"endpoint": {"url": "http://localhost:8000/v1"}}
    for allowed in (may, here):
        resolved(models={"far": allowed}, cohort=cohort)
    resolved(models={"far": FAR})  # phantoms are nobody


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": {"far": {"source": "vlm", "backend": "endpoint"}}}, "go together; give both or none"),
        ({"models": {"far": {"source": "vlm", "endpoint": FAR["endpoint"]}}}, "go together; give both or none"),
        ({"models": {"far": FAR | {"endpoint": {"url": "https://me:secret@host/v1"}}}}, "endpoint.url"),
        (
            {"models": {"far": FAR}, "adapters": {"far": {"task": "presence", "model": "far", "prompt": "presence"}}},
            "where nothing can be trained",
        ),
        (
            {
                "models": {"far": FAR},
                "runs": {
                    "far": {
                        "task": "presence",
                        "model": "far",
                        "prompt": "presence",
                        "generation": {"constrained": True},
                    }
                },
            },
            "set its endpoint.server to vllm or sglang",
        ),
        (
            {
                "models": {"far": FAR},
                "runs": {
                    "far": {"task": "presence", "model": "far", "prompt": "presence", "generation": {"stop": ["."]}}
                },
            },
            "generation.stop: the endpoint of 'far' would leave out the text",
        ),
    ],
)
def test_what_an_endpoint_cannot_do_is_refused_before_any_job(change, said):
    with pytest.raises(UserError) as raised:
        resolved(**change)
    assert said in str(raised.value) and "secret" not in str(raised.value)
