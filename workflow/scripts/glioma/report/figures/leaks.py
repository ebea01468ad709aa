"""The leak audit as a picture: each method's score with and without ground-truth leakage."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from glioma import tasks
from glioma.compare import leak_audit as audit
from glioma.metrics import records
from glioma.report import labels
from glioma.report.figures import style
from glioma.report.labels import ORDER

CROP_COLOURS = {"brain": "#0072B2", "tumour": "#D55E00"}
_EFFECT_COLOURS = {"crops": "#D55E00", "slices": "#117733", "both": "#222222"}
_EFFECT_NAMES = {
    "crops": "crop around the tumour",
    "slices": "tumour slices only",
    "both": "both",
}
LARGEST = 8
"""Methods shown in a panel, those with the largest effects; the table has all."""


def leak_audit(table: str | Path, cohort_label: str, out: str | Path | Sequence[str | Path]) -> Figure:
    """Left the score of each method in the four cells, right what a factor adds to the cell without any truth.

    `table` is the CSV of `audit.audit`. A panel per task and metric. Where a method has no such cell (tumour slices
    alone were requested), its effects are those at the level that it has.
    """
    rows = read(table)
    title = "What ground-truth leakage is worth: crops around the tumour, slices with tumour"
    panels = shown_panels(rows)
    if not panels:
        return style.empty(title, cohort_label, out)
    names = [_methods(part) for _, part in panels]
    cohorts = " and ".join(sorted(rows["cohort"].unique()))
    with style.styled():
        figure = style.new_figure(
            11.5, sum(0.36 * len(shown) + 0.75 for shown in names) + 1.2, title,
            f"{cohort_label}, {cohorts} patients; right: difference on the same patients, bar: 95 % interval",
        )  # fmt: skip
        heights = [max(len(shown), 1) + 1 for shown in names]
        grid = figure.subplots(len(panels), 2, squeeze=False, height_ratios=heights)
        for (left, right), ((task, metric), part), shown in zip(grid, panels, names, strict=True):
            for position, method in enumerate(shown):
                own = part[part["method"] == method]
                _cells(left, position, own[own["factor"] == ""])
                _effects(right, position, effects(own))
            heading = title_of(task, metric)
            hidden = part["method"].nunique() - len(shown)
            left.set_title(heading + (f" ({hidden} more in the table)" if hidden else ""))
            left.set_yticks(range(len(shown)), shown)
            left.set(xlim=(-0.02, 1.02), ylim=(len(shown) - 0.5, -0.5))
            right.set(yticks=[], ylim=(len(shown) - 0.5, -0.5))
            # Differences of nothing must not be drawn large.
            low, high = right.get_xlim()
            right.set_xlim(min(low, -0.05), max(high, 0.05))
            right.axvline(0, color="#222222", lw=0.9, zorder=1)
            for axes in (left, right):
                axes.grid(axis="x")
                axes.tick_params(axis="y", length=0)
                axes.spines["left"].set_visible(False)
        grid[-1, 0].set_xlabel("score")
        grid[-1, 1].set_xlabel("difference")
        handles = [
            Line2D([], [], ls="", marker="o", ms=6, color=colour, mfc=colour if slices == "tumour" else "white",
                   label=f"{crops} crops, {slices} slices")
            for crops, colour in CROP_COLOURS.items() for slices in audit.SLICES
        ]  # fmt: skip
        handles += [
            Line2D([], [], color=_EFFECT_COLOURS[factor], marker="s", ms=5, lw=1.6, label=f"adds: {name}")
            for factor, name in _EFFECT_NAMES.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        return style.save(figure, out)


def shown_panels(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """(task, metric) and its rows: what models were audited in, or where none was, the baselines.

    Dice slice by slice only where there is none of volumes; the table has all.
    """
    models = rows[rows["group"] != "baseline"]
    asked = set(zip(*(models[name] for name in ("task", "metric")), strict=True))
    panels = [
        (key, part)
        for key, part in rows.groupby(["task", "metric"], sort=False)
        if part["value"].notna().any() and (key in asked or not asked)
    ]
    volumes = {task for (task, metric), _ in panels if metric == "dice_volume"}
    return [(key, part) for key, part in panels if key[1] != "dice_slices" or key[0] not in volumes]


def read(table: str | Path) -> pd.DataFrame:
    """The audit's CSV with empty names as "" and undefined numbers as NaN, and each method's `group` and `method`.

    A method keeps its name whatever crops a row is about.
    """
    rows = pd.read_csv(table, keep_default_na=False, na_values={name: [""] for name in ("value", "low", "high")})
    named = rows.assign(crops="")
    groups = [labels.group(*pair) for pair in zip(rows["family"], rows["adapter"], strict=True)]
    return rows.assign(group=pd.Series(groups, index=rows.index, dtype=object), method=labels.labels(named))


def title_of(task: str, metric: str) -> str:
    """An audited score as a heading; Dice is of a volume or slice by slice."""
    name = metric.removesuffix("_volume").removesuffix("_slices")
    record, own = records.BY_NAME[name].label, tasks.get(task)
    where = {"_volume": " of the volume", "_slices": ", slice by slice"}.get(metric.removeprefix(name), "")
    return record + where if own.output == "grade" else f"{own.title}: {record}{where}"


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per factor of one method: at the level without truth where there is one, else at the other."""
    found = rows[rows["factor"] != ""]
    leaking = found["crops"].eq("tumour") | found["slices"].eq("tumour")
    return found.assign(leaking=leaking).sort_values("leaking", kind="stable").drop_duplicates("factor")


def _methods(part: pd.DataFrame) -> list[str]:
    """Methods by group and name, at most `LARGEST`."""
    groups = {method: ORDER.index(rows["group"].iloc[0]) for method, rows in part.groupby("method")}
    size = part[part["factor"] != ""].groupby("method")["value"].agg(lambda values: values.abs().max())
    kept = sorted(groups, key=lambda method: -size.get(method, 0.0))[:LARGEST]
    return sorted(kept, key=lambda method: (groups[method], method))


def _cells(axes: Axes, position: int, cells: pd.DataFrame) -> None:
    values = cells["value"].dropna()
    if values.empty:
        axes.text(0.5, position, "–", ha="center", va="center", color=style.GREY)
        return
    axes.plot([values.min(), values.max()], [position, position], color="#CCCCCC", lw=3, zorder=1.5)
    for cell in cells.to_dict("records"):
        colour = CROP_COLOURS[cell["crops"]]
        # A little apart, so that equal values do not hide each other.
        offset = -0.13 if cell["crops"] == "brain" else 0.13
        filled = colour if cell["slices"] == "tumour" else "white"
        axes.plot(cell["value"], position + offset, "o", color=colour, mfc=filled, ms=6, zorder=3, clip_on=False)


def _effects(axes: Axes, position: int, found: pd.DataFrame) -> None:
    places = {"crops": -0.25, "slices": 0.0, "both": 0.25}
    for row in found.to_dict("records"):
        level, colour = position + places[row["factor"]], _EFFECT_COLOURS[row["factor"]]
        if np.isfinite(row["low"]) and np.isfinite(row["high"]):
            axes.plot([row["low"], row["high"]], [level, level], color=colour, lw=1.5, solid_capstyle="butt", zorder=2)
        if np.isfinite(row["value"]):
            axes.plot(row["value"], level, "s", color=colour, ms=4, zorder=3)
