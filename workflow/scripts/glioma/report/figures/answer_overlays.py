"""Answers of VLMs drawn over the slices: truth in blue, fine-tuned in red, off the shelf in orange."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from glioma import tasks
from glioma.cohort import crop_files
from glioma.geometry import slices
from glioma.report.figures import scans, style
from glioma.report.figures.ranks import RANKS, positions
from glioma.report.labels import GROUPS
from glioma.tasks import points_from_text, read_answers

LARGEST = 6
"""Runs of a figure at most."""
_COLOURS = {"vlm general": style.GENERAL, "vlm fine-tuned": style.PREDICTION}


class Shown(NamedTuple):
    """A run in a picture: what it is called, its group (see `report.labels`), its table and the folder of its crops."""

    label: str
    group: str
    table: str | Path
    crops: str | Path


def shape_overlays(
    answers: Mapping[str, Sequence[Shown]],
    crops_folder: str | Path,
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    patients: int = 4,
    side: int = slices.SIDE,
) -> Figure:
    """What VLMs drew, a row per patient and a column per task, each in the patient's largest requested axial section.

    `answers` maps a task to its runs with their answers CSV; of each group the first is drawn. Patients are those at
    evenly spaced ranks of tumour size, so that nobody picks them by hand.
    """
    if not answers:
        return style.empty("What the VLM drew", cohort_label, out)
    tables = {
        task: {run.group: _axial(run.table) for run in _one_of_each_group(runs)} for task, runs in answers.items()
    }
    chosen = _spread(tables, crops_folder, patients)
    with style.styled():
        figure = style.new_figure(
            2.75 * len(tables) + 0.5, 2.75 * max(len(chosen), 1) + 1.1, "What the VLM drew",
            f"{cohort_label}; axial FLAIR as shown to the model",
        )  # fmt: skip
        grid = _grid(figure, len(chosen), len(tables), "no slice was requested")
        for row, (patient, index) in zip(grid, chosen, strict=False):
            image, truth = _rendered(crops_folder, patient, index, side)
            for axes, (task, groups) in zip(row, tables.items(), strict=True):
                axes.imshow(image)
                axes.set_axis_off()
                _draw_truth(axes, task, truth)
                notes = [_draw_answer(axes, task, group, table, patient, index) for group, table in groups.items()]
                _write_notes(axes, [note for note in notes if note])
                if axes.get_subplotspec().is_first_row():
                    axes.set_title(tasks.get(task).title, loc="center")
            style.name_row(row[0], f"{patient}, slice {index}")
        shown = sorted({group for groups in tables.values() for group in groups}, reverse=True)
        handles = [Line2D([], [], color=style.TRUTH, lw=2, marker="+", ms=8, mew=2, label="truth")]
        handles += [
            Line2D([], [], color=_COLOURS[group], lw=2, marker="x", mew=2, label=GROUPS[group]) for group in shown
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return style.save(figure, out)


def answer_overlays(
    task: str,
    runs: Sequence[Shown],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    side: int = slices.SIDE,
) -> Figure:
    """One task's answers in slices at ranks of the score, a row per rank and a column per run, with the true shape.

    The study's Figures 26-39. `runs` come with their slices.csv; shown are those of the first run's
    crops, at most `LARGEST`, in the order given. Ranked are the tumour slices that all of them were asked, one a
    patient (its largest), by the runs' mean score: Dice, or the distance of a centre point from the true centre.
    """
    title = f"{tasks.get(task).title}: best, median and worst slices"
    point = tasks.get(task).output == "point"
    same = [run for run in runs if str(run.crops) == str(runs[0].crops)]
    tables = [(run, _scored(run.table, point)) for run in same[:LARGEST]]
    tables = [entry for entry in tables if len(entry[1])]
    if not tables:
        return style.empty(title, cohort_label, out)
    chosen = _picked([table for _, table in tables], ascending=point)
    unit = "distance" if point else "Dice"
    more = f"; {len(runs) - len(tables)} more runs" if len(runs) > len(tables) else ""
    with style.styled():
        figure = style.new_figure(
            max(2.6 * len(tables), 5.6) + 0.5, 2.75 * max(len(chosen), 1) + 1.0, title,
            f"{cohort_label}; a patient's largest tumour section, ranked by the runs' mean score{more}",
        )  # fmt: skip
        grid = _grid(figure, len(chosen), len(tables), "no slice was requested of all")
        for row, (rank, (patient, index)) in zip(grid, chosen.items(), strict=False):
            for axes, (run, table) in zip(row, tables, strict=True):
                answer = table.loc[(patient, index)]
                image, mask = _rendered(run.crops, patient, index, side)
                axes.imshow(image)
                axes.set_axis_off()
                _draw_truth(axes, task, mask)
                colour = _COLOURS[run.group]
                if answer["status"] == "ok":
                    scans.draw(axes, tasks.get(task).drawing(points_from_text(answer["points"])), colour)
                else:
                    _write_notes(axes, [(answer["status"].replace("_", " "), colour)])
                value = f"{answer['score']:.1f} px" if point else f"{answer['score']:.2f}"
                heading = f"{run.label}\n" if axes.get_subplotspec().is_first_row() else ""
                axes.set_title(f"{heading}{unit} {value}", loc="center", weight="normal", fontsize=8.5)
            style.name_row(row[0], f"{rank}\n{patient}, slice {index}", 8.5)
        groups = [group for group in _COLOURS if any(run.group == group for run, _ in tables)]
        handles = [Line2D([], [], color=style.TRUTH, lw=2, label="truth")]
        handles += [Line2D([], [], color=_COLOURS[group], lw=2, label=GROUPS[group]) for group in groups]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return style.save(figure, out)


def _grid(figure: Figure, rows: int, columns: int, nothing: str) -> np.ndarray:
    """Panels (rows, columns); without rows, one row that says so."""
    grid = figure.subplots(max(rows, 1), columns, squeeze=False)
    if not rows:
        for axes in grid.ravel():
            style.say(axes, nothing)
    return grid


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


def _one_of_each_group(runs: Iterable[Shown]) -> list[Shown]:
    """The first run off the shelf and the first fine-tuned one: two answers are still told apart in one picture."""
    first: dict[str, Shown] = {}
    for run in runs:
        first.setdefault(run.group, run)
    return list(first.values())


def _rendered(crops_folder: str | Path, patient: str, index: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """An axial FLAIR slice as a model sees it, and the true mask in the same pixels."""
    flair, mask = crop_files.load(crops_folder, patient)[0], crop_files.load_mask(crops_folder, patient)
    image = np.asarray(slices.render(slices.take(flair, "axial", index), side))
    return image, slices.render_mask(slices.take(mask, "axial", index), side) > 0


def _axial(path: str | Path) -> pd.DataFrame:
    table = read_answers(path)
    return table[(table["orientation"] == "axial") & (table["repeat"] == 0)]


def _spread(tables: Mapping, crops_folder: str | Path, count: int) -> list[tuple[str, int]]:
    """(patient, slice) at `count` evenly spaced ranks of largest section among the slices every table has."""
    asked = [set(zip(t["patient"], t["slice"], strict=True)) for models in tables.values() for t in models.values()]
    largest: dict[str, tuple[int, int]] = {}
    for patient, index in sorted(set.intersection(*asked)):
        area = int(np.count_nonzero(crop_files.load_mask(crops_folder, patient)[index]))
        if area > largest.get(patient, (0, 0))[0]:
            largest[patient] = area, index
    ranked = sorted(largest, key=lambda patient: (-largest[patient][0], patient))
    ranks = np.unique(np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int))
    return [(ranked[rank], largest[ranked[rank]][1]) for rank in ranks]


def _draw_answer(
    axes: Axes, task: str, group: str, table: pd.DataFrame, patient: str, index: int
) -> tuple[str, str] | None:
    """Draw one answer, or return (what is wrong with it, colour) to be written instead."""
    colour = _COLOURS[group]
    answer = table[(table["patient"] == patient) & (table["slice"] == index)].iloc[0]
    if answer["status"] == "ok":
        scans.draw(axes, tasks.get(task).drawing(points_from_text(answer["points"])), colour)
        return None
    return answer["status"].replace("_", " "), colour


def _draw_truth(axes: Axes, task: str, truth: np.ndarray) -> None:
    own = tasks.get(task)
    scans.draw(axes, own.drawing(own.of_mask(truth)), style.TRUTH, 2.2)


def _write_notes(axes: Axes, notes: Sequence[tuple[str, str]]) -> None:
    for line, (note, colour) in enumerate(notes):
        axes.text(0.03, 0.03 + 0.07 * line, f"no shape: {note}", color=colour, fontsize=7.5, transform=axes.transAxes)
