"""Per-patient spread of the localisation scores: what a mean hides."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glioma import tasks
from glioma.metrics import records
from glioma.report.figures import style
from glioma.report.labels import ORDER
from glioma.report.score_tables import AS_VOLUME, cohort_words, read_patients, scope
from glioma.scoring import names

LARGEST = 8
"""Bands of a figure at most."""
CUT = 1.3
"""Axes of distances end at so many times their 95th percentile: one penalty for a missed tumour must not flatten it."""
_KEYS = ["slices", "orientation", "run", "crops"]


def distributions(
    tables: Sequence[str | Path],
    hd95_unit: str,
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "pooled",
    *,
    task: str,
) -> Figure:
    """The scores of every patient in one task, a band per method under the slices that it was scored on.

    `tables` are patients.csv of segmenters, runs and baselines; those of other tasks are left out. A dot is a patient,
    the box spans the quartiles, its line is the median. Distances of centre points are in pixels.
    """
    title = f"{tasks.get(task).title}, patient by patient"
    if not tables:
        return style.empty(title, cohort_label, out)
    patients = read_patients(tables, cohort)
    patients = patients[patients["task"].eq(task) & patients["run"].ne(names.CEILING)]
    if patients.empty:
        return style.empty(title, cohort_label, out)
    groups, hidden = _capped(_groups(patients))
    metrics = records.names(tasks.get(task).output, published=True)
    with style.styled():
        figure = style.new_figure(
            12.5, 0.3 * sum(len(bands) + 1 for _, bands in groups) + 1.6, title,
            f"{cohort_label}, {cohort_words(patients)}\ndot: one patient, box: quartiles, line: median"
            + ("; † slices chosen by the true mask" if any("†" in name for name, _ in groups) else "") + hidden,
        )  # fmt: skip
        for axes, metric in zip(figure.subplots(1, len(metrics)), metrics, strict=True):
            _column(axes, groups, metric)
            beyond = _limit(axes, pd.concat([table[metric] for _, bands in groups for *_, table in bands]), metric)
            axes.set_title(records.heading(metric, hd95_unit) + (f", {beyond} beyond" if beyond else ""))
            axes.label_outer(remove_inner_ticks=True)
        groups_shown = [group for group in ORDER if any(band[0] == group for _, bands in groups for band in bands)]
        figure.legend(
            handles=[style.group_handle(group) for group in groups_shown], loc="outside lower center", ncols=4
        )
        return style.save(figure, out)


def _groups(patients: pd.DataFrame) -> list[tuple[str, list[tuple[str, str, pd.DataFrame]]]]:
    """(scope, [(group, label, rows)]) of two scopes: volumes, and slice by slice as published; by group and name.

    Where tumour slices were requested, those are the second.
    """
    found: dict[tuple, list] = {}
    for (slices, orientation, _, _), table in patients.groupby(_KEYS):
        group, method = table.iloc[0][["group", "method"]]
        where = scope(slices, orientation)
        order = (where != "whole volume", slices not in AS_VOLUME, where)
        found.setdefault((order, where), []).append((group, f"{method} (n={table['patient'].nunique()})", table))
    for bands in found.values():
        bands.sort(key=lambda band: (ORDER.index(band[0]), band[1]))
    volumes, by_slice = ([key for key in sorted(found) if key[0][1] == sliced] for sliced in (False, True))
    return [(key[1], found[key]) for key in (*volumes[:1], *by_slice[-1:])]


def _limit(axes: Axes, values: pd.Series, metric: str) -> int:
    """Shares from 0 to 1, or nearer where all are high; distances up to `CUT`. How many values lie beyond."""
    values = values.dropna()
    if not records.BY_NAME[metric].is_distance:
        low = np.floor(values.min() * 20) / 20 if len(values) and values.min() > 0.5 else 0.0
        axes.set(xlim=(low - 0.02 * (1 - low), 1 + 0.02 * (1 - low)), xticks=np.linspace(low, 1, 3))
        return 0
    end = CUT * values.quantile(0.95) if len(values) else 1
    axes.set_xlim(0, end if end > 0 else 1)
    beyond = int((values > end).sum())
    for artist in axes.collections if beyond else ():
        artist.set_clip_on(True)
    return beyond


def _capped(groups: list) -> tuple[list, str]:
    """The groups with about `LARGEST` bands in all, the first of each, and what to say of the others."""
    most = max(LARGEST // max(len(groups), 1), 4)
    hidden = sum(max(len(bands) - most, 0) for _, bands in groups)
    return [(where, bands[:most]) for where, bands in groups], f"; {hidden} more in the tables" if hidden else ""


def _column(axes: Axes, groups: list, metric: str) -> None:
    """One metric: a box and a strip of patients for each band, headings between the groups of bands."""
    position, rows, ticks, labels = 0, [], [], []
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
        for group, label, table in bands:
            values = table[metric].dropna()
            rows += [(value, position, group) for value in values]
            if values.empty:
                where = axes.get_yaxis_transform()
                axes.text(0.5, position, "–", ha="center", va="center", color=style.GREY, transform=where)
            ticks.append(position)
            labels.append(label)
            position += 1
    patients = pd.DataFrame(rows, columns=[metric, "band", "group"])
    if len(patients):
        _bands(axes, patients, metric)
    axes.set(xlabel="", ylabel="")
    axes.set_yticks(ticks, labels)
    axes.set_ylim(position - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _bands(axes: Axes, patients: pd.DataFrame, metric: str) -> None:
    """Box of the quartiles with whiskers to the extremes, and a dot for each patient."""
    shared: dict = {
        "data": patients,
        "x": metric,
        "y": "band",
        "hue": "group",
        "palette": style.GROUP_COLOURS,
        "ax": axes,
        "orient": "y",
        "native_scale": True,
        "dodge": False,
        "legend": False,
    }
    seaborn.boxplot(**shared, width=0.62, whis=(0, 100), fill=False, linewidth=1, showcaps=False, showfliers=False)
    with style.same_jitter():
        seaborn.stripplot(**shared, jitter=0.26, size=2.6, alpha=0.45, clip_on=False)
