"""Per-patient spread of the localisation scores: what a mean hides."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glioma.figures import style
from glioma.figures.tables import AS_VOLUME, SHAPE_NAMES, place, read_patients
from glioma.metrics.segmentation import METRICS

METRIC_NAMES = {
    "dice": "Dice",
    "hd95": "HD95",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
}
_KEYS = ["slices", "orientation", "task", "arm", "model", "run"]


def distributions(
    tables: Sequence[str | Path],
    hd95_unit: str,
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "test",
) -> Figure:
    """Dice, HD95, voxel precision, recall and specificity of every patient, a band per model, grouped by task.

    `tables` are patients.csv of segmenters, box and polygon runs and baselines; the unit is the patient's volume (a
    VLM's slices stacked). A dot is a patient, the box spans the quartiles, its line is the median.
    """
    if not tables:
        return style.empty("Localisation, patient by patient", cohort_label, out)
    patients = read_patients(tables, cohort)
    patients = patients[patients["task"].isin(SHAPE_NAMES) & patients["slices"].isin(AS_VOLUME)]
    groups = _groups(patients)
    with style.styled():
        figure = style.new_figure(
            12.5, 0.3 * sum(len(bands) + 1 for _, bands in groups) + 1.6, "Localisation, patient by patient",
            f"{cohort_label}, {cohort} patients; dot: one patient, box: quartiles, line: median"
            + ("; † slices chosen by the true mask" if any("†" in name for name, _ in groups) else ""),
        )  # fmt: skip
        for axes, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
            _column(axes, groups, metric)
            axes.set_title(METRIC_NAMES[metric])
            if metric == "hd95":
                axes.set_xlabel(hd95_unit)
                axes.set_xlim(left=0)
            else:
                axes.set(xlim=(-0.02, 1.02), xticks=np.linspace(0, 1, 3))
            axes.label_outer(remove_inner_ticks=True)
        arms = [arm for arm in style.ARM_ORDER if any(band[0] == arm for _, bands in groups for band in bands)]
        figure.legend(handles=[style.arm_handle(arm) for arm in arms], loc="outside lower center", ncols=len(arms))
        return style.save(figure, out)


def _groups(patients: pd.DataFrame) -> list[tuple[str, list[tuple[str, str, pd.DataFrame]]]]:
    """(place, [(arm, label, rows)]), whole volumes first, then by arm, task and name."""
    found: dict[str, list] = {}
    for (slices, orientation, task, arm, model, _), table in patients.groupby(_KEYS):
        kind = style.arm(arm, model)
        label = f"{style.readable(model)}, {SHAPE_NAMES[task]} (n={table['patient'].nunique()})"
        found.setdefault(place(slices, orientation), []).append((kind, label, table))
    for bands in found.values():
        bands.sort(key=lambda band: (style.ARM_ORDER.index(band[0]), band[1]))
    return sorted(found.items(), key=lambda group: (group[0] != "whole volume", group[0]))


def _column(axes: Axes, groups: list, metric: str) -> None:
    position, ticks, labels = 0, [], []
    first = axes.get_subplotspec().is_first_col()
    for heading, bands in groups:
        if first:
            axes.text(
                -0.02,
                position,
                heading[0].upper() + heading[1:],
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                weight="bold",
            )
        position += 1
        for arm, label, table in bands:
            _band(axes, position, table[metric].dropna().to_numpy(), style.ARM_COLOURS[arm])
            ticks.append(position)
            labels.append(label)
            position += 1
    axes.set_yticks(ticks, labels)
    axes.set_ylim(position - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _band(axes: Axes, position: float, values: np.ndarray, colour: str) -> None:
    """Dots spread by a fixed pattern (no random jitter: equal data, equal picture) over a box of the quartiles."""
    if not len(values):
        axes.text(0.5, position, "–", ha="center", va="center", color=style.GREY, transform=axes.get_yaxis_transform())
        return
    spread = 0.26 * (2 * ((np.arange(len(values)) * 0.6180339887) % 1) - 1)
    axes.boxplot(
        values, positions=[position], orientation="horizontal", widths=0.62, showfliers=False, showcaps=False,
        whis=(0, 100), manage_ticks=False, boxprops={"color": colour, "lw": 1},
        whiskerprops={"color": colour, "lw": 0.8}, medianprops={"color": colour, "lw": 2},
    )  # fmt: skip
    axes.scatter(values, position + spread, s=7, color=colour, alpha=0.45, linewidths=0, zorder=2.5, clip_on=False)
