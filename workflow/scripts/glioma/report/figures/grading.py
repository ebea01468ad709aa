"""Pictures of the grading task: slice votes, confusion matrices, repeated answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from glioma.report.figures import style
from glioma.report.labels import ORDER
from glioma.report.score_tables import (
    cohort_words,
    output,
    read_patients,
    scope,
    without_repeated_constants,
)
from glioma.tasks import LABELS, kinds, read_answers

GRADES = ("HGG", "LGG")
ANSWERS = (*LABELS, "unreadable")
LARGEST = 8
"""Strips, panels or bars of a figure at most: all slices come before chosen ones, axial before the others."""


def gldr(
    tables: Sequence[str | Path],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "pooled",
    denominator: str = "graded",
) -> Figure:
    """The share of HGG slices of each patient, a strip per model, orientation and slice subset.

    The study's Figures 11-16. `tables` are patients.csv of classification runs with columns grade and gldr (NaN where
    no slice was graded). A dot is a patient, HGG above LGG in each strip, a bar the median of either. `denominator` is
    the key votes.gldr_denominator.
    """
    title = "GLDR: share of slices called high-grade, per patient"
    if not tables:
        return style.empty(title, cohort_label, out)
    patients = read_patients(tables, cohort)
    voted = patients["gldr"].notna() if "gldr" in patients else patients["family"].eq("vlm")
    voters = patients[patients["family"].ne("baseline") & voted.groupby(patients["run"]).transform("any")]
    strips, hidden = _capped(_panels(voters))
    of = {"graded": "HGG + LGG", "readable": "readable", "all": "all queried"}[denominator]
    with style.styled():
        figure = style.new_figure(
            8.6, 0.62 * max(len(strips), 1) + 1.6, title,
            f"{cohort_label}, {cohort_words(voters)}\n"
            f"HGG slices / {of} slices; a dot is a patient, a bar the median{hidden}",
        )  # fmt: skip
        axes = figure.subplots()
        for position, (_, table) in enumerate(strips):
            for grade, offset in zip(GRADES, (-0.2, 0.2), strict=True):
                values = table.loc[table["grade"] == grade, "gldr"]
                known, level = values.dropna(), position + offset
                axes.scatter(
                    known, np.full(len(known), level), s=24, color=style.GRADE_COLOURS[grade], alpha=0.55,
                    marker=style.GRADE_MARKERS[grade], linewidths=0, clip_on=False, zorder=3,
                )  # fmt: skip
                if len(known):
                    axes.plot([known.median()] * 2, [level - 0.15, level + 0.15], color="#222222", lw=2, zorder=4)
                missing = f" (+{len(values) - len(known)} undefined)" if len(values) > len(known) else ""
                axes.text(
                    1.02, level, f"{grade} n={len(known)}{missing}", ha="left", va="center", fontsize=7.5,
                    transform=axes.get_yaxis_transform(),
                )  # fmt: skip
        axes.axvline(0.5, color="#222222", lw=1, ls="--", zorder=1)
        axes.set_yticks(range(len(strips)), [style.wrapped(name, 3.2) for name, _ in strips], fontsize=8)
        axes.set(xlim=(-0.02, 1.02), ylim=(len(strips) - 0.45, -0.55), xlabel="GLDR")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        handles = [
            Line2D([], [], ls="", marker=style.GRADE_MARKERS[g], color=style.GRADE_COLOURS[g], label=f"truly {g}")
            for g in GRADES
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        return style.save(figure, out)


def confusion(
    tables: Sequence[str | Path], cohort_label: str, out: str | Path | Sequence[str | Path], cohort: str = "pooled"
) -> Figure:
    """Confusion matrix per model, orientation and slice subset: true grade by decision, undecided in its own column.

    `tables` are patients.csv of classifiers, with columns grade and label ("LGG", "HGG", "no glioma" or
    empty for undecided).
    """
    if not tables:
        return style.empty("Confusion matrices", cohort_label, out)
    patients = read_patients(tables, cohort)
    graders = without_repeated_constants(patients[patients["task"].map(output) == "grade"])
    panels, hidden = _capped(_panels(graders))
    columns = max(min(len(panels), 4 if len(panels) <= 12 else 5), 1)
    height = max(-(-len(panels) // columns), 1)
    with style.styled():
        figure = style.new_figure(
            max(2.6 * columns, 5) + 0.3, 2.15 * height + 0.85, "Confusion matrices",
            f"{cohort_label}, {cohort_words(graders)}; shade: share of the row"
            + ("; † slices chosen by the true mask" if any("†" in title for title, _ in panels) else "")
            + hidden,
        )  # fmt: skip
        grid = figure.subplots(height, columns, squeeze=False).ravel()
        for axes, (title, table) in zip(grid, panels, strict=False):
            counts = count_decisions(table)
            share = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
            seaborn.heatmap(share, annot=counts, fmt="d", cmap="Greys", vmin=0, vmax=1.25, cbar=False, ax=axes)
            axes.set(xlabel="", ylabel="")
            axes.set_xticklabels(counts.columns, rotation=0, fontsize=7.5)
            axes.set_yticklabels([f"{grade}\n(n={counts.loc[grade].sum()})" for grade in counts.index], rotation=0)
            axes.set_title(style.wrapped(title, 2.2), fontsize=8.5)
            axes.spines[:].set_visible(True)
            axes.tick_params(length=0)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        figure.supxlabel("decision", fontsize=9)
        figure.supylabel("true grade", fontsize=9)
        return style.save(figure, out)


def _panels(patients: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(title, rows) per method and scope: all slices before chosen ones, axial first, then by group and name."""
    panels = []
    for key, table in patients.groupby(["run", "crops", "slices", "orientation"]):
        _, _, slices, orientation = key
        group, method = table.iloc[0][["group", "method"]]
        title = method + (f"\n{scope(slices, orientation)}" if orientation != "volume" else "\n")
        order = (slices == "tumour", orientation not in ("axial", "volume"), ORDER.index(group), method, *key)
        panels.append((order, title, table))
    return [(title, table) for _, title, table in sorted(panels, key=lambda panel: panel[0])]


def _capped(panels: list) -> tuple[list, str]:
    """The first panels, and what to say of those left out."""
    hidden = len(panels) - LARGEST
    return panels[:LARGEST], f"; {hidden} more in the tables" if hidden > 0 else ""


def count_decisions(patients: pd.DataFrame) -> pd.DataFrame:
    """Patients by true grade (rows HGG, LGG) and decision (columns HGG, LGG, undecided; no glioma if there is any)."""
    labels = patients["label"].replace("", "undecided")
    decisions = ["HGG", "LGG", *(["no glioma"] if (labels == "no glioma").any() else []), "undecided"]
    return pd.crosstab(patients["grade"], labels).reindex(index=list(GRADES), columns=decisions, fill_value=0)


def consistency(
    answers: Mapping[str, str | Path],
    grades: Mapping[str, str],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
) -> Figure:
    """How often each answer came to repeated queries about one slice: a stacked bar per slice and model.

    `answers` maps a method's label to the answers CSV of its consistency run, `grades` patient to true grade.
    """
    if not answers:
        return style.empty("Repeated queries about the same slice", cohort_label, out)
    bars = [
        (model, patient, orientation, index, count_choices(table))
        for model, path in answers.items()
        for (patient, orientation, index), table in read_answers(path).groupby(["patient", "orientation", "slice"])
    ]
    bars.sort(key=lambda bar: (GRADES.index(grades[bar[1]]), bar[1], bar[3]))
    bars, hidden = _capped(bars)
    with style.styled():
        figure = style.new_figure(
            8.2, 0.46 * len(bars) + 1.75, "Repeated queries about the same slice",
            f"{cohort_label}; answers to one unchanged prompt{hidden}",
        )  # fmt: skip
        axes = figure.subplots()
        for position, (*_, counts) in enumerate(bars):
            left = 0
            for answer, number in counts.items():
                axes.barh(
                    position, number, left=left, height=0.68, color=style.CHOICE_COLOURS[answer], ec="white", lw=0.8
                )
                if number >= 0.04 * counts.sum():
                    axes.text(
                        left + number / 2, position, str(number), ha="center", va="center", fontsize=8,
                        color="black" if answer == "no glioma" else "white",
                    )  # fmt: skip
                left += number
        labels = [
            f"{grades[patient]} slice ({patient}, {orientation} {index})\n{model}"
            for model, patient, orientation, index, _ in bars
        ]
        axes.set_yticks(range(len(bars)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, max((counts.sum() for *_, counts in bars), default=1))
        axes.set_xlabel("answers")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        handles = [Patch(color=style.CHOICE_COLOURS[answer], label=answer) for answer in ANSWERS]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        return style.save(figure, out)


def count_choices(answers: pd.DataFrame) -> pd.Series:
    """Number of answers of each kind of `ANSWERS`; whatever could not be parsed is "unreadable"."""
    names = kinds(answers["choice"], answers["status"]).map(dict(enumerate(ANSWERS)))
    return names.value_counts().reindex(list(ANSWERS), fill_value=0)
