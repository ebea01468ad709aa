"""A backend is one class: what stands above it runs with another one as it is, and needs no library of the first."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_crops import PATIENTS, SIDE

from configuration import resolved
from glioma import tasks
from glioma.base import provenance
from glioma.base.errors import UserError
from glioma.geometry import slices
from glioma.vlm import backends, conversations, requests, respond
from glioma.vlm.generation_evaluator import GenerationEvaluator

PACKAGE = Path(respond.__file__).parents[1]
HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "accelerate"}
CLASSIFY = "Classify the brain scan as Low Grade Glioma (0), High Grade Glioma (1), or No Glioma (2)."
CENTRE = "Output the center point of the tumor as a single coordinate (row, col)."
READING = {"task": "center_point", "side": SIDE, "coordinates": {"order": "row_col", "scale": "128"}}
SETTINGS = {
    "forced_start": "Choice: ", "choices": ["0", "1", "2"], "side": SIDE, "max_new_tokens": 10, "batch_size": 4,
}  # fmt: skip


@pytest.fixture
def threshold(monkeypatch):
    """The second backend, found where backends are looked for; its class."""
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(Path(__file__).parent / "second_backend")])
    monkeypatch.delitem(sys.modules, backends.module("threshold"), raising=False)
    yield backends.get("threshold")
    sys.modules.pop(backends.module("threshold"), None)


def test_a_second_backend_is_a_module_and_a_value_of_a_key(threshold, small_crops, tmp_path):
    assert backends.names() == ("endpoint", "threshold", "transformers", "unsloth", "vllm")
    entry = resolved(models={"tiny-mllama": {"backend": "threshold"}})["models"]["tiny-mllama"]
    asked = requests.slices_of(PATIENTS["patient"], small_crops, slices.ORIENTATIONS, "all", every=3)
    base = {"name": "tiny-mllama", "path": "nowhere", "quantisation": "none", "backend": entry["backend"]}

    def answered(name, wanted=asked, **more):
        out = tmp_path / f"{name}.jsonl"
        settings = {**SETTINGS, **more}
        respond.respond(base, None, wanted, small_crops, CLASSIFY, settings, out, tmp_path / f"{name}.timing.csv", 3)
        return out.read_bytes()

    whole = answered("whole")
    rows = [json.loads(line) for line in whole.decode().splitlines()]
    assert [tuple(row[key] for key in requests.Request._fields) for row in rows] == asked
    assert {row["text"] for row in rows} == {"Choice: 0", "Choice: 2"}
    for row in rows:
        mask = slices.take(np.load(small_crops / f"{row['patient']}.mask.npy"), row["orientation"], row["slice"])
        if row["text"] == "Choice: 0":
            assert mask.any()
        assert list(row["logprobs"]) == ["0", "1", "2"]
        assert np.exp(list(row["logprobs"].values())).sum() == pytest.approx(1, abs=2e-4)
    assert answered("small", batch_size=1) == whole
    assert b"".join(answered(str(n), requests.shard(asked, n, 3)) for n in range(3)) == whole
    (free,) = {json.dumps(json.loads(line)["logprobs"]) for line in answered("free", choices=[]).splitlines()}
    assert free == "null"


def test_what_a_killed_job_left_is_gone_on_with_only_by_the_same_backend(threshold, small_crops, tmp_path):
    asked = requests.slices_of(["gli-a"], small_crops)
    base = {"name": "m", "path": "nowhere", "backend": "threshold"}
    drawn = {**SETTINGS, "temperature": 1.0}  # two empty slices are two questions
    files = tmp_path / "out.jsonl", tmp_path / "out.timing.csv"
    calls, finished = [], threshold.answer

    def killed(self, prompt, images, names, decoding):
        calls.append(len(images))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return finished(self, prompt, images, names, decoding)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threshold, "answer", killed)
        with pytest.raises(KeyboardInterrupt):
            respond.respond(base, None, asked, small_crops, CLASSIFY, drawn, *files, 3)
        assert len((tmp_path / "out.partial.jsonl").read_bytes().splitlines()) == 8
        respond.respond(base, None, asked, small_crops, CLASSIFY, drawn, *files, 3)
        assert calls == [4, 4, 4, *[4] * 3]  # of 20, the third batch and those after it

        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            respond.respond(base, None, asked, small_crops, CLASSIFY, drawn, *files, 3)
        calls.clear()
        calls.append(0)
        patch.setattr(threshold, "fingerprint", lambda self: {"bright": "another"})
        with pytest.raises(KeyboardInterrupt):
            respond.respond(base, None, asked, small_crops, CLASSIFY, drawn, *files, 3)
        assert len((tmp_path / "out.partial.jsonl").read_bytes().splitlines()) == 4  # begun anew


def test_the_evaluator_scores_what_any_backend_answers(threshold, small_crops, tmp_path):
    settings = {"side": SIDE, "balance": False}
    conversations.write(tmp_path, PATIENTS, small_crops, tasks.get("center_point"), CENTRE, settings, seed=1)
    rows = conversations.read(tmp_path / "fold0" / "train.jsonl")
    backend = threshold({"name": "m"})
    backend.load()
    # The tumours of these crops are what is bright.
    assert GenerationEvaluator(rows, READING, 4, 20)(backend) == 1
    blind = GenerationEvaluator(rows, READING, 4, 20)
    blind.slices = [(image.point(lambda value: value // 2),) for (image,) in blind.slices]
    assert blind(backend) == 0


def test_unsloth_says_what_it_needs_and_is_another_cause_of_answers(tiny_mllama):
    """What it answers where it runs: `make test-unsloth`, in its own environment."""
    base = tiny_mllama | {"backend": "unsloth"}
    backend = backends.build(base)
    assert backend.fingerprint() != backends.build(tiny_mllama).fingerprint()
    with pytest.raises(UserError, match="tiny-mllama: backend unsloth needs CUDA and its environment; set backend: tr"):
        backend.load()


def test_vllm_says_what_it_needs_and_is_another_cause_of_answers(tiny_mllama):
    """What it answers where it runs: `make test-vllm`, in its own environment."""
    backend = backends.build(tiny_mllama | {"backend": "vllm"})
    assert backend.fingerprint() != backends.build(tiny_mllama).fingerprint()
    with pytest.raises(UserError, match="tiny-mllama: backend vllm needs vLLM, .* --sdm conda, or set backend: transf"):
        backend.load()
    for key, value in {"quantisation": "4bit", "attention": "eager"}.items():
        with pytest.raises(UserError, match=f"tiny-mllama.*backend: vllm knows no {key}: {value}; set {key}: "):
            resolved(models={"tiny-mllama": {"backend": "vllm", key: value}})


def test_an_unknown_backend_is_named_with_those_there_are():
    with pytest.raises(
        UserError, match=r"models\.tiny-mllama\.backend: 'sglang' is no backend; use one of endpoint, transformers"
    ):
        resolved(models={"tiny-mllama": {"backend": "sglang"}})
    with pytest.raises(ValueError, match="'_backend' is no backend"):
        backends.get("_backend")


def test_a_rule_depends_on_the_backend_that_it_names():
    def reached(*modules):
        return {path.relative_to(provenance.SCRIPTS).as_posix() for path in provenance.reached("respond", *modules)}

    transformers = {f"glioma/vlm/{name}.py" for name in ("backends/transformers", "models", "encode", "sampling")}
    assert not transformers & reached() and not any("tasks/" in name for name in reached())
    assert "glioma/vlm/backends/_backend.py" in reached()
    assert transformers <= reached(backends.module("transformers"))


@pytest.mark.parametrize("module", ["respond", "generation_evaluator", "images", "backends", "settings", "requests"])
def test_what_stands_above_backends_needs_none_of_their_libraries(module):
    code = f"import sys, glioma.vlm.{module}; print(*({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert not done.stdout.split()


def test_transformers_is_used_by_backends_fine_tuning_and_promptable_segmenters_alone():
    users = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if {name.split(".")[0] for name in names} & {"transformers", "peft", "trl"}:
                users.add(path.relative_to(PACKAGE).as_posix())
    shared = {
        "vlm/models.py",
        "vlm/processors.py",
        "vlm/encode.py",
        "vlm/sampling.py",
        "vlm/constraint.py",
        "vlm/backends/_prefill.py",
        "vlm/backends/transformers.py",
        "vlm/backends/vllm.py",
    }
    training, promptable = {"vlm/finetune.py", "vlm/collate.py"}, {"sam/models.py"}
    assert {name for name in users if not name.startswith("demo/")} == shared | training | promptable
