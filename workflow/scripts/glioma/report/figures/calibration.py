"""Reliability diagrams: of the patients given a probability, how many were high-grade?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glioma.metrics import calibration
from glioma.report.figures import style
from glioma.report.labels import ORDER
from glioma.report.score_tables import cohort_words, read_patients, scope

TITLE = "Reliability: does a probability of HGG mean what it says?"
LARGEST = 8
FEWEST = 40
"""Patients of a panel: of fewer, most bins hold one or none."""


def reliability(
    tables: Sequence[str | Path],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "pooled",
    bins: int = calibration.BINS,
) -> Figure:
    """Share of HGG patients by the probability given, a panel per method with probabilities, Wilson bars, n per bin.

    Of methods with fewer than `FEWEST` patients there is no panel.
    `tables` are patients.csv of classifiers with a column p_hgg: a network's output, or the mean over a
    patient's slices of a VLM's p(HGG) / (p(LGG) + p(HGG)). Methods without log-probabilities have no panel.
    """
    if not tables:
        return style.empty(TITLE, cohort_label, out)
    patients = read_patients(tables, cohort)
    if "p_hgg" not in patients or not patients["p_hgg"].notna().any():
        return style.empty(TITLE, cohort_label, out)
    patients = patients[patients["p_hgg"].notna() & patients["family"].ne("baseline")]
    panels = [panel for panel in _panels(patients) if len(panel[2]) >= FEWEST]
    if not panels:
        return style.empty(TITLE, cohort_label, out, f"no method has probabilities of {FEWEST} patients")
    hidden, panels = len(panels) - LARGEST, panels[:LARGEST]
    columns = min(len(panels), 4)
    height = -(-len(panels) // columns)
    with style.styled():
        figure = style.new_figure(
            max(2.9 * columns, 6.5) + 0.3, 3.2 * height + 0.8, TITLE,
            f"{cohort_label}, {cohort_words(patients)}; bar: 95 % (Wilson), number: patients in the bin"
            + (f"; {hidden} more in the tables" if hidden > 0 else ""),
        )  # fmt: skip
        grid = figure.subplots(height, columns, squeeze=False).ravel()
        for axes, (group, title, table) in zip(grid, panels, strict=False):
            _panel(axes, table, style.GROUP_COLOURS[group], bins)
            axes.set_title(style.wrapped(title, 2.6), fontsize=8.5)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        figure.supxlabel("probability of HGG, mean of the bin", fontsize=9)
        figure.supylabel("share of HGG patients", fontsize=9)
        return style.save(figure, out)


def _panels(patients: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """(group, title, rows) per method and scope: all slices before chosen ones, axial first."""
    panels = []
    for key, table in patients.groupby(["run", "crops", "slices", "orientation"]):
        _, _, slices, orientation = key
        group, method = table.iloc[0][["group", "method"]]
        where = "" if orientation == "volume" else scope(slices, orientation)
        order = (slices == "tumour", orientation not in ("axial", "volume"), ORDER.index(group), method, *key)
        panels.append((order, group, f"{method}\n{where}", table))
    return [(group, title, table) for _, group, title, table in sorted(panels, key=lambda panel: panel[0])]


def _panel(axes: Axes, table: pd.DataFrame, colour: str, bins: int) -> None:
    truth, p_hgg = table["grade"].eq("HGG").to_numpy(), table["p_hgg"].to_numpy(dtype=float)
    found = calibration.reliability(truth, p_hgg, bins)
    found = found[found["n"] > 0]
    axes.plot([0, 1], [0, 1], color="#222222", lw=0.9, ls="--", zorder=1)
    axes.axhline(truth.mean(), color=style.GREY, lw=0.8, ls=":", zorder=1)
    below, above = found["share_hgg"] - found["share_low"], found["share_high"] - found["share_hgg"]
    # A share of 0 or 1 may miss its own Wilson bound by rounding.
    spread = np.clip(np.stack([below, above]), 0, None)
    axes.errorbar(
        found["mean_p"], found["share_hgg"], yerr=spread, fmt="o", color=colour, ms=4.5, lw=1.2, elinewidth=1, zorder=2
    )
    for row in found.itertuples():
        axes.annotate(
            f"{int(row.n)}", (row.mean_p, row.share_hgg), xytext=(3, 4), textcoords="offset points", fontsize=6.5
        )
    scores = (float(score(p_hgg[truth], p_hgg[~truth])) for score in (calibration.brier, _ece(bins)))
    text = "Brier {:.3f}\nECE {:.3f}\nn={}".format(*scores, len(table))
    axes.text(0.03, 0.97, text, transform=axes.transAxes, ha="left", va="top", fontsize=7.5)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set_xticks(np.linspace(0, 1, 5))
    axes.set_yticks(np.linspace(0, 1, 5))


def _ece(bins: int):
    return lambda positive, negative: calibration.ece(positive, negative, bins=bins)
