"""The main figure: every method on the same patients, with 95 % intervals."""

from collections.abc import Collection, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from glioma import tasks
from glioma.report.figures import style
from glioma.report.labels import ORDER
from glioma.report.score_tables import cohort_words, named, of_cohort, output, primary

_NUMBERS_OF_A_ROW = ("value", "low", "high", "n", "n_undecided")
_GAP, _HEADING, _ROW = 0.45, 1.05, 1.0
LARGEST = 8
"""Rows of a panel: more are read in the table."""


class Row(NamedTuple):
    """One line of the forest: what it is, its value with interval, and the value among decided patients if another.

    declared: whether the study compares it with another method.
    """

    group: str
    label: str
    value: float
    low: float
    high: float
    n: int
    undecided: int
    decided: float
    declared: bool = False


def comparison(
    summary: str | Path,
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "pooled",
    declared: Collection[str] = (),
) -> Figure:
    """Balanced accuracy of grading and Dice of locating as a forest plot, from summary.csv.

    Where there are more methods than a panel has rows, those of `declared` comparisons and the best of the others.
    Of every method its primary score alone (`score_tables.primary`). An undecided patient counts as wrong (a hollow
    mark shows the score among decided patients where it differs).
    """
    table = pd.read_csv(summary, keep_default_na=False, na_values={name: [""] for name in _NUMBERS_OF_A_ROW})
    table = named(primary(of_cohort(table[table["unit"] == "patient"], cohort)), crops=False)
    outputs = table["task"].map(output)
    grading = capped("Grade", rows(table[outputs == "grade"], "balanced_accuracy", declared))
    locating = capped("Location", rows(table[outputs == "region"], "dice", declared))
    dagger = any("†" in row.label for row in chain(*grading.values(), *locating.values()))
    with style.styled():
        figure = style.new_figure(
            8.6, 0.25 * (_length(grading) + _length(locating)) + 2.2,
            "Voxels vs Tokens: CNNs and vision-language models on the same patients",
            f"{cohort_label}, {cohort_words(table)}\nmark: estimate; bar: 95 % interval"
            + "; † slices or crops chosen by the true mask" * dagger,
        )  # fmt: skip
        heights = [max(_length(each), 2) for each in (grading, locating)]
        upper, lower = figure.subplots(2, 1, height_ratios=heights)
        _forest(upper, grading, "balanced accuracy (chance 0.5; undecided patients count as wrong)", reference=0.5)
        _forest(lower, locating, "Dice, mean over patients (a VLM's slices stacked to a volume)")
        handles = [style.group_handle(group) for group in ORDER if _has(group, grading, locating)]
        if any(np.isfinite(row.decided) for row in chain(*grading.values())):
            handles.append(
                Line2D([], [], color=style.GREY, marker="o", mfc="white", ls="", ms=5.5, label="decided patients only")
            )
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
        return style.save(figure, out)


def rows(table: pd.DataFrame, metric: str, declared: Collection[str] = ()) -> list[Row]:
    """The lines of one metric in order of group and label; from `{metric}_all` where there is one."""
    strict, plain = table[table["metric"] == f"{metric}_all"], table[table["metric"] == metric]
    key = ["task", "run", "crops", "slices", "orientation"]
    decided = plain.set_index(key)["value"].to_dict()
    found = []
    for row in (strict if len(strict) else plain).to_dict("records"):
        undecided = int(row["n_undecided"])
        other = decided.get(tuple(row[name] for name in key), np.nan) if len(strict) and undecided else np.nan
        found.append(
            Row(
                row["group"],
                _label(row),
                row["value"],
                row["low"],
                row["high"],
                int(row["n"]),
                undecided,
                other,
                row["run"] in declared,
            )  # fmt: skip
        )
    return sorted(found, key=lambda row: (ORDER.index(row.group), row.label))


def capped(heading: str, lines: list[Row]) -> dict[str, list[Row]]:
    """The rows under their heading, `LARGEST` at most: what was declared, the best of each group, the best models.

    Of the baselines the best ones that there is room for, two at least.
    """
    ranked = sorted(lines, key=lambda row: -np.nan_to_num(row.value, nan=-1))
    first = {row.group: row for row in reversed(ranked)}
    ranked.sort(key=lambda row: (row.group == "baseline", not row.declared, row is not first[row.group]))
    models = sum(row.group != "baseline" for row in lines)
    # Baselines alone compare with nothing.
    if not models:
        return {}
    room = LARGEST - min(len(lines) - models, 2)
    kept = (ranked[: min(models, room)] + ranked[models:])[:LARGEST]
    note = f" ({len(kept)} of {len(lines)}; all in the table)" if len(kept) < len(lines) else ""
    return {heading + note: [row for row in lines if row in kept]}


def _label(row: dict) -> str:
    name = row["method"]
    if output(row["task"]) == "region":
        name += f": {tasks.get(row['task']).noun.lower()}"
    chosen = row["slices"] in ("tumour", "tumour volume") or row["crops"] == "tumour"
    return name + ("†" if chosen else "")


def _length(groups: dict[str, list[Row]]) -> float:
    return sum(_GAP + _HEADING + _ROW * len(found) for found in groups.values())


def _has(group: str, *panels: dict[str, list[Row]]) -> bool:
    return any(row.group == group for groups in panels for found in groups.values() for row in found)


def _forest(axes: Axes, groups: dict[str, list[Row]], label: str, reference: float | None = None) -> None:
    """Headings and rows from the top down; names to the left of the axis, numbers to its right."""
    if not any(groups.values()):
        style.say(axes, f"no {label.split(' (')[0].split(',')[0]} was measured")
        return
    if reference is not None:
        axes.axvline(reference, color="#222222", lw=1, ls="--", zorder=1)
    position = 0.0
    beside = axes.get_yaxis_transform()
    ticks, names = [], []
    for heading, found in groups.items():
        heading = heading[0].upper() + heading[1:]
        axes.text(-0.005, position, heading, transform=beside, ha="right", va="center", weight="bold")
        position += _HEADING
        for row in found:
            _mark(axes, position, row)
            axes.text(1.03, position, _numbers(row), transform=beside, ha="left", va="center", fontsize=8)
            ticks.append(position)
            names.append(row.label)
            position += _ROW
        position += _GAP
    axes.set_yticks(ticks, names)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(position - _GAP - 0.4, -0.7), xlim=(0, 1), xlabel=label)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.text(1.03, -0.0, "estimate [95 % interval]", transform=beside, va="center", fontsize=8, weight="bold")


def _mark(axes: Axes, position: float, row: Row) -> None:
    colour = style.GROUP_COLOURS[row.group]
    if np.isfinite(row.low) and np.isfinite(row.high):
        axes.plot([row.low, row.high], [position, position], color=colour, lw=1.8, solid_capstyle="butt", zorder=2)
    if np.isfinite(row.decided):
        axes.plot(
            row.decided,
            position,
            marker=style.GROUP_MARKERS[row.group],
            color=colour,
            mfc="white",
            ms=5.5,
            ls="",
            zorder=3,
            clip_on=False,
        )
    if np.isfinite(row.value):
        axes.plot(
            row.value,
            position,
            marker=style.GROUP_MARKERS[row.group],
            color=colour,
            ms=5.5,
            ls="",
            zorder=4,
            clip_on=False,
        )


def _numbers(row: Row) -> str:
    if not np.isfinite(row.value):
        return f"–   n={row.n}"
    interval = f" [{row.low:.2f}, {row.high:.2f}]" if np.isfinite(row.low) and np.isfinite(row.high) else " [–]"
    undecided = f", {row.undecided} undecided" if row.undecided else ""
    return f"{row.value:.2f}{interval}   n={row.n}{undecided}"
