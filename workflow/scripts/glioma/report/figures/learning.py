"""Learning curves: did each model learn, did it stop at the right place, do the folds agree?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from glioma.report.figures import style

# Folds differ in lightness of one hue, not in hue: colour is kept for arms.
_FOLD_COLOURS = ("#0B3C5D", "#2E6F9E", "#5B9BC8", "#8FBFDF", "#B9D6EA")
_VLM_LINES: dict[str, dict[str, Any]] = {
    "train_loss": {"color": style.GROUP_COLOURS["vlm fine-tuned"], "lw": 1, "ls": "--"},
    "eval_loss": {"color": style.GROUP_COLOURS["vlm fine-tuned"], "lw": 1.7, "marker": "o", "ms": 3.5},
}


_GENERATION: dict[str, Any] = {"color": "#117733", "lw": 1.4, "marker": "s", "ms": 3.5, "ls": ":"}
LARGEST = 24
"""Panels of a figure at most."""


def learning_curves_cnn(histories: Sequence[str | Path], out: str | Path | Sequence[str | Path]) -> Figure:
    """Loss and validation metric per epoch, a row per network and a line per fold, the kept epoch marked.

    `histories` are `.../{network}/fold{fold}/history.csv` with columns learning_rate, epoch, train_loss,
    validation_loss, validation_auc or validation_dice, and kept. Of a learning-rate sweep only the rate that was kept
    is drawn.
    """
    if not histories:
        return style.empty("CNN learning curves", "", out)
    networks: dict[str, dict[str, tuple[pd.DataFrame, int]]] = {}
    for path in map(Path, histories):
        networks.setdefault(path.parent.parent.name, {})[path.parent.name] = _kept(pd.read_csv(path))
    # Many networks stand side by side, two panels each.
    abreast = 1 if len(networks) <= 4 else 2
    height = -(-len(networks) // abreast)
    with style.styled():
        figure = style.new_figure(
            8.5 * abreast, 2.7 * height + 0.9, "CNN learning curves",
            "a line per fold; the marked epoch is the one used",
        )  # fmt: skip
        rows = figure.subplots(height, 2 * abreast, squeeze=False).reshape(-1, 2)
        for axes in rows[len(networks) :].ravel():
            axes.set_axis_off()
        for (left, right), (network, folds) in zip(rows, networks.items(), strict=False):
            for number, (_, (history, epoch)) in enumerate(sorted(folds.items())):
                _network_lines(left, right, history, epoch, _FOLD_COLOURS[number % len(_FOLD_COLOURS)])
            metric = _metric(history)
            _dress(left, "epoch", "loss", f"{network}: loss")
            _dress(
                right, "epoch", f"validation {METRIC_NAMES[metric]}", f"{network}: validation {METRIC_NAMES[metric]}"
            )
            right.set_ylim(0, 1.02)
            if metric == "validation_auc":
                right.axhline(0.5, color=style.GREY, lw=0.8, ls=":")
        folds = sorted({fold for named in networks.values() for fold in named})
        handles = [
            Line2D([], [], color=_FOLD_COLOURS[i % len(_FOLD_COLOURS)], label=fold.replace("fold", "fold "))
            for i, fold in enumerate(folds)
        ]
        handles += [
            Line2D([], [], color=style.GREY, lw=1, ls="--", label="training"),
            Line2D([], [], color=style.GREY, lw=1.6, label="validation"),
            Line2D([], [], color=style.GREY, lw=0, marker="o", mfc="white", label="epoch used"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        return style.save(figure, out)


METRIC_NAMES = {"validation_auc": "AUC", "validation_dice": "Dice"}


def learning_rates(histories: Sequence[str | Path], out: str | Path | Sequence[str | Path]) -> Figure:
    """Best validation score by learning rate of a sweep, a panel per network, a line per fold, the rate used marked.

    `histories` as for `learning_curves_cnn`; networks with a single rate have no panel.
    """
    sweeps: dict[str, dict[str, tuple[pd.Series, float, str]]] = {}
    for path in map(Path, histories):
        history = pd.read_csv(path)
        if history["learning_rate"].nunique() > 1:
            kept = history.loc[history["kept"], "learning_rate"].iloc[0]
            metric = _metric(history)
            best = history.groupby("learning_rate")[metric].max()
            sweeps.setdefault(path.parent.parent.name, {})[path.parent.name] = best, kept, metric
    if not sweeps:
        return style.empty("Learning rates tried", "no network has more than one", out)
    columns = min(len(sweeps), 4)
    height = -(-len(sweeps) // columns)
    with style.styled():
        figure = style.new_figure(
            max(3.3 * columns, 6.5), 2.7 * height + 0.9, "Learning rates tried",
            "best epoch on the fold's validation patients; a line per fold, circle: the rate used",
        )  # fmt: skip
        grid = figure.subplots(height, columns, squeeze=False).ravel()
        for axes, (network, folds) in zip(grid, sweeps.items(), strict=False):
            metric = next(iter(folds.values()))[2]
            for number, (_, (best, kept, _)) in enumerate(sorted(folds.items())):
                colour = _FOLD_COLOURS[number % len(_FOLD_COLOURS)]
                axes.semilogx(best.index, best, color=colour, lw=1.4, marker=".")
                axes.plot(kept, best[kept], color=colour, marker="o", mfc="white", mew=1.5, ms=7, ls="", zorder=3)
            axes.set(xlabel="learning rate", ylabel=f"validation {METRIC_NAMES[metric]}", title=network, ylim=(0, 1.02))
            axes.grid(axis="y")
        for axes in grid[len(sweeps) :]:
            axes.set_axis_off()
        return style.save(figure, out)


def learning_curves_vlm(curves: Mapping[str, str | Path], out: str | Path | Sequence[str | Path]) -> Figure:
    """Training and validation loss, and the score of generated answers, per optimiser step, a panel per adapter.

    `curves` maps an adapter (and fold) to its CSV with columns step, train_loss, eval_loss and perhaps generation (0 to
    1, on the right-hand axis), each empty where not measured.
    """
    if not curves:
        return style.empty("VLM fine-tuning", "", out)
    hidden, curves = len(curves) - LARGEST, dict(list(curves.items())[:LARGEST])
    columns = min(len(curves), 3 if len(curves) <= 9 else 4)
    height = -(-len(curves) // columns)
    generated = False
    with style.styled():
        figure = style.new_figure(
            max(3.6 * columns, 5.5), 2.7 * height + 0.9, "VLM fine-tuning",
            "cross-entropy of the answer's tokens; validation on the patients of the adapter's own fold"
            + (f"; {hidden} more adapters" if hidden > 0 else ""),
        )  # fmt: skip
        grid = figure.subplots(height, columns, squeeze=False).ravel()
        for axes, (name, path) in zip(grid, curves.items(), strict=False):
            table = pd.read_csv(path)
            for column, line in _VLM_LINES.items():
                measured = table.dropna(subset=[column]) if column in table else table.iloc[:0]
                axes.plot(measured["step"], measured.get(column, []), **line, label=column)
            _dress(axes, "optimiser step", "loss (nats per token)", name)
            axes.set_ylim(bottom=0)
            if "generation" in table and table["generation"].notna().any():
                generated = True
                measured = table.dropna(subset=["generation"])
                right = axes.twinx()
                right.plot(measured["step"], measured["generation"], **_GENERATION)
                right.set(ylim=(0, 1.02), ylabel="score of answers")
                right.spines["right"].set_visible(True)
        for axes in grid[len(curves) :]:
            axes.set_axis_off()
        names = {"train_loss": "training", "eval_loss": "validation"}
        handles = [Line2D([], [], **line, label=names[column]) for column, line in _VLM_LINES.items()]
        if generated:
            handles.append(Line2D([], [], **_GENERATION, label="generated answers, validation"))
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        return style.save(figure, out)


def _kept(history: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The rows at the learning rate that was kept, and the epoch whose weights were kept."""
    kept = history[history["kept"]].iloc[0]
    return history[history["learning_rate"] == kept["learning_rate"]], kept["epoch"]


def _metric(history: pd.DataFrame) -> str:
    return next(name for name in METRIC_NAMES if name in history)


def _network_lines(left: Axes, right: Axes, history: pd.DataFrame, epoch: int, colour: str) -> None:
    metric = _metric(history)
    left.plot(history["epoch"], history["train_loss"], color=colour, lw=1, ls="--")
    best = history[history["epoch"] == epoch]
    for axes, column in ((left, "validation_loss"), (right, metric)):
        axes.plot(history["epoch"], history[column], color=colour, lw=1.6)
        axes.plot(best["epoch"], best[column], color=colour, marker="o", mfc="white", mew=1.5, ms=6, ls="", zorder=3)


def _dress(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    data = [line.get_ydata() for line in axes.get_lines() if len(line.get_ydata())]  # type: ignore[arg-type]
    if not data or not np.isfinite(np.concatenate(data)).any():
        axes.text(0.5, 0.5, "nothing measured", ha="center", va="center", color=style.GREY, transform=axes.transAxes)
