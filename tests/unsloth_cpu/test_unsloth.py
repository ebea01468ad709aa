"""Unsloth trains and answers as plain PEFT and transformers do, in its own environment: `make test-unsloth`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests" / "unit")]

import architectures  # noqa: E402
import small_crops  # noqa: E402

from glioma import tasks  # noqa: E402
from glioma.vlm import conversations, layers  # noqa: E402

PROMPT = (ROOT / "config/prompts/classify.txt").read_text().strip()
QUIET = {
    **dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "UNSLOTH_ALLOW_CPU", "UNSLOTH_COMPILE_DISABLE"), "1"),
    **dict.fromkeys(("TORCHDYNAMO_DISABLE", "UNSLOTH_DISABLE_STATISTICS"), "1"),
}
SETTINGS = {
    "steps": 60, "batch_size": 2, "learning_rate": 1e-2, "warmup": 0, "evaluate_every": 30, "validation_rows": 2,
    "rank": 8, "keep": "last", "select_by": "generation", "generation_rows": 2,
}  # fmt: skip


def run(folder, command, **told):
    """What a command of on_a_cpu.py finds, in a process of its own."""
    path = folder / f"{command}.json"
    path.write_text(json.dumps({"command": command, **told}))
    call = [sys.executable, str(ROOT / "tests/unsloth_cpu/on_a_cpu.py"), str(path)]
    done = subprocess.run(call, env=os.environ | QUIET, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", params=["mllama", "qwen3_vl"])
def trained(request, tmp_path_factory):
    """Folder, model entry, crops, and adapter that Unsloth made of random weights."""
    folder = tmp_path_factory.mktemp(request.param)
    for name in ("model", "crops"):
        (folder / name).mkdir()
    architectures.build(request.param, folder / "model")
    small_crops.write(folder / "crops")
    task, settings = tasks.get("classification"), {"side": 64, "limit": 3}
    conversations.write(folder / "made", small_crops.PATIENTS, folder / "crops", task, PROMPT, settings, seed=1)
    base = {"name": request.param, "path": str(folder / "model"), "quantisation": "none"}
    files = [str(folder / "made/fold0" / f"{part}.jsonl") for part in ("train", "validation")]
    curve = run(folder, "train", base=base, files=files, out=str(folder / "adapter"), settings=SETTINGS)
    assert curve["eval_loss"][-1] < curve["eval_loss"][0]
    return folder, base


def test_unsloth_answers_as_transformers_does(trained):
    folder, base = trained
    for adapter in (None, str(folder / "adapter")):
        told = {"adapter": adapter, "crops": str(folder / "crops"), "prompt": PROMPT}
        one, other = (
            run(folder, "answer", base=base | {"backend": name}, **told) for name in ("transformers", "unsloth")
        )
        assert one["greedy"] == other["greedy"] and one["drawn"] == other["drawn"]
        np.testing.assert_allclose(one["logprobs"], other["logprobs"], atol=1e-4)
        if adapter:
            limits = tasks.Limits(64)
            assert {tasks.get("classification").parse(text, "strict", limits).status for text in one["greedy"]} == {
                "ok"
            }


def test_its_adapter_is_whole_for_plain_peft_and_on_the_layers_that_ours_is_on(trained):
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForImageTextToText

    from glioma.vlm import models

    folder, base = trained
    ours, _ = models.load(base, folder / "adapter")
    plain = AutoModelForImageTextToText.from_pretrained(base["path"], dtype=torch.float32)
    chosen = set(layers.adapted(plain))
    peft = PeftModel.from_pretrained(plain, str(folder / "adapter")).eval()
    weights = load_file(folder / "adapter" / "adapter_model.safetensors")
    adapted = {name.split(".lora_")[0].removeprefix("base_model.model.") for name in weights}
    assert adapted == chosen
    for (name, one), (_, other) in zip(ours.named_parameters(), peft.named_parameters(), strict=True):
        assert torch.equal(one, other), name
