"""Do answers follow the picture? Where they lie, how large they are and how they move, beside the truth.

The study says so in words and single pictures (Figures 26, 28, 31, 32, 35, 37, 39); here all patients are in one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy  # its parts are loaded when they are first used
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from glioma import tasks
from glioma.report.figures import style
from glioma.report.score_tables import named

SHOWN = 8
"""Runs in one figure at most."""
PATIENT = ["patient", "orientation"]


def placement(
    tables: Sequence[str | Path], cohort_label: str, out: str | Path | Sequence[str | Path], side: int = 128
) -> Figure:
    """A column a run: the middles of its answers over the frame, their sizes and their jumps, each against the truth.

    `tables` are slices.csv of runs that locate, with the columns of `scoring.placement`. Axial tumour slices with an
    answer that could be parsed; a trivial baseline in each row: the middle of the frame, one size, no move.
    """
    title = "Do answers follow the picture?"
    read = [pd.read_csv(path, dtype={"patient": str, "adapter": str}, keep_default_na=True) for path in tables]
    answers = pd.concat(read, ignore_index=True) if read else pd.DataFrame(columns=["row"])
    if answers["row"].notna().sum() == 0:
        return style.empty(title, cohort_label, out)
    answers = named(answers.assign(adapter=answers["adapter"].fillna("")))
    answers = answers[answers["tumour"] & answers["orientation"].eq("axial") & answers["row"].notna()]
    runs = [group for _, group in answers.groupby("run", sort=False)]
    # Points, which have no size, stand last: the first column names the rows.
    runs.sort(key=lambda run: (run["area"].isna().all(), tasks.get(run["task"].iloc[0]).position))
    shown, hidden = runs[:SHOWN], max(len(runs) - SHOWN, 0)
    with style.styled():
        figure = style.new_figure(
            max(2.2 * len(shown), 5) + 0.7, 8.2, title,
            f"{cohort_label}; axial tumour slices with an answer that could be parsed"
            + (f"; {hidden} more runs in the tables" if hidden else ""),
        )  # fmt: skip
        grid = figure.subplots(3, len(shown), squeeze=False)
        for column, run in zip(grid.T, shown, strict=True):
            first = run.iloc[0]
            task, colour = tasks.get(first["task"]), style.GROUP_COLOURS[first["group"]]
            heading = f"{task.title}\n{first['method']}"
            column[0].set_title(style.wrapped(heading, 1.9), fontsize=8.5)
            _middles(column[0], run, colour, side)
            _sizes(column[1], run, colour)
            _jumps(column[2], run, colour)
        for axes, name in zip(grid[:, 0], ("row (px)", "answer's area (px)", "jump of the answer (px)"), strict=True):
            axes.set_ylabel(name)
        handles = [
            Line2D([], [], color=style.TRUTH, marker="o", ls="", ms=4, label="true middle"),
            *(
                style.group_handle(group)
                for group in ("vlm general", "vlm fine-tuned")
                if group in set(answers["group"])
            ),
            Line2D([], [], color="black", marker="+", ls="", ms=9, mew=1.6, label="middle of the frame"),
            Line2D([], [], color="black", ls=":", label="one size, no move"),
            Line2D([], [], color=style.GREY, lw=0.8, label="as the truth"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        return style.save(figure, out)


def _middles(axes: Axes, run: pd.DataFrame, colour: str, side: int) -> None:
    """All middles over the frame, true ones beneath."""
    true = (run[["box_top", "box_left"]].to_numpy() + run[["box_bottom", "box_right"]].to_numpy()) / 2
    axes.scatter(true[:, 1], true[:, 0], s=5, color=style.TRUTH, alpha=0.35, linewidths=0)
    with style.same_jitter():
        # Equal answers would hide each other.
        spread = np.random.uniform(-0.5, 0.5, (len(run), 2))  # noqa: NPY002
    axes.scatter(run["column"] + spread[:, 1], run["row"] + spread[:, 0], s=5, color=colour, alpha=0.5, linewidths=0)
    axes.plot(side / 2, side / 2, "+", color="black", ms=11, mew=1.6)
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5), aspect="equal", xlabel="column (px)")
    distinct = run["points"].nunique()
    _note(axes, f"{distinct} different answers to {len(run)} slices")


def _sizes(axes: Axes, run: pd.DataFrame, colour: str) -> None:
    """Areas of answers against those of the tumour, on logarithmic axes."""
    if run["area"].isna().all():
        style.say(axes, "a point has no size")
        return
    seaborn.scatterplot(
        x=run["true_area"], y=run["area"].clip(lower=1), s=8, color=colour, alpha=0.5, linewidth=0, ax=axes
    )
    axes.set(xscale="log", yscale="log", xlabel="tumour's area (px)", ylabel="")
    style.plain_log(axes.xaxis, axes.yaxis)
    limits = axes.get_xlim()
    axes.plot(limits, limits, color=style.GREY, lw=0.8)
    axes.axhline(run["true_area"].mean(), color="black", ls=":", lw=1)
    axes.set_xlim(limits)
    _note(axes, _correlation(run["true_area"], run["area"]))


def _jumps(axes: Axes, run: pd.DataFrame, colour: str) -> None:
    """How far the middle moves from one requested slice to the next: answers against truth."""
    ordered = run.sort_values([*PATIENT, "slice"])
    middle = pd.DataFrame(
        {
            "row": ordered["row"], "column": ordered["column"],
            "true_row": (ordered["box_top"] + ordered["box_bottom"]) / 2,
            "true_column": (ordered["box_left"] + ordered["box_right"]) / 2,
        }
    )  # fmt: skip
    moved = middle.groupby([ordered[name] for name in PATIENT]).diff().dropna()
    if moved.empty:
        style.say(axes, "no adjacent slices")
        return
    jump, true = np.hypot(moved["row"], moved["column"]), np.hypot(moved["true_row"], moved["true_column"])
    seaborn.scatterplot(x=true, y=jump, s=8, color=colour, alpha=0.5, linewidth=0, ax=axes)
    axes.set(xlabel="jump of the tumour (px)", ylabel="")
    most = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot((0, most), (0, most), color=style.GREY, lw=0.8)
    axes.axhline(0, color="black", ls=":", lw=1)
    axes.set(xlim=(-0.02 * most, most), ylim=(-0.02 * most, most))
    _note(axes, f"mean {jump.mean():.1f} px, tumour {true.mean():.1f} px")


def _correlation(first: pd.Series, second: pd.Series) -> str:
    if first.nunique() < 2 or second.nunique() < 2:
        return "all of one size"
    return f"Spearman's r {scipy.stats.spearmanr(first, second).statistic:.2f}"


def _note(axes: Axes, text: str) -> None:
    axes.text(
        0.02, 0.98, text, transform=axes.transAxes, ha="left", va="top", fontsize=7.5, backgroundcolor="#FFFFFFB0"
    )
