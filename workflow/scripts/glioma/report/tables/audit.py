"""The leak audit as a page of tables."""

from pathlib import Path

import numpy as np
import pandas as pd

from glioma.report.figures.leaks import read, title_of
from glioma.report.html import UNDEFINED, Cell, Out, Table, estimate, write
from glioma.report.labels import GROUPS, ORDER

_CELLS = {
    ("brain", "all"): "Brain crop, all slices",
    ("brain", "tumour"): "Brain crop, tumour slices",
    ("tumour", "all"): "Tumour crop, all slices",
    ("tumour", "tumour"): "Tumour crop, tumour slices",
}
_EFFECTS = {
    ("crops", "", "all"): "Tumour crop adds (all slices)",
    ("crops", "", "tumour"): "Tumour crop adds (tumour slices)",
    ("slices", "brain", ""): "Tumour slices add (brain crop)",
    ("slices", "tumour", ""): "Tumour slices add (tumour crop)",
    ("both", "", ""): "Both add",
}


def audit_table(table: str | Path, cohort_label: str, out: Out) -> None:
    """A section per task and metric, a row per method: its four cells, then what each factor adds."""
    rows = read(table)
    sections = [_section(*key, part) for key, part in rows.groupby(["task", "metric"], sort=False)]
    notes = (
        "A crop centred on the true tumour and slices chosen with the true mask both tell a method where the tumour "
        "is. Each column of the right half is the difference of two cells on the same patients, with its paired "
        "interval over patients. What a method that never looks at the image gains is what the leak alone is worth.",
        "Balanced accuracy counts an undecided patient as wrong. A centre point is scored on slices with tumour only: "
        "for it all slices differ from tumour slices in those with few tumour pixels. Slice by slice, an empty "
        "answer on a slice without tumour scores Dice 1: a method that can be silent may lose by tumour slices. "
        f"{UNDEFINED}: not measured, or no interval.",
    )
    write(out, "Leak audit", cohort_label, sections, notes)


def _section(task: str, metric: str, part: pd.DataFrame) -> Table:
    rows = []
    for method, own in part.groupby("method", sort=False):
        group = own["group"].iloc[0]
        cells = own[own["factor"] == ""].set_index(["crops", "slices"])
        found = own[own["factor"] != ""].set_index(["factor", "crops", "slices"])
        most = str(int(own["n"].max()))
        line = [Cell(method, GROUPS[group]), own["cohort"].iloc[0], most]
        line += [_cell(cells, key) for key in _CELLS] + [_cell(found, key, signed=True) for key in _EFFECTS]
        rows.append(((ORDER.index(group), method), line))
    columns = ("Method", "Cohort", "n", *_CELLS.values(), *_EFFECTS.values())
    lines = [line for _, line in sorted(rows, key=lambda row: row[0])]
    return Table(title_of(task, metric), columns, lines, numeric=frozenset(columns[2:]))


def _cell(table: pd.DataFrame, key: tuple[str, ...], signed: bool = False) -> Cell | str:
    if key not in table.index:
        return UNDEFINED
    value, low, high = (float(table.at[key, name]) for name in ("value", "low", "high"))
    cell = estimate("dice", value, low, high)
    return Cell(f"{value:+.3f}", cell.detail, cell.key) if signed and np.isfinite(value) else cell
