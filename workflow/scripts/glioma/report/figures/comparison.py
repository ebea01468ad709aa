"""The main figure: every method on the same patients, with 95 % intervals."""

from collections.abc import Sequence
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
from glioma.report.score_tables import (
    AS_VOLUME,
    cohort_words,
    named,
    of_cohort,
    output,
    scope,
    without_repeated_constants,
)

_NUMBERS_OF_A_ROW = ("value", "low", "high", "n", "n_undecided")
_GAP, _HEADING, _ROW = 0.45, 1.05, 1.0
LARGEST = 48
"""Rows of a panel; with more, a figure is no longer read."""


class Row(NamedTuple):
    """One line of the forest: what it is, its value with interval, and the value among decided patients if another."""

    group: str
    label: str
    value: float
    low: float
    high: float
    n: int
    undecided: int
    decided: float


def comparison(
    summary: str | Path, cohort_label: str, out: str | Path | Sequence[str | Path], cohort: str = "pooled"
) -> Figure:
    """Balanced accuracy of grading and Dice of localisation for all models, as a forest plot, from summary.csv.

    An undecided patient counts as wrong (a hollow mark shows the score among decided patients where it differs).
    """
    table = pd.read_csv(summary, keep_default_na=False, na_values={name: [""] for name in _NUMBERS_OF_A_ROW})
    table = of_cohort(table[table["unit"] == "patient"], cohort)
    table = named(table)
    graders = without_repeated_constants(table[table["task"].map(output) == "grade"])
    grading = capped({"Grade": rows(graders, "balanced_accuracy")})
    shapes = {}
    volumes = table[table["slices"].isin(AS_VOLUME)]
    for task in (name for name in tasks.names() if output(name) == "region"):
        for (subset, orientation), part in reversed(
            list(volumes[volumes["task"] == task].groupby(["slices", "orientation"]))
        ):
            found = rows(part, "dice")
            if found:
                shapes[f"{tasks.get(task).noun}: {scope(subset, orientation)}"] = found
    # Baselines alone compare with nothing.
    shapes = capped(
        {heading: found for heading, found in shapes.items() if any(row.group != "baseline" for row in found)}
    )
    heights = [_length(grading), _length(shapes)]
    with style.styled():
        figure = style.new_figure(
            10, 0.235 * sum(heights) + 2.5, "Voxels vs Tokens: CNNs and vision-language models on the same patients",
            f"{cohort_label}, {cohort_words(table)}; mark: estimate, bar: 95 % interval",
        )  # fmt: skip
        upper, lower = figure.subplots(2, 1, height_ratios=[max(height, 2) for height in heights])
        _forest(upper, grading, "balanced accuracy (chance 0.5; undecided patients count as wrong)", reference=0.5)
        _forest(lower, shapes, "Dice, mean over patients (a VLM's slices stacked to a volume)")
        handles = [style.group_handle(group) for group in ORDER if _has(group, grading, shapes)]
        if any(np.isfinite(row.decided) for row in chain(*grading.values())):
            handles.append(
                Line2D([], [], color=style.GREY, marker="o", mfc="white", ls="", ms=5.5, label="decided patients only")
            )
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        if any("†" in text for text in (*shapes, *(row.label for row in chain(*grading.values())))):
            figure.text(
                0.005, 1 - 0.47 / figure.get_figheight(), "† slices chosen by the true mask", ha="left", va="top",
                fontsize=8, color=style.GREY,
            )  # fmt: skip
        return style.save(figure, out)


def rows(table: pd.DataFrame, metric: str) -> list[Row]:
    """The lines of one metric in order of group and label; from `{metric}_all` where there is one."""
    strict, plain = table[table["metric"] == f"{metric}_all"], table[table["metric"] == metric]
    key = ["task", "run", "crops", "slices", "orientation"]
    decided = plain.set_index(key)["value"].to_dict()
    found = []
    for row in (strict if len(strict) else plain).to_dict("records"):
        undecided = int(row["n_undecided"])
        other = decided.get(tuple(row[name] for name in key), np.nan) if len(strict) and undecided else np.nan
        found.append(
            Row(row["group"], _label(row), row["value"], row["low"], row["high"], int(row["n"]), undecided, other)
        )
    return sorted(found, key=lambda row: (ORDER.index(row.group), row.label))


def capped(groups: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The groups with about `LARGEST` rows in all; of a longer one the best models, and the best baselines if fewer."""
    most = max(LARGEST // max(len(groups), 1), 3)
    found = {}
    for heading, lines in groups.items():
        ranked = sorted(lines, key=lambda row: (row.group == "baseline", -np.nan_to_num(row.value, nan=-1)))
        # A ceiling and a floor at least: models are read against baselines.
        models = sum(row.group != "baseline" for row in lines)
        room = max(most - min(len(lines) - models, 2), 0)
        kept = (ranked[: min(models, room)] + ranked[models:])[:most]
        hidden = len(lines) - len(kept)
        note = f" (best {len(kept)} of {len(lines)}; all in the table)" if hidden else ""
        found[heading + note] = [row for row in lines if row in kept]
    return found


def _label(row: dict) -> str:
    name = row["method"]
    if output(row["task"]) == "grade" and row["family"] != "baseline" and row["slices"] != "volume":
        name += f": {scope(row['slices'], row['orientation'])}"
    return name


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
