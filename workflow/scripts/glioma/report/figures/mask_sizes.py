"""Do masks follow the tumour's size? The study's Figures 18 to 24, which show single patients, as all patients."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glioma.report.figures import style
from glioma.report.score_tables import cohort_words, read_patients
from glioma.stats import statistics

SHOWN = 6
"""Methods in one figure at most."""


def mask_sizes(
    tables: Sequence[str | Path], cohort_label: str, out: str | Path | Sequence[str | Path], cohort: str = "pooled"
) -> Figure:
    """A column a method: Dice, what was drawn beyond the tumour, and the number of components, by the tumour's volume.

    `tables` are patients.csv of segmenters and of baselines that draw masks, with `metrics.segmentation.EXTENT`.
    """
    title = "Do masks follow the tumour's size?"
    if not tables:
        return style.empty(title, cohort_label, out)
    patients = read_patients(tables, cohort)
    # Masks of whole volumes; a VLM's shapes are stacked from slices.
    drawn = patients["orientation"].eq("volume") & patients["slices"].eq("volume")
    patients = patients[drawn].dropna(subset=["true_voxels"]) if "true_voxels" in patients else patients[:0]
    if patients.empty:
        return style.empty(title, cohort_label, out)
    methods = [group for _, group in patients.groupby(["run", "crops"], sort=False)]
    shown, hidden = methods[:SHOWN], max(len(methods) - SHOWN, 0)
    with style.styled():
        figure = style.new_figure(
            max(2.5 * len(shown), 5) + 0.5, 6.6, title,
            f"{cohort_label}, {cohort_words(patients)}; dot: one patient"
            + (f"; {hidden} more in the tables" if hidden else ""),
        )  # fmt: skip
        grid = figure.subplots(3, len(shown), squeeze=False, sharex=True, sharey="row")
        for column, method in zip(grid.T, shown, strict=True):
            colour = style.GROUP_COLOURS[method["group"].iloc[0]]
            column[0].set_title(style.wrapped(method["method"].iloc[0], 2.4), fontsize=8.5)
            for axes, name in zip(column, ("dice", "oversegmented", "components"), strict=True):
                _panel(axes, method, name, colour)
            column[0].set_ylim(-0.02, 1.02)
            r, interval = statistics.spearman(method["dice"].to_numpy(), method["true_voxels"].to_numpy())
            column[0].text(
                0.98, 0.02, f"r {r:.2f} [{interval.low:.2f}, {interval.high:.2f}]", fontsize=7.5, ha="right",
                transform=column[0].transAxes,
            )  # fmt: skip
            column[1].set_yscale("symlog", linthresh=0.1)
            column[1].set_ylim(bottom=0)
            # What is there to find, beside what was drawn.
            column[2].scatter(
                method["true_voxels"], method["true_components"], s=26, marker="_", color=style.TRUTH, linewidths=1.2
            )
            column[2].set_yscale("symlog", linthresh=1)
            column[2].set(xlabel="tumour (voxels of the crop)", xscale="log")
            style.plain_log(column[1].yaxis, column[2].yaxis, column[2].xaxis)
        names = ("Dice", "drawn beyond the tumour,\nshare of its volume", "components\n(bars: of the tumour)")
        for axes, name in zip(grid[:, 0], names, strict=True):
            axes.set_ylabel(name)
        return style.save(figure, out)


def _panel(axes: Axes, method: pd.DataFrame, name: str, colour: str) -> None:
    seaborn.scatterplot(x=method["true_voxels"], y=method[name], s=12, color=colour, alpha=0.6, linewidth=0, ax=axes)
    axes.grid(axis="y")
