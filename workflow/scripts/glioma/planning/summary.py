"""The plan as text: jobs, time, memory and disk per rule, totals, and how long the parts of a run should be."""

from math import ceil

import pandas as pd

from glioma.planning.costs import ESTIMATE

SHORTEST, LONGEST = 3 * 60, 4 * 3600
"""Seconds between which a job of a VLM run should take: below, starting it costs too much; above, losing it does."""
WANTED = 3600
"""Seconds that a better number of shards aims at."""


def by_rule(costs: pd.DataFrame) -> pd.DataFrame:
    """Per rule, dearest first: jobs, longest (s), cpu_h (core hours of jobs without GPU), gpu_h, memory_mb, bytes."""
    hours = costs["seconds"] / 3600
    table = costs.assign(gpu_h=hours * costs["gpu"], cpu_h=(hours * costs["threads"]).where(costs["gpu"] == 0, 0.0))
    table = table.groupby("rule").agg(
        jobs=("seconds", "size"),
        longest=("seconds", "max"),
        cpu_h=("cpu_h", "sum"),
        gpu_h=("gpu_h", "sum"),
        memory_mb=("memory_mb", "max"),
        bytes=("bytes", "sum"),
        estimate=("estimate", lambda bases: "; ".join(sorted({basis for basis in bases if basis}))),
    )
    return table.sort_values(["gpu_h", "cpu_h"], ascending=False)


def advice(costs: pd.DataFrame, shards: dict[str, int]) -> list[str]:
    """A line on each run whose jobs on a GPU are too short or too long, with the number of shards that would do.

    `shards`: that of each run now. A run's parts have the same number, so the longest of them decides.
    """
    lines = []
    for run, own in costs[(costs["run"] != "") & (costs["rule"] == "respond") & (costs["gpu"] > 0)].groupby("run"):
        longest = own.loc[own["seconds"].idxmax()]
        work = (longest["seconds"] - longest["fixed"]) * shards[run]
        better = max(1, ceil(work / WANTED))
        if longest["seconds"] > LONGEST or (longest["seconds"] < SHORTEST and shards[run] > 1):
            lines.append(
                f"runs.{run}.shards: {shards[run]} makes jobs of up to {duration(longest['seconds'])}; "
                f"set it to {better} for jobs of some {duration(work / better + longest['fixed'])}"
            )
    return lines


def runs(costs: pd.DataFrame, shards: dict[str, int]) -> list[str]:
    """How long the jobs of each run are, as lines; none where no run is left."""
    own = costs[costs["rule"] == "respond"]
    rows = [
        [f"{run}{' *' if jobs['estimate'].any() else ''}", str(shards[run]), str(len(jobs)),
         duration(jobs["seconds"].min()), duration(jobs["seconds"].max())]
        for run, jobs in own.groupby("run", sort=False)
    ]  # fmt: skip
    return columns([["run", "shards", "jobs", "shortest", "longest"], *rows]) if rows else []


def text(costs: pd.DataFrame, shards: dict[str, int]) -> str:
    """The whole plan, for a terminal."""
    if costs.empty:
        return "Nothing is left to be done."
    table = by_rule(costs)
    rows = [
        [f"{rule}{' *' if row.estimate else ''}", str(row.jobs), duration(row.longest), hours(row.cpu_h),
         hours(row.gpu_h), memory(row.memory_mb), size(row.bytes)]
        for rule, row in zip(table.index, table.itertuples(), strict=True)
    ]  # fmt: skip
    estimated = " *" if table["estimate"].any() else ""
    total = [f"total{estimated}", str(len(costs)), "", hours(table["cpu_h"].sum()), hours(table["gpu_h"].sum()),
             memory(table["memory_mb"].max()), size(table["bytes"].sum())]  # fmt: skip
    head = ["rule", "jobs", "longest", "CPU time", "GPU time", "memory", "disk"]
    # What a user wants to know stands first.
    first, rule, totals, *others = columns([head, total, *rows])
    lines = [first, rule, totals, rule, *others]
    notes = ["", "Jobs that are still to be done. Memory is what a job asks for (-: the profile's default)."]
    if estimated:
        notes.append("* Not measured by anybody:")
        bases = table[table["estimate"] != ""].groupby("estimate").groups
        notes += [f"  {', '.join(rules)}: {basis.replace(ESTIMATE + '; ', '')}" for basis, rules in bases.items()]
    asked = runs(costs, shards)
    return "\n".join([*lines, *notes, *([""] if asked else []), *asked, *advice(costs, shards)])


def columns(rows: list[list[str]]) -> list[str]:
    """Rows as aligned lines, the first column to the left, a rule under the first row."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    left, *right = widths
    lines = []
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, right, strict=True))
        lines.append("  ".join([first.ljust(left), *cells]))
    rule = "-" * len(lines[0])
    return [lines[0], rule, *lines[1:]]


def duration(seconds: float) -> str:
    """ "12 s", "5 min" or "2 h 10 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def hours(value: float) -> str:
    return "-" if value == 0 else f"{value:.1f} h" if value >= 0.95 else duration(3600 * value)


def memory(megabytes: float) -> str:
    return size(megabytes * 1e6) if megabytes else "-"


def size(value: float) -> str:
    """Bytes with a decimal unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
