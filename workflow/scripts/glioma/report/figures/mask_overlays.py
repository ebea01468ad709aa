"""Masks of segmentation networks drawn over the scans: truth in blue, predictions in red."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from glioma.cohort import crop_files
from glioma.report.figures import scans, style
from glioma.report.figures.ranks import RANKS, positions
from glioma.report.score_tables import cohort_words

LARGEST = 12
"""Networks of a figure at most."""
COMPARED = 6
"""Of them beside the best one, where it fails."""


def cnn_overlays(
    networks: Mapping[str, tuple[str | Path, str | Path, str | Path]],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "pooled",
) -> Figure:
    """Best, median and worst patient of each segmentation network by Dice, at the largest true axial section.

    The study's Figures 18-24. `networks` maps a network's name to (its patients.csv with columns patient, cohort,
    slices, dice; its folder of predicted masks `{patient}.npy`, bool (slice, row, column); its crops' folder).
    """
    title = "CNN segmentation: best, median and worst patient"
    if not networks:
        return style.empty(title, cohort_label, out)
    shown = dict(list(networks.items())[:LARGEST])
    ranked = {network: _ranked(table, cohort) for network, (table, _, _) in shown.items()}
    more = f"; {len(networks) - len(shown)} more networks" if len(networks) > len(shown) else ""
    abreast = 1 if len(shown) <= 3 else 2
    height = -(-len(shown) // abreast)
    with style.styled():
        figure = style.new_figure(
            8.6 * abreast, 2.9 * height + 0.95, title,
            f"{cohort_label}, {cohort_words(pd.concat(ranked.values()))}; FLAIR, axial slice with the largest true "
            f"section; Dice of the volume{more}",
        )  # fmt: skip
        grid = figure.subplots(height, 3 * abreast, squeeze=False).reshape(-1, 3)
        for axes in grid[len(shown) :].ravel():
            axes.set_axis_off()
        for row, (network, (_, masks, folder)) in zip(grid, shown.items(), strict=False):
            own = ranked[network]
            style.name_row(row[0], f"{network}\n{len(own)} patients")
            for axes, rank, position in zip(row, RANKS, positions(len(own)), strict=True):
                if own.empty:
                    style.say(axes, "no patient with a Dice")
                    continue
                patient, dice = own.loc[position, ["patient", "dice"]]
                _volume_overlay(axes, folder, patient, [(masks, style.PREDICTION)])
                axes.set_title(f"{rank}, Dice {dice:.2f}", loc="center", weight="normal")
                axes.text(0.03, 0.03, patient, color="white", fontsize=7.5, transform=axes.transAxes)
        _mask_legend(figure, {"prediction": style.PREDICTION})
        return style.save(figure, out)


def cnn_failures(
    networks: Mapping[str, tuple[str | Path, str | Path, str | Path]],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "pooled",
    count: int = 4,
) -> Figure:
    """The patients that the best network does worst on, and what every other network makes of them.

    Arguments as `cnn_overlays`. A row per network, best mean Dice first; a column per patient, the worst first. Only
    networks that see the same crops are comparable slice by slice: those of the best network's crops are shown.
    """
    title = "Where the best CNN fails, and the others there"
    if not networks:
        return style.empty(title, cohort_label, out)
    ranked = {network: _ranked(table, cohort) for network, (table, _, _) in networks.items()}
    ranked = {network: table for network, table in ranked.items() if len(table)}
    if not ranked:
        return style.empty(title, cohort_label, out)
    order = sorted(ranked, key=lambda network: (-ranked[network]["dice"].mean(), network))
    folder = networks[order[0]][2]
    order = [network for network in order if str(networks[network][2]) == str(folder)][:COMPARED]
    worst = ranked[order[0]]["patient"].iloc[::-1][:count].tolist()
    with style.styled():
        figure = style.new_figure(
            2.75 * max(len(worst), 2) + 0.6, 2.85 * len(order) + 0.95, title,
            f"{cohort_label}, {cohort_words(ranked[order[0]])}; Dice of the volume, at the largest true section",
        )  # fmt: skip
        grid = figure.subplots(len(order), len(worst), squeeze=False)
        for row, network in zip(grid, order, strict=True):
            dice = ranked[network].set_index("patient")["dice"]
            style.name_row(row[0], f"{network}\nmean Dice {dice.mean():.2f}")
            for axes, patient in zip(row, worst, strict=True):
                if patient not in dice.index:
                    style.say(axes, f"{patient}: no Dice")
                    continue
                _volume_overlay(axes, folder, patient, [(networks[network][1], style.PREDICTION)])
                axes.set_title(f"{patient}\nDice {dice[patient]:.2f}", loc="center", weight="normal", fontsize=8.5)
        _mask_legend(figure, {"prediction": style.PREDICTION})
        return style.save(figure, out)


def _mask_legend(figure: Figure, predictions: Mapping[str, str]) -> None:
    lines = {"true tumour": style.TRUTH, **predictions}
    handles = [Line2D([], [], color=colour, lw=2, label=name) for name, colour in lines.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _ranked(table: str | Path, cohort: str) -> pd.DataFrame:
    """The patients of a cohort (of the test set, where it is all there is) with a Dice, best first; ties by name."""
    patients = pd.read_csv(table, dtype={"patient": str})
    patients = patients[patients["slices"].eq("volume")].dropna(subset=["dice"])
    patients = patients[patients["cohort"] == (cohort if patients["cohort"].eq(cohort).any() else "test")]
    return patients.sort_values(["dice", "patient"], ascending=[False, True], ignore_index=True)


def _volume_overlay(
    axes: Axes, crops_folder: str | Path, patient: str, predicted: Sequence[tuple[str | Path, str]]
) -> None:
    """Truth and the masks of (folder, colour) over a patient's FLAIR."""
    image, mask = crop_files.load(crops_folder, patient), crop_files.load_mask(crops_folder, patient)
    index = scans.largest_section(mask, "axial")
    spacing = crop_files.load_geometry(crops_folder, patient)["spacing"]
    scans.show(axes, image[0, index], scans.pixel_size(spacing, "axial"), "axial")
    scans.outline(axes, mask[index] > 0, style.TRUTH, 1.6)
    for folder, colour in predicted:
        scans.outline(axes, crop_files.load_predicted(folder, patient)[index] > 0, colour, 1.3)
