"""What all figures share: colours that stay with their meaning, type, and how a figure reaches the disk."""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from glioma.base.files import atomic_path
from glioma.report.labels import GROUPS

# Okabe and Ito (2008) and Tol's "bright" set: told apart with any common colour-vision deficiency.
GROUP_COLOURS = {
    "cnn": "#0072B2",
    "radiomics": "#009E73",
    "sam": "#CC79A7",
    "vlm general": "#E69F00",
    "vlm fine-tuned": "#D55E00",
    "baseline": "#6E6E6E",
}
GROUP_MARKERS = {"cnn": "s", "radiomics": "P", "sam": "X", "vlm general": "o", "vlm fine-tuned": "D", "baseline": "^"}
GRADE_COLOURS = {"HGG": "#AA3377", "LGG": "#33A6CC"}
GRADE_MARKERS = {"HGG": "o", "LGG": "s"}
CHOICE_COLOURS = {"LGG": "#33A6CC", "HGG": "#AA3377", "no glioma": "#BBBBBB", "unreadable": "#333333"}
# On a dark scan: the truth in blue, a prediction in red, as in the study; the general model's in orange beside it.
TRUTH, PREDICTION, GENERAL = "#4DB8FF", "#FF3B30", "#FFB000"
# The codes of a crop's mask.
LABEL_COLOURS = {1: "#CC6677", 2: "#44AA99", 3: "#DDCC77", 4: "#882255"}
LABEL_NAMES = {1: "necrotic / non-enhancing core", 2: "oedema", 3: "enhancing tumour", 4: "tumour"}
GREY = "#6E6E6E"

PNG_DPI = 150
FORMATS = {".png": ("Software",), ".svg": ("Date", "Creator"), ".pdf": ("CreationDate", "Creator", "Producer")}
"""What figures are written as, and what would make equal ones differ there: dates and versions."""
_RC = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "figure.facecolor": "white",
    "image.interpolation": "none",
    # A dollar sign in a label is one.
    "text.parse_math": False,
    "svg.hashsalt": "voxels-vs-tokens",
    # Text stays text, to be edited and searched.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "path.simplify": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """The house style, for as long as a figure is drawn and saved."""
    with matplotlib.rc_context(_RC):  # type: ignore[arg-type]
        yield


def wrapped(title: str, width: float, size: float = 8.5) -> str:
    """A panel's title in lines that fit `width` inches in bold type of `size` points."""
    # A bold letter of the default typeface is some 0.64 em wide.
    letters = int(width * 72 / (0.64 * size))
    return "\n".join(textwrap.fill(line, letters) for line in title.split("\n"))


def group_handle(name: str) -> Line2D:
    """The legend entry of a group of methods."""
    return Line2D([], [], color=GROUP_COLOURS[name], marker=GROUP_MARKERS[name], ms=5.5, lw=1.6, label=GROUPS[name])


def new_figure(width: float, height: float, title: str, subtitle: str = "") -> Figure:
    """A figure of `width` x `height` inches under a left-aligned title; `subtitle` is its second, plain line."""
    figure = Figure(figsize=(width, height), layout="constrained")
    # The title is a text in a strip that the layout keeps free: suptitle alone cannot hold two weights.
    strip = (0.54 + 0.17 * subtitle.count("\n") if subtitle else 0.32) / height
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - strip), w_pad=0.06, h_pad=0.06)
    figure.text(0.12 / width, 1 - 0.08 / height, title, ha="left", va="top", fontsize=11, weight="bold")
    if subtitle:
        figure.text(0.12 / width, 1 - 0.31 / height, subtitle, ha="left", va="top", fontsize=8.5, color="#444444")
    return figure


def name_row(axes: Axes, text: str, size: float | None = None) -> None:
    """Write a row's name upright to the left of its first panel."""
    axes.text(
        -0.05, 0.5, text, rotation=90, ha="right", va="center", multialignment="center", fontsize=size,
        transform=axes.transAxes,
    )  # fmt: skip


def say(axes: Axes, text: str) -> None:
    """An empty panel says why it is empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=axes.transAxes)


def empty(
    title: str,
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    reason: str = "nothing of this kind was configured",
) -> Figure:
    """The figure of a study that has nothing to draw under this title."""
    with styled():
        figure = new_figure(6, 2, title, cohort_label)
        say(figure.subplots(), reason)
        return save(figure, out)


def save(figure: Figure, out: str | Path | Sequence[str | Path]) -> Figure:
    """Write the figure to `out`: a path without picture suffix (then in all of `FORMATS`), one path, or several.

    No date and no random ids go into the files, so equal figures are equal bytes.
    """
    for path in _targets(out):
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=PNG_DPI, metadata=dict.fromkeys(FORMATS[path.suffix]))
        # Laid out once for all formats: a layout takes as long as a drawing.
        figure.set_layout_engine("none")
    return figure


def _targets(out: str | Path | Sequence[str | Path]) -> list[Path]:
    if not isinstance(out, str | Path):
        return [Path(path) for path in out]
    if Path(out).suffix in FORMATS:
        return [Path(out)]
    return [Path(f"{out}{suffix}") for suffix in FORMATS]


@contextmanager
def same_jitter() -> Iterator[None]:
    """Within, seaborn's jitter, which takes NumPy's global random numbers, is the same each time: equal data, equal
    picture."""
    state = np.random.get_state()  # noqa: NPY002 - seaborn knows no generator
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def plain_log(*axes: Axis) -> None:
    """Powers of ten as plain numbers on logarithmic axes: matplotlib writes them as mathematics, which is off."""
    for axis in axes:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
