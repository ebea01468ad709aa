"""Where the time went: Snakemake's benchmark files and the VLM's own counts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from glioma.report.html import UNDEFINED, Cell, Out, Table, write


def by_rule(folder: str | Path) -> dict[str, list[Path]]:
    """Benchmark files by rule: `{folder}/{rule}.tsv`, or `{folder}/{rule}/{job}.tsv` of a rule with several jobs."""
    found: dict[str, list[Path]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        rule = path.stem if path.parent == Path(folder) else path.parent.name
        found.setdefault(rule, []).append(path)
    return found


def totals(folder: str | Path) -> pd.DataFrame:
    """Per rule, longest first: jobs, and the sums over jobs of wall and processor seconds."""
    rows = []
    for rule, paths in by_rule(folder).items():
        table = pd.concat([pd.read_csv(path, sep="\t", na_values=["-", "NA"]) for path in paths], ignore_index=True)
        rows.append({"rule": rule, "jobs": len(table), "wall_s": table["s"].sum(), "cpu_s": table["cpu_time"].sum()})
    return pd.DataFrame(rows).sort_values("wall_s", ascending=False, ignore_index=True)


def timing_table(
    benchmarks: Mapping[str, Sequence[str | Path]],
    timings: Mapping[str, Sequence[str | Path]],
    cohort_label: str,
    out: Out,
) -> None:
    """Wall time, processor time and memory per rule, and the speed of each VLM run.

    benchmarks: rule -> its benchmark TSVs; timings: run -> its shards' CSVs (batch, rows, tokens, seconds).
    """
    jobs = []
    for rule, paths in benchmarks.items():
        table = pd.concat([pd.read_csv(path, sep="\t", na_values=["-", "NA"]) for path in paths], ignore_index=True)
        seconds, processor = table["s"], table.get("cpu_time", pd.Series(dtype=float)).dropna()
        memory = table["max_rss"].dropna()
        jobs.append(
            [
                rule,
                Cell(str(len(table)), key=len(table)),
                _seconds(seconds.sum()),
                _seconds(seconds.max()),
                _seconds(processor.sum() if len(processor) else np.nan),
                Cell(f"{memory.max():.0f}", key=memory.max()) if len(memory) else Cell(UNDEFINED, key=-1),
            ]
        )
    columns = ("Rule", "Jobs", "Total", "Longest job", "Processor time", "Largest memory (MB)")
    # Where jobs share no file system, none has the benchmarks of another.
    sections = [Table("Jobs", columns, jobs, numeric=frozenset(columns[1:]), tools=True)] if jobs else []
    asked = [_speed(run, pd.concat([pd.read_csv(path) for path in paths])) for run, paths in timings.items() if paths]
    columns = ("Run", "Answers", "Tokens", "Time", "Answers a second", "Tokens a second")
    if asked:
        sections.append(Table("VLM inference", columns, asked, numeric=frozenset(columns[1:]), tools=True))
    write(
        out, "Time and memory", cohort_label, sections,
        ["As measured on the machine that ran each job. Jobs that ran side by side slow each other down."],
    )  # fmt: skip


def _speed(run: str, table: pd.DataFrame) -> list[Cell | str]:
    rows, tokens, seconds = (float(table[name].sum()) for name in ("rows", "tokens", "seconds"))
    rates = [
        Cell(f"{n / seconds:.1f}", key=n / seconds) if seconds else Cell(UNDEFINED, key=-1) for n in (rows, tokens)
    ]
    return [run, Cell(f"{rows:.0f}", key=rows), Cell(f"{tokens:.0f}", key=tokens), _seconds(seconds), *rates]


def _seconds(value: float) -> Cell:
    """A duration as "12.3 s", "4 min 05 s" or "2 h 07 min"."""
    if not np.isfinite(value):
        return Cell(UNDEFINED, key=-1)
    whole = round(value)
    if value < 60:
        text = f"{value:.1f} s"
    elif whole < 3600:
        text = f"{whole // 60} min {whole % 60:02d} s"
    else:
        text = f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return Cell(text, key=float(value))
