"""What jobs import before they begin, in seconds: of each kind the slowest script, in a process of its own."""

import ast
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {
    "cuts a crop": "crop",
    "scores a run": "score_run",
    "scores baselines": "score_baselines",
    "draws a figure": "draw_placement",
    "trains a network": "train_cnn",
    "asks a VLM": "respond",
    "nothing but Python": "",
}


def imports(script: str) -> str:
    """The import statements of a script, wherever they stand, in their order."""
    if not script:
        return ""
    tree = ast.parse((ROOT / "workflow" / "scripts" / f"{script}.py").read_text(encoding="utf-8"))
    return "\n".join(ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def rows(rounds: int) -> list[list[str]]:
    """(what a job does, its script, seconds), by rounds over all scripts."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    found: dict[str, list[float]] = {what: [] for what in SCRIPTS}
    for _ in range(rounds + 1):
        for what, script in SCRIPTS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", imports(script)], env=environment, check=True)
            found[what].append(time.perf_counter() - start)
    return [[what, SCRIPTS[what], f"{statistics.median(times[1:]):.2f}"] for what, times in found.items()]
