"""Predictions drawn over the scans: truth in blue, predictions in red (and orange for the general VLM)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle

from glioma import crops, shapes, slices
from glioma.answers import points_from_text, read_answers
from glioma.figures import scans, style
from glioma.files import read_json

TASK_NAMES = {"center_point": "Centre point", "bounding_box": "Bounding box", "polygon": "Polygon"}
_COLOURS = {"vlm general": style.GENERAL, "vlm fine-tuned": style.PREDICTION}


def cnn_overlays(
    networks: Mapping[str, tuple[str | Path, str | Path]],
    crops_folder: str | Path,
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "test",
) -> Figure:
    """Best, median and worst patient of each segmentation network by Dice, at the largest true axial section.

    `networks` maps a network's name to (its patients.csv with columns patient, cohort, slices, dice; its folder
    of predicted masks `{patient}.npy`, bool (slice, row, column)).
    """
    if not networks:
        return style.empty("CNN segmentation: best, median and worst patient", cohort_label, out)
    with style.styled():
        figure = style.new_figure(
            8.6, 2.9 * len(networks) + 0.95, "CNN segmentation: best, median and worst patient",
            f"{cohort_label}, {cohort} patients; FLAIR, axial slice with the largest true section; Dice of the volume",
        )  # fmt: skip
        grid = figure.subplots(len(networks), 3, squeeze=False)
        for row, (network, (table, masks)) in zip(grid, networks.items(), strict=True):
            ranked = _ranked(table, cohort)
            row[0].text(
                -0.05, 0.5, f"{network}\n{len(ranked)} patients", rotation=90, ha="right", va="center",
                multialignment="center", transform=row[0].transAxes,
            )  # fmt: skip
            picks = (("best", 0), ("median", (len(ranked) - 1) // 2), ("worst", len(ranked) - 1))
            for axes, (rank, position) in zip(row, picks, strict=True):
                if ranked.empty:
                    style.say(axes, "no patient with a Dice")
                    continue
                patient, dice = ranked.loc[position, ["patient", "dice"]]
                _volume_overlay(axes, crops_folder, patient, np.load(Path(masks) / f"{patient}.npy", mmap_mode="r"))
                axes.set_title(f"{rank}, Dice {dice:.2f}", loc="center", weight="normal")
                axes.text(0.03, 0.03, patient, color="white", fontsize=7.5, transform=axes.transAxes)
        figure.legend(
            handles=[
                Line2D([], [], color=style.TRUTH, lw=2, label="true tumour"),
                Line2D([], [], color=style.PREDICTION, lw=2, label="prediction"),
            ],
            loc="outside lower center",
            ncols=2,
        )
        return style.save(figure, out)


def shape_overlays(
    answers: Mapping[str, Mapping[str, str | Path]],
    crops_folder: str | Path,
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    patients: int = 4,
    side: int = slices.SIDE,
) -> Figure:
    """What the VLM drew, a row per patient and a column per task, each in the patient's largest axial section asked.

    `answers` maps a task (center_point, bounding_box, polygon) to {model: its answers CSV}, with models named as in the
    summary ("tiny-mllama general", "tiny-mllama finetuned"). Patients are those at evenly spaced ranks of tumour size,
    so that nobody picks them by hand.
    """
    if not answers:
        return style.empty("What the VLM drew", cohort_label, out)
    tables = {task: {model: _axial(path) for model, path in models.items()} for task, models in answers.items()}
    chosen = _spread(tables, crops_folder, patients)
    with style.styled():
        figure = style.new_figure(
            2.75 * len(tables) + 0.5, 2.75 * max(len(chosen), 1) + 1.1, "What the VLM drew",
            f"{cohort_label}; axial FLAIR as shown to the model",
        )  # fmt: skip
        grid = figure.subplots(max(len(chosen), 1), len(tables), squeeze=False)
        if not chosen:
            for axes in grid.ravel():
                style.say(axes, "no slice was asked")
        for row, (patient, index) in zip(grid, chosen, strict=False):
            image = np.asarray(slices.render(slices.take(crops.load(crops_folder, patient)[0], "axial", index), side))
            truth = slices.render_mask(slices.take(crops.load_mask(crops_folder, patient), "axial", index), side) > 0
            for axes, (task, models) in zip(row, tables.items(), strict=True):
                axes.imshow(image)
                axes.set_axis_off()
                draw_shape(axes, task, _true_points(task, truth), style.TRUTH, 2.2)
                notes = [_draw_answer(axes, task, model, table, patient, index) for model, table in models.items()]
                _write_notes(axes, [note for note in notes if note])
                if axes.get_subplotspec().is_first_row():
                    axes.set_title(TASK_NAMES[task], loc="center")
            row[0].text(
                -0.05,
                0.5,
                f"{patient}, slice {index}",
                rotation=90,
                ha="right",
                va="center",
                transform=row[0].transAxes,
            )
        arms = sorted({style.arm("vlm", model) for models in tables.values() for model in models}, reverse=True)
        handles = [Line2D([], [], color=style.TRUTH, lw=2, marker="+", ms=8, mew=2, label="truth")]
        handles += [
            Line2D([], [], color=_COLOURS[arm], lw=2, marker="x", mew=2, label=style.ARM_NAMES[arm]) for arm in arms
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        return style.save(figure, out)


def draw_shape(axes: Axes, task: str, points: np.ndarray, colour: str, width: float = 1.6) -> None:
    """Draw the (N, 2) (row, column) points of a task's shape; a box covers its border pixels whole."""
    if task == "center_point":
        row, column = points[0]
        marker = "+" if colour == style.TRUTH else "x"
        axes.plot(column, row, marker, color=colour, ms=10 if marker == "+" else 8, mew=width)
    elif task == "bounding_box":
        row_min, col_min, row_max, col_max = shapes.box_from_corners(points)
        corner, size = (col_min - 0.5, row_min - 0.5), (col_max - col_min + 1, row_max - row_min + 1)
        axes.add_patch(Rectangle(corner, *size, fill=False, ec=colour, lw=width))
    else:
        axes.add_patch(Polygon(points[:, ::-1], closed=True, fill=False, ec=colour, lw=width, joinstyle="round"))


def _ranked(table: str | Path, cohort: str) -> pd.DataFrame:
    """The cohort's patients with a Dice, best first; ties by name."""
    patients = pd.read_csv(table, dtype={"patient": str})
    whole = patients["cohort"].eq(cohort) & patients["slices"].eq("volume")
    patients = patients[whole].dropna(subset=["dice"])
    return patients.sort_values(["dice", "patient"], ascending=[False, True], ignore_index=True)


def _volume_overlay(axes: Axes, crops_folder: str | Path, patient: str, predicted: np.ndarray) -> None:
    image, mask = crops.load(crops_folder, patient), crops.load_mask(crops_folder, patient)
    index = scans.largest_section(mask, "axial")
    spacing = read_json(Path(crops_folder) / f"{patient}.json")["spacing"]
    scans.show(axes, image[0, index], scans.pixel_size(spacing, "axial"), "axial")
    scans.outline(axes, mask[index] > 0, style.TRUTH, 1.6)
    scans.outline(axes, predicted[index] > 0, style.PREDICTION, 1.3)


def _axial(path: str | Path) -> pd.DataFrame:
    table = read_answers(path)
    return table[(table["orientation"] == "axial") & (table["repeat"] == 0)]


def _spread(tables: Mapping, crops_folder: str | Path, count: int) -> list[tuple[str, int]]:
    """(patient, slice) at `count` evenly spaced ranks of largest section among the slices every table has."""
    asked = [set(zip(t["patient"], t["slice"], strict=True)) for models in tables.values() for t in models.values()]
    largest: dict[str, tuple[int, int]] = {}
    for patient, index in sorted(set.intersection(*asked)):
        area = int(np.count_nonzero(crops.load_mask(crops_folder, patient)[index]))
        if area > largest.get(patient, (0, 0))[0]:
            largest[patient] = area, index
    ranked = sorted(largest, key=lambda patient: (-largest[patient][0], patient))
    ranks = np.unique(np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int))
    return [(ranked[rank], largest[ranked[rank]][1]) for rank in ranks]


def _true_points(task: str, truth: np.ndarray) -> np.ndarray:
    """The shape of a boolean slice as (N, 2) points."""
    if task == "polygon":
        return shapes.polygon_from_mask(truth)
    box = shapes.box_from_mask(truth)
    return np.array([shapes.centre_from_box(box)]) if task == "center_point" else shapes.corners_from_box(box)


def _draw_answer(
    axes: Axes, task: str, model: str, table: pd.DataFrame, patient: str, index: int
) -> tuple[str, str] | None:
    """Draw one model's answer, or return (what is wrong with it, colour) to be written instead."""
    colour = _COLOURS[style.arm("vlm", model)]
    answer = table[(table["patient"] == patient) & (table["slice"] == index)].iloc[0]
    if answer["status"] == "ok":
        draw_shape(axes, task, points_from_text(answer["points"]), colour)
        return None
    return answer["status"].replace("_", " "), colour


def _write_notes(axes: Axes, notes: Sequence[tuple[str, str]]) -> None:
    for line, (note, colour) in enumerate(notes):
        axes.text(0.03, 0.03 + 0.07 * line, f"no shape: {note}", color=colour, fontsize=7.5, transform=axes.transAxes)
