"""Risk against coverage: how often is a method wrong where it answers for the patients only that it is sure of?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from glioma.metrics import abstention
from glioma.report.figures import style
from glioma.report.score_tables import cohort_words, read_patients

TITLE = "Abstention: wrong grades among the patients of whom a method is surest"
LARGEST = 8
STYLES = ("-", "--", ":", "-.")


def curves(
    tables: Sequence[str | Path],
    cohort_label: str,
    out: str | Path | Sequence[str | Path],
    cohort: str = "pooled",
) -> Figure:
    """A curve a method, over whole volumes or all axial slices; the first ones by AURC.

    `tables` are patients.csv of graders. A method is as sure as its probability of the label that it gave, or, where it
    names none, as the share of slices with that label. An undecided patient is wrong, and the last to be answered.
    """
    if not tables:
        return style.empty(TITLE, cohort_label, out)
    patients = read_patients(tables, cohort)
    patients = patients[patients["slices"].isin(["volume", "all"]) & patients["orientation"].isin(["volume", "axial"])]
    found = sorted(_methods(patients), key=lambda each: each[0])
    if not found:
        return style.empty(TITLE, cohort_label, out)
    hidden = len(found) - LARGEST
    with style.styled():
        figure = style.new_figure(8.6, 4.4, TITLE, f"{cohort_label}, {cohort_words(patients)}")
        axes = figure.subplots()
        drawn: dict[str, int] = {}
        for area, group, name, risk in found[:LARGEST]:
            line = STYLES[drawn.get(group, 0) % len(STYLES)]
            drawn[group] = drawn.get(group, 0) + 1
            coverage = np.arange(1, len(risk) + 1) / len(risk)
            label = style.wrapped(f"{name}, AURC {area:.3f}", 2.8)
            axes.plot(coverage, risk, line, color=style.GROUP_COLOURS[group], lw=1.6, label=label)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="coverage: share of patients answered", ylabel="share of these wrong")
        more = f"the {LARGEST} best; {hidden} more in the tables" if hidden > 0 else None
        axes.legend(
            loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, title=more, title_fontsize=8
        )
        return style.save(figure, out)


def _methods(patients: pd.DataFrame) -> list[tuple[float, str, str, np.ndarray]]:
    """(AURC, group, name, risk) of each method that says how sure it is."""
    found = []
    for (_, _), table in patients.groupby(["run", "crops"]):
        group, name = table.iloc[0][["group", "method"]]
        score = next((table[key] for key in ("p_hgg", "gldr") if key in table and table[key].notna().any()), None)
        if score is None or group == "baseline":
            continue
        labels = table["label"].fillna("").to_numpy(dtype=object)
        sure = np.nan_to_num(abstention.confidence(labels, score.to_numpy(dtype=float)))
        risk = abstention.risk(labels != table["grade"].to_numpy(dtype=object), sure)
        found.append((float(risk.mean()), group, name, risk))
    return found
