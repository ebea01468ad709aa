"""Answers of VLMs drawn over the slices: truth in blue, fine-tuned in red, off the shelf in orange."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from glioma import tasks
from glioma.base.files import read_json
from glioma.cohort import crop_files
from glioma.geometry import slices
from glioma.report.figures import scans, style
from glioma.report.figures.ranks import RANKS, positions
from glioma.report.labels import GROUPS
from glioma.tasks import points_from_text

_COLOURS = {"vlm general": style.GENERAL, "vlm fine-tuned": style.PREDICTION}


class Shown(NamedTuple):
    """A run in a picture: what it is called, its group (see `report.labels`), its table and the folder of its crops."""

    label: str
    group: str
    table: str | Path
    crops: str | Path


def answer_overlays(
    answers: Mapping[str, Sequence[Shown]],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    side: int = slices.SIDE,
) -> Figure:
    """What VLMs drew at ranks of the score, with the true shape: a column per task, a row per rank.

    The study's Figures 26-39. `answers` maps a task to its runs, which come with their slices.csv. Of a task two are
    drawn over each other: the first run off the shelf and the first fine-tuned one on the same crops. Ranked are the
    tumour slices that both were asked, one a patient (its largest), by the mean of their scores: Dice, or the distance
    of a centre point from the true centre.
    """
    title = "What the VLMs drew: best, median and worst slices"
    drawn = {task: tables for task, runs in answers.items() if (tables := _tables(task, runs))}
    if not drawn:
        return style.empty(title, cohort_label, out)
    hidden = sum(map(len, answers.values())) - sum(map(len, drawn.values()))
    with style.styled():
        figure = style.new_figure(
            max(2.9 * len(drawn), 5.6) + 0.4, 3.1 * len(RANKS) + 1.2, title,
            f"{cohort_label}; each patient's largest tumour section, ranked by the mean score of what is drawn"
            + (f"; {hidden} more run{'s' * (hidden > 1)} in the tables" if hidden else ""),
        )  # fmt: skip
        grid = figure.subplots(len(RANKS), len(drawn), squeeze=False)
        for column, (task, tables) in zip(grid.T, drawn.items(), strict=True):
            chosen = _picked([table for _, table in tables], ascending=_is_point(task))
            for axes, rank in zip(column, RANKS, strict=True):
                heading = [tasks.get(task).title] if axes is column[0] else []
                if rank in chosen:
                    heading += _slice(axes, task, tables, *chosen[rank], side)
                else:
                    style.say(axes, "no slice was requested of both" if len(tables) > 1 else "no slice was requested")
                axes.set_title("\n".join(heading), loc="center", weight="normal", fontsize=8.5)
        for row, rank in zip(grid, RANKS, strict=True):
            style.name_row(row[0], rank, 9)
        groups = [group for group in _COLOURS if any(run.group == group for of in drawn.values() for run, _ in of)]
        handles = [Line2D([], [], color=style.TRUTH, lw=2, marker="+", ms=8, mew=2, label="truth")]
        handles += [
            Line2D([], [], color=_COLOURS[group], lw=2, marker="x", mew=2, label=GROUPS[group]) for group in groups
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return style.save(figure, out)


def _is_point(task: str) -> bool:
    return tasks.get(task).output == "point"


def _tables(task: str, runs: Sequence[Shown]) -> list[tuple[Shown, pd.DataFrame]]:
    """The first run of each group that has scored slices of the first run's crops: two are still told apart."""
    first: dict[str, tuple[Shown, pd.DataFrame]] = {}
    for run in runs:
        if run.group not in first and str(run.crops) == str(runs[0].crops):
            table = _scored(run.table, _is_point(task))
            if len(table):
                first[run.group] = run, table
    return [first[group] for group in _COLOURS if group in first]


def _slice(
    axes: Axes, task: str, tables: Sequence[tuple[Shown, pd.DataFrame]], patient: str, index: int, side: int
) -> list[str]:
    """One slice with the true shape and what each run drew, or why it drew nothing; returns its heading."""
    crops = tables[0][0].crops
    flair, mask = crop_files.load(crops, patient)[0], crop_files.load_mask(crops, patient)
    spacing = read_json(Path(crops) / f"{patient}.json")["spacing"]
    size = slices.rendered_spacing(mask.shape, "axial", side, spacing)[1:]
    image = np.asarray(slices.render(slices.take(flair, "axial", index), side))[..., 0]
    scans.show(axes, image, size, "axial", furniture=True)
    own = tasks.get(task)
    truth = slices.render_mask(slices.take(mask, "axial", index), side) > 0
    scans.draw(axes, own.drawing(own.of_mask(truth)), style.TRUTH, 2.2)
    scores = []
    for number, (run, table) in enumerate(tables):
        answer, colour = table.loc[(patient, index)], _COLOURS[run.group]
        score = f"{answer['score']:.1f} px" if _is_point(task) else f"{answer['score']:.2f}"
        scores.append(f"{score} {GROUPS[run.group].removeprefix('VLM, ')}")
        if answer["status"] == "ok":
            scans.draw(axes, own.drawing(points_from_text(answer["points"])), colour)
        else:
            note = f"no shape: {answer['status'].replace('_', ' ')}"
            axes.text(0.03, 0.08 + 0.06 * number, note, color=colour, fontsize=7.5, transform=axes.transAxes)
    measure = "" if _is_point(task) else "Dice "
    return [f"{patient}, slice {index}", measure + ", ".join(scores)]


def _scored(path: str | Path, point: bool) -> pd.DataFrame:
    """The axial tumour slices of a slices.csv, indexed by patient and slice, with a column score; one row a slice."""
    table = pd.read_csv(path, dtype={"patient": str, "points": "string"})
    chosen = table["orientation"].eq("axial") & table["tumour"].astype(bool)
    column = "euclidean_distance" if point else "dice"
    # A development patient's answers may stand there once as out of fold and once as pooled.
    kept = table[chosen].drop_duplicates(["patient", "slice"]).assign(score=table[column])
    return kept.dropna(subset="score").set_index(["patient", "slice"])


def _picked(tables: Sequence[pd.DataFrame], ascending: bool) -> dict[str, tuple[str, int]]:
    """Rank -> (patient, slice), of the patients at their largest section that all tables have."""
    mean = pd.concat([table["score"] for table in tables], axis=1, join="inner").mean(axis=1).rename("score")
    found = tables[0][["tumour_pixels"]].join(mean, how="inner").reset_index()
    found = found.sort_values(["tumour_pixels", "slice"], ascending=[False, True]).drop_duplicates("patient")
    found = found.sort_values(["score", "patient"], ascending=[ascending, True], ignore_index=True)
    keys = zip(RANKS, positions(len(found)), strict=True)
    return {rank: (found.at[position, "patient"], found.at[position, "slice"]) for rank, position in keys if len(found)}
