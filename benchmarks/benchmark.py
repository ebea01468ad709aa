"""This workflow beside the tools that one would take instead: `make benchmark` writes benchmarks/results.md.

    python benchmarks/benchmark.py [--only crops scoring answers training starts] [--rounds 5] [--out FILE]

Each pair does the same work, is held against each other first, and is then timed in turns on one thread.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "benchmarks")]

import torch  # noqa: E402

from against import answers, crops, pairs, scoring, starts, training  # noqa: E402

SECTIONS = {"crops": crops.pairs, "scoring": scoring.pairs, "answers": answers.pairs, "training": training.pairs}
TOOLS = ("numpy", "scipy", "edt", "isal", "monai", "medpy", "torch", "transformers", "peft", "trl")


def machine() -> str:
    """The processor, as the system names it, and its number of cores here."""
    names = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next(
        (line.split(":", 1)[1].strip() for line in names if line.startswith("model name")), platform.processor()
    )
    return f"{name or platform.machine()}, {os.cpu_count()} cores, one thread used; Python {platform.python_version()}"


def commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*SECTIONS, "starts"], default=[*SECTIONS, "starts"])
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is timed, after a first time")
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "results.md"))
    told = parser.parse_args()
    torch.set_num_threads(1)
    found = []
    for name in (name for name in SECTIONS if name in told.only):
        with tempfile.TemporaryDirectory() as folder:
            found += [pair.row for pair in SECTIONS[name](Path(folder), told.rounds)]
    text = [
        "# Benchmarks",
        "",
        "Written by `make benchmark`. Each pair was held against each other, then timed in turns; seconds are medians, "
        "ratios medians over rounds of theirs / ours with the least and the largest. Only ratios carry over to other "
        "machines.",
        "",
        f"Machine: {machine()}. Commit: {commit()}. {', '.join(f'{tool} {version(tool)}' for tool in TOOLS)}.",
        "",
    ]
    if found:
        text += [pairs.table(pairs.HEAD, found), ""]
    if "starts" in told.only:
        rows = starts.rows(told.rounds)
        text += ["What a job imports before it begins, lazy imports included:", ""]
        text += [pairs.table(["a job that", "script", "seconds"], rows), ""]
    Path(told.out).write_text("\n".join(text), encoding="utf-8")
    print(f"written: {told.out}")


if __name__ == "__main__":
    main()
