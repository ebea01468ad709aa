"""Pictures of the crops themselves: what both arms see, before any model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon, Rectangle
from matplotlib.patheffects import withStroke

from glioma import tasks
from glioma.base.files import load_array, read_json
from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import shapes, slices
from glioma.report.figures import style
from glioma.tasks import Drawing, LocatedTask

SEQUENCE_NAMES = {"flair": "FLAIR", "t1": "T1", "t1ce": "T1 contrast-enhanced", "t2": "T2"}
# Array axes (slice, row, column) run superior, posterior, left; a plane's edges are named left, right, top, bottom.
_EDGES = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "S", "I"), "sagittal": ("A", "P", "S", "I")}
SCALE_BAR = 50.0
"""Length of the scale bar in mm."""


def pixel_size(spacing: Sequence[float], orientation: str) -> tuple[float, float]:
    """(height, width) in mm of a pixel of that plane, from the crop's (slice, row, column) spacing."""
    planes, rows, columns = spacing
    return {"axial": (rows, columns), "coronal": (planes, columns), "sagittal": (planes, rows)}[orientation]


def largest_section(mask: np.ndarray, orientation: str) -> int:
    """Index of the slice with most tumour pixels (label > 0), the first on ties; the middle one without a tumour."""
    axis = slices.AXIS[orientation]
    area = np.count_nonzero(mask, axis=tuple(other for other in range(3) if other != axis))
    return int(area.argmax()) if area.any() else mask.shape[axis] // 2


def show(
    axes: Axes, image: np.ndarray, size: tuple[float, float], orientation: str, *, furniture: bool = False
) -> None:
    """Draw a uint8 slice in grey with its true proportions; `furniture` adds side letters and a scale bar."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, aspect=size[0] / size[1])
    axes.set_axis_off()
    if not furniture:
        return
    dark = [withStroke(linewidth=2, foreground="black")]
    left, right, top, bottom = _EDGES[orientation]
    places = {left: (0.02, 0.5), right: (0.98, 0.5), top: (0.5, 0.98), bottom: (0.5, 0.02)}
    for (letter, (x, y)), (ha, va) in zip(
        places.items(), (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom")), strict=True
    ):
        axes.text(x, y, letter, color="#DDDDDD", fontsize=7, ha=ha, va=va, transform=axes.transAxes, path_effects=dark)
    length = SCALE_BAR / size[1]
    height, width = image.shape
    start, level = width * 0.97 - length, height * 0.955
    axes.plot([start, start + length], [level, level], color="white", lw=1.8, solid_capstyle="butt", path_effects=dark)
    axes.text(
        start + length / 2,
        level - height * 0.02,
        f"{SCALE_BAR:.0f} mm",
        color="white",
        fontsize=6.5,
        ha="center",
        va="bottom",
        path_effects=dark,
    )


def outline(axes: Axes, mask: np.ndarray, colour: str, width: float = 1.2) -> None:
    """Contour of a boolean slice; nothing where it is empty (matplotlib would warn)."""
    if mask.any():
        # Padded, so that a region at the frame's edge is closed; shifted back by the same pixel.
        padded = np.pad(mask.astype(float), 1)
        limits = axes.get_xlim(), axes.get_ylim()
        axes.contour(
            np.arange(-1, mask.shape[1] + 1),
            np.arange(-1, mask.shape[0] + 1),
            padded,
            [0.5],
            colors=colour,
            linewidths=width,
        )
        # The padding must not shrink the picture beside its neighbours.
        axes.set(xlim=limits[0], ylim=limits[1])


def sample_scans(
    crops: Sequence[str | Path], grades: Mapping[str, str], cohort_label: str, out: str | Path | Sequence[str | Path]
) -> Figure:
    """The four sequences and the true mask of a few patients, a row each, at their largest axial tumour section.

    `crops` are paths `.../{patient}.npy` with `{patient}.mask.npy` and `{patient}.json` beside them; `grades` maps
    patient to "HGG" or "LGG".
    """
    with style.styled():
        figure = style.new_figure(
            11, 2.12 * len(crops) + 1.0, "Sample scans", f"{cohort_label}; axial slice with the largest tumour section"
        )
        grid = figure.subplots(len(crops), 5, squeeze=False)
        present: set[int] = set()
        for number, (row, path) in enumerate(zip(grid, map(Path, crops), strict=True)):
            image, mask, geometry = _read(path)
            index = largest_section(mask, "axial")
            size = pixel_size(geometry["spacing"], "axial")
            labels = slices.take(mask, "axial", index)
            for axes, scan, name in zip(row, image, SEQUENCES, strict=False):
                show(axes, slices.take(scan, "axial", index), size, "axial", furniture=axes is row[0])
                if number == 0:
                    axes.set_title(SEQUENCE_NAMES[name], loc="center", weight="normal")
            show(row[4], slices.take(image[0], "axial", index), size, "axial")
            row[4].imshow(_tinted(labels), aspect=size[0] / size[1])
            if number == 0:
                row[4].set_title("FLAIR with true mask", loc="center", weight="normal")
            present |= set(np.unique(labels).tolist()) & set(style.LABEL_NAMES)
            row[0].text(
                -0.06, 0.5, f"{grades[path.stem]}\n{path.stem}\nslice {index}", transform=row[0].transAxes,
                rotation=90, ha="right", va="center", fontsize=8.5, multialignment="center",
            )  # fmt: skip
        handles = [Patch(color=style.LABEL_COLOURS[label], label=style.LABEL_NAMES[label]) for label in sorted(present)]
        if handles:
            figure.legend(handles=handles, loc="outside lower right", ncols=len(handles))
        return style.save(figure, out)


def orientations(crop: str | Path, grade: str, cohort_label: str, out: str | Path | Sequence[str | Path]) -> Figure:
    """FLAIR of one patient in the three planes through its largest tumour sections, the true tumour outlined."""
    crop = Path(crop)
    image, mask, geometry = _read(crop)
    with style.styled():
        figure = style.new_figure(
            9,
            3.75,
            f"FLAIR in three orientations: {crop.stem} ({grade})",
            f"{cohort_label}; true whole tumour outlined",
        )
        for axes, name in zip(figure.subplots(1, 3), slices.ORIENTATIONS, strict=True):
            index = largest_section(mask, name)
            show(axes, slices.take(image[0], name, index), pixel_size(geometry["spacing"], name), name, furniture=True)
            outline(axes, slices.take(mask, name, index) > 0, style.TRUTH)
            axes.set_title(f"{name}, slice {index}", loc="center", weight="normal")
        return style.save(figure, out)


def shapes_truth(
    crops: Sequence[str | Path],
    grades: Mapping[str, str],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    side: int = slices.SIDE,
) -> Figure:
    """The truth of each task on one slice of a few patients, a row each: mask, box, centre and polygon.

    The study's Figures 1-3. `crops` as for `sample_scans`; slices are shown as a VLM sees them, `side` pixels square.
    """
    with style.styled():
        figure = style.new_figure(
            10, 2.6 * len(crops) + 0.75, "The truth of each task",
            f"{cohort_label}; axial FLAIR with the largest tumour section, as shown to a vision-language model",
        )  # fmt: skip
        grid = figure.subplots(len(crops), 4, squeeze=False)
        for row, path in zip(grid, map(Path, crops), strict=True):
            image, mask, _ = _read(path)
            index = largest_section(mask, "axial")
            picture = slices.render(slices.take(image[0], "axial", index), side)
            truth = slices.render_mask(slices.take(mask, "axial", index), side) > 0
            for axes, task in zip(row, map(tasks.get, ("segmentation", *tasks.located())), strict=True):
                axes.imshow(np.asarray(picture))
                axes.set_axis_off()
                if not isinstance(task, LocatedTask):
                    outline(axes, truth, style.TRUTH, 1.6)
                elif truth.any():
                    draw(axes, task.drawing(task.of_mask(truth)), style.TRUTH)
                if axes.get_subplotspec().is_first_row():
                    axes.set_title(task.title, loc="center", weight="normal")
            row[0].text(
                -0.06, 0.5, f"{grades[path.stem]}\n{path.stem}\nslice {index}", transform=row[0].transAxes,
                rotation=90, ha="right", va="center", fontsize=8.5, multialignment="center",
            )  # fmt: skip
        return style.save(figure, out)


def draw(axes: Axes, drawing: Drawing, colour: str, width: float = 1.6) -> None:
    """Draw an answer or the truth of a task that locates; a box covers its border pixels whole."""
    points = drawing.points
    if drawing.kind == "marker":
        row, column = points[0]
        marker = "+" if colour == style.TRUTH else "x"
        axes.plot(column, row, marker, color=colour, ms=10 if marker == "+" else 8, mew=width)
    elif drawing.kind == "box":
        row_min, col_min, row_max, col_max = shapes.box_from_corners(points)
        corner, size = (col_min - 0.5, row_min - 0.5), (col_max - col_min + 1, row_max - row_min + 1)
        axes.add_patch(Rectangle(corner, *size, fill=False, ec=colour, lw=width))
    else:
        axes.add_patch(Polygon(points[:, ::-1], closed=True, fill=False, ec=colour, lw=width, joinstyle="round"))


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, dict]:
    """The memory-mapped crop, its labels, and the geometry."""
    mask = load_array(path.with_name(f"{path.stem}.mask.npy"))
    return load_array(path), mask, read_json(path.with_suffix(".json"))


def _tinted(labels: np.ndarray) -> np.ndarray:
    """RGBA overlay (row, column, 4) of a label slice; transparent where there is no tumour."""
    overlay = np.zeros((*labels.shape, 4))
    for label, colour in style.LABEL_COLOURS.items():
        overlay[labels == label] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] + [0.55]
    return overlay
