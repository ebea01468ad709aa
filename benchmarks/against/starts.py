"""What jobs import before they begin, in seconds: of each kind the slowest script, in a process of its own."""

import ast
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPTIMISER = "import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"
MONAI = """
from glioma.cnn import networks
from glioma.cnn.recipe import Recipe
unet = {"task": "segmentation", "architecture": "monai:UNet", "arguments": {"channels": [4, 8], "strides": [2]}}
networks.build(Recipe.read(unet), (16, 16, 16))
"""
VLM = """
from glioma.vlm import backends
backends.get("transformers")
from transformers.models.mllama import modeling_mllama, processing_mllama
"""
SCRIPTS = {
    "cuts a crop": ("crop", ""),
    "scores a run": ("score_run", ""),
    "scores baselines": ("score_baselines", ""),
    "draws a figure": ("draw_placement", ""),
    "trains a network": ("train_cnn", OPTIMISER),
    "trains a network of MONAI": ("train_cnn", MONAI + OPTIMISER),
    "asks a VLM": ("respond", VLM),
    "fine-tunes a VLM": ("finetune", VLM + "from datasets import Dataset\nfrom trl import SFTTrainer"),
    "nothing but Python": ("", ""),
}
"""What a job does: its script, and what makes its libraries import the rest."""


def imports(script: str) -> str:
    """The import statements of a script, wherever they stand, in their order, as a job makes them."""
    if not script:
        return ""
    tree = ast.parse((ROOT / "workflow" / "scripts" / f"{script}.py").read_text(encoding="utf-8"))
    found = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(["from glioma.base import job as started", "started._keep_memory()", *found])


def rows(rounds: int) -> list[list[str]]:
    """(what a job does, its script, seconds), by rounds over all scripts."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    found: dict[str, list[float]] = {what: [] for what in SCRIPTS}
    for _ in range(rounds + 1):
        for what, (script, more) in SCRIPTS.items():
            # As a job ends: else Python looks for garbage once more.
            code = f"{imports(script)}\n{more}\nimport gc; gc.freeze()"
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], env=environment, check=True)
            found[what].append(time.perf_counter() - start)
    return [[what, SCRIPTS[what][0], f"{statistics.median(times[1:]):.2f}"] for what, times in found.items()]
