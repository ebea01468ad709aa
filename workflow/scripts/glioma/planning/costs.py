"""What units cost: a table measured on a finished run or estimated, and what a list of jobs costs by it.

The table has a row per rule, device ("cpu" or "gpu"), kind of VLM ("embedded", "other", "" for none) and unit (see
`units`): its seconds, the bytes it leaves on disk, and on what both rest. `ESTIMATE` begins the basis of every row that
nobody has measured.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from glioma.base.errors import UserError
from glioma.planning.jobs import Job, written
from glioma.planning.units import Study

KEY = ["rule", "device", "model"]
COLUMNS = [*KEY, "unit", "seconds", "bytes", "basis"]
ESTIMATE = "estimate: not measured"
# Units that a rule's time is explained by where it has them; more cannot be told apart in one run of the demo.
EXPLAINED = {
    "respond": ("job", "answer", "step"),
    "finetune": ("job", "sample", "answer"),
    "train_cnn": ("job", "TFLOP"),
    "conversations": ("job", "row"),
    "predict_cnn_grade": ("patient", "TFLOP"),
    "predict_cnn_mask": ("patient", "TFLOP"),
    "predict_cnn_slices": ("patient", "TFLOP"),
}
# What a rule's files grow with.
STORED = {"respond": "answer", "conversations": "row", "finetune": "job", "train_cnn": "job"}


def read(path: str | Path) -> pd.DataFrame:
    """The table of unit costs; `UserError` names the file and what is wrong with it."""
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys((*KEY, "unit", "basis"), str), keep_default_na=False)
    except FileNotFoundError as fault:
        raise UserError(f"{path}: no such table of unit costs; see docs/plan.md") from fault
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise UserError(f"{path}: no column {missing[0]}; the columns are {', '.join(COLUMNS)}")
    for name in ("seconds", "bytes"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
        if not (table[name] >= 0).all():
            raise UserError(f"{path}: a value of {name} is no number from 0 on; give one")
    return table


def device(job: Job) -> str:
    return "gpu" if job.gpu else "cpu"


def estimate(jobs: Sequence[Job], study: Study, costs: pd.DataFrame, path: str | Path = "unit costs") -> pd.DataFrame:
    """One row per job: rule, device, gpu, threads, memory_mb, seconds, bytes, estimate (on what,
    where a cost was not measured).

    Raises `UserError` naming the rule whose cost stands nowhere in the table.
    """
    known = dict(list(costs.groupby(KEY)))
    rows = []
    for job in jobs:
        key = (job.rule, device(job), study.model(job))
        if key not in known:
            raise UserError(
                f"{path}: no cost of rule {job.rule} on a {key[1]}" + (f" with a VLM that is {key[2]}" * bool(key[2]))
                + "; add a row, measure a finished run (docs/plan.md), or plan for a GPU with --config gpus_per_job=1"
            )  # fmt: skip
        units, own = study.units(job), known[key]
        counts = own["unit"].map(units).fillna(0)
        rows.append(
            {
                "rule": job.rule,
                "device": key[1],
                "run": job.wildcards.get("run", ""),
                "gpu": job.gpu,
                "threads": job.threads,
                "memory_mb": job.memory_mb,
                "seconds": float((counts * own["seconds"]).sum()),
                "fixed": float(own.loc[own["unit"] == "job", "seconds"].sum()),
                "bytes": float((counts * own["bytes"]).sum()),
                "estimate": "; ".join(dict.fromkeys(own.loc[own["basis"].str.startswith(ESTIMATE), "basis"])),
            }
        )
    return pd.DataFrame(rows)


def measure(jobs: Iterable[Job], study: Study, root: str | Path, basis: str) -> pd.DataFrame:
    """Unit costs from the finished ones among the jobs of a workflow that ran in `root`.

    Seconds are wall time of Snakemake's benchmark files, shared out to units by least squares with no negative cost;
    bytes are those of the outputs. Every unit that the jobs hold has a row, with 0 where others explain its time: what
    was measured as a whole is not to be added to an estimate of its parts.
    """
    finished: dict[tuple, list[tuple[dict, float, int]]] = {}
    for job in jobs:
        benchmark = Path(root) / job.benchmark
        if job.benchmark and benchmark.is_file():
            seconds = float(pd.read_csv(benchmark, sep="\t")["s"].mean())
            key = (job.rule, device(job), study.model(job))
            finished.setdefault(key, []).append((study.units(job), seconds, written(job, root)))
    rows = []
    for key, found in sorted(finished.items()):
        held = [units for units, _, _ in found]
        every = "patient" if "patient" in held[0] else "job"
        explained, stored = EXPLAINED.get(key[0], (every,)), STORED.get(key[0], every)
        counts = np.array([[units.get(unit, 0) for unit in explained] for units in held])
        seconds, _ = nnls(counts, np.array([wall for _, wall, _ in found]))
        size = sum(each for _, _, each in found) / sum(units[stored] for units in held)
        units = dict.fromkeys(unit for each in held for unit, count in each.items() if count)
        by_unit = dict(zip(explained, seconds, strict=True))
        for unit in units:
            rows.append([*key, unit, round(by_unit.get(unit, 0.0), 5), round(size) if unit == stored else 0, basis])
    return pd.DataFrame(rows, columns=COLUMNS)
