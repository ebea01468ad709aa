"""`make gpu-check` at its smallest, on any machine: that it runs, and that its models have the real ones' sizes."""

import re
import runpy
import sys
from pathlib import Path

import architectures
import pytest
import torch
import transformers

from glioma.planning import costs

SCRIPT = Path("benchmarks/gpu_check.py")


def test_it_measures_answers_lora_steps_and_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--tiny", "--costs", str(tmp_path / "costs.csv")])
    monkeypatch.setattr(sys, "path", [*sys.path])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    table = capsys.readouterr().out.split("| what | how | measured |")[1]
    assert "failed" not in table.replace("static cache, compiled | failed", "")
    for model in ("Llama 3.2 11B Vision", "Qwen2.5-VL 7B"):
        for how in ("one at a time", "batches of 4", "with probabilities of choices", "LoRA step of 4, plain PEFT"):
            assert re.search(rf"\| {model} \| {how}.* \| [0-9.]+ ", table), (model, how)
    for network in ("paper:classifier", "paper:segmenter", "monai:UNet"):
        assert re.search(rf"\| {network} \| training step, bfloat16 \| [0-9.]+ crops/s", table)
    measured = costs.read(tmp_path / "costs.csv")
    assert measured["rule"].tolist() == ["train_cnn"] and measured["seconds"].gt(0).all()


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT)])
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="Error: no CUDA device; .* --tiny"):
        runpy.run_path(str(SCRIPT), run_name="__main__")


@pytest.mark.parametrize(("name", "millions"), [("Llama 3.2 11B Vision", 10_670), ("Qwen2.5-VL 7B", 8_292)])
def test_its_models_have_the_sizes_of_the_real_ones(tmp_path, monkeypatch, name, millions):
    monkeypatch.setattr(sys, "path", [*sys.path])
    check = runpy.run_path(str(SCRIPT))
    shape = check["SHAPES"][name]
    architectures.build(shape.kind, tmp_path)
    for depth in (1.0, 0.25):
        with torch.device("meta"):
            config = check["configuration"](shape, tmp_path, depth)
            made = transformers.AutoModelForImageTextToText.from_config(config)
        found = sum(each.numel() for each in made.parameters()) / 1e6
        assert found == pytest.approx(millions, rel=0.005) if depth == 1 else found < millions / 2
