"""The study's tables, each row beside ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from glioma import tasks
from glioma.compare import published
from glioma.metrics import records
from glioma.report.html import UNDEFINED, Cell, Out, Table, estimate, number, write
from glioma.report.score_tables import scope
from glioma.report.tables.scores import CROPS_NAMES, count, read_summary

OF_ONE_NETWORK = {"train": "train", "validation": "fold_validation", "test": "fold_test"}
"""Published scores of CNNs are of one network on its own training and validation patients, and on the test set."""
OUTSIDE = {"cohort": "test", "table": 3, "setting": ""}
"""Figures outside of the tables are of test patients and, of VLMs, of axial tumour slices, as those of table 3."""
SIDE = 128
"""Pixels of the frame in which the study measures distances."""
PHANTOM_WARNING = (
    "Ours are phantom results: simulated tumours, and a model of about a million weights. They show that the workflow "
    "runs and say nothing about the published figures; the two are not comparable. Differences are crossed out: they "
    "mean nothing."
)


def published_table(
    summary: str | Path,
    tables: str | Path,
    text: str | Path,
    replicates: Mapping[str, Sequence[str]],
    scoring: Mapping[str, str | int],
    is_phantom: bool,
    cohort_label: str,
    out: Out,
) -> None:
    """The study's tables, each of its rows followed by ours and by the difference, ours less published; then what it
    prints outside of its tables.

    `tables`, `text`: resources/published_tables.csv and published_text.csv. `replicates`: network or run -> published
    rows that it stands beside, as "table/setting" and "text/setting". `scoring`: the section `scores`, and side of the
    section `slices`. Ours are decided patients only, as published.
    """
    ours, theirs = read_summary(summary), pd.read_csv(tables)
    patients = {(row.table, row.setting, row.cohort): sum(row.counts) for row in published.recover(theirs)}
    sections = []
    for table, of_table in theirs.groupby("table", sort=True):
        metrics = list(dict.fromkeys(of_table["metric"]))
        rows = []
        for (setting, cohort), group in of_table.groupby(["setting", "cohort"], sort=False):
            values = group.set_index("metric")["value"]
            cells = [number(name, values.get(name, float("nan"))) for name in metrics]
            n = count(patients[table, setting, cohort]) if (table, setting, cohort) in patients else ""
            rows.append([Cell(f"published: {setting}", tone="published"), cohort, "", "", n, *cells])
            names = [name for name, settings in replicates.items() if f"{table}/{setting}" in settings]
            rows += _counterparts(ours, group.iloc[0], values.reindex(metrics), names, scoring, is_phantom)
        task = of_table["task"].iloc[0].replace("-", " ")
        columns = ("Model", "Cohort", "Crops", "Scored", "n", *(_heading(name, scoring) for name in metrics))
        sections.append(Table(f"Published table {table}: {task}", columns, rows, numeric=frozenset(columns[4:])))
    sections.append(_outside_tables(ours, pd.read_csv(text), replicates, is_phantom))
    notes = [
        "Published: Liu, Yoo, Khalvati, arXiv 2509.10683 (BraTS 2020, 365 patients; Llama 3.2 Vision). Ours follow in "
        "the white rows over their 95 % intervals, then the difference, ours less published. Which of ours stands "
        "beside which row is the key replicates of networks and runs. Published scores of CNNs are of one network "
        "(248, 62 and 55 patients): ours are of the network of fold folds.published alone. Grades: decided patients "
        "only, as published; the comparison table has the other denominator. n of published grades was not printed; it "
        "follows from the figures.",
        _how_shapes_are_scored(scoring),
    ]
    if is_phantom:
        notes.insert(0, PHANTOM_WARNING)
    write(out, "The published figures beside ours", cohort_label, sections, notes)


def _outside_tables(
    ours: pd.DataFrame, theirs: pd.DataFrame, replicates: Mapping[str, Sequence[str]], is_phantom: bool
) -> Table:
    """What the study prints in its text alone, a row for each figure and each of ours beside it."""
    columns = ("Published", "Where", "Value", "Ours", "Scored", "Our value", "Difference")
    rows: list[list[Cell | str]] = []
    for row in theirs.to_dict("records"):
        metric, low, high = row["metric"], row["low"], row["high"]
        shown = number(metric, low) if low == high else f"{number(metric, low)} to {number(metric, high)}"
        front = [Cell(row["what"], tone="published"), row["source"], shown]
        names = [name for name, settings in replicates.items() if f"text/{row['setting']}" in settings]
        found = ours[(ours["task"] == row["task"]) & ours["run"].isin(names) & (ours["metric"] == metric)]
        beside = [_stands_beside(each, pd.Series(row | OUTSIDE)) for each in found.to_dict("records")]
        found = found[np.array(beside, dtype=bool)]
        if found.empty:
            rows.append([*front, Cell("none", "no entry of the configuration replicates it"), *[UNDEFINED] * 3])
        for each in found.to_dict("records"):
            beyond = each["value"] - np.clip(each["value"], low, high)
            value = estimate(metric, *(each[name] for name in ("value", "low", "high")))
            difference = Cell(_signed(metric, beyond), tone="void") if is_phantom else _signed(metric, beyond)
            where = scope(each["slices"], each["orientation"])
            rows.append([*front, Cell(each["method"], each["run"]), where, value, difference])
    note = "The difference is to the nearer end where the study gives a range."
    return Table(
        "Published outside of the tables", columns, rows, note, frozenset({"Value", "Our value", "Difference"})
    )


def _how_shapes_are_scored(scoring: Mapping) -> str:
    """What stands in the tables of boxes, polygons and distances."""
    shapes = "Ours of boxes and polygons are means over tumour slices, as published, not volumes."
    if not _like_published(scoring):
        shapes += (
            " They have no difference: published shapes were scored against shapes and unreadable ones left out, here "
            f"scores.truth is {scoring['truth']} and scores.unreadable {scoring['unreadable']}."
        )
    units = f"Distances: theirs in pixels of a {SIDE} x {SIDE} frame; our HD95 in {scoring['hd95_unit']}"
    frame = f", our distances of centre points in pixels of a {scoring['side']} x {scoring['side']} frame"
    return f"{shapes} {units}{frame}. Where the units differ there is no difference."


def _heading(metric: str, scoring: Mapping) -> str:
    unit = f" (theirs px, ours {scoring['hd95_unit']})" if metric == "hd95" else ""
    return records.heading(metric, "") + unit


def _counterparts(
    ours: pd.DataFrame,
    theirs: pd.Series,
    values: pd.Series,
    names: Sequence[str],
    scoring: Mapping,
    is_phantom: bool,
) -> list[list[Cell | str]]:
    """Our rows beside one published row, each with the difference under it; or one row that says why there is none."""
    same = ours[
        (ours["task"] == theirs["task"].replace("-", "_"))
        & (ours["unit"] == "patient")
        & ours["metric"].isin(values.index)
    ]
    rows = []
    for name in names:
        of_entry = same[same["run"] == name]
        beside = np.array([_stands_beside(row, theirs) for row in of_entry.to_dict("records")], dtype=bool)
        chosen = of_entry[beside]
        if chosen.empty:
            rows.append(_absent(f"ours: {name}", f"has no such scores of {theirs['cohort']} patients", theirs, values))
            continue
        for (method, crops, slices, orientation), group in chosen.groupby(["method", "crops", "slices", "orientation"]):
            found = group.set_index("metric")
            cells = [
                estimate(metric, *found.loc[metric, ["value", "low", "high"]]) if metric in found.index else UNDEFINED
                for metric in values.index
            ]
            n = _patients(found, values.index, "undecided" if theirs["task"] == "classification" else "unreadable")
            where = [theirs["cohort"], CROPS_NAMES[crops], scope(slices, orientation), n]
            rows.append([Cell(f"ours: {method}", name), *where, *cells])
            differences = [_difference(metric, values[metric], found, scoring) for metric in values.index]
            title = (
                Cell("difference, meaningless: phantom results", tone="void")
                if is_phantom
                else Cell("difference, ours less published", tone="difference")
            )
            rows.append([title, "", "", "", "", *differences])
    return rows or [_absent("ours: none", "no entry of the configuration replicates it", theirs, values)]


def _stands_beside(row: Mapping, theirs: pd.Series) -> bool:
    """Whether a row of ours scores the patients and slices that a published row scores.

    CNNs: the volume, by the network of one fold alone; or every slice of a network that votes. VLMs: table 2 asked
    about all slices that it was shown, in one orientation; all others about axial tumour slices, slice by slice.
    """
    if row["slices"] == "volume" and row["orientation"] == "volume":
        return theirs["model"] == "cnn" and row["cohort"] == OF_ONE_NETWORK[theirs["cohort"]]
    if theirs["task"] == "segmentation" or row["cohort"] != theirs["cohort"]:
        return False
    if row["unit"] == "slice":
        return theirs["metric"] == row["metric"] and row["orientation"] == "axial"
    orientation = next((name for name in ("coronal", "sagittal") if name in theirs["setting"]), "axial")
    if row["orientation"] != orientation:
        return False
    return row["slices"] == ("all" if theirs["table"] in (1, 2) else "tumour")


def _difference(metric: str, published_value: float, found: pd.DataFrame, scoring: Mapping) -> Cell:
    same_frame = scoring["side"] == SIDE and (metric != "hd95" or scoring["hd95_unit"] == "px")
    if metric not in found.index or records.BY_NAME[metric].is_distance and not same_frame:
        return Cell(UNDEFINED)
    is_shape = tasks.get(found["task"].iloc[0]).output == "region" and found["family"].iloc[0] == "vlm"
    if is_shape and not _like_published(scoring):
        return Cell(UNDEFINED)
    return Cell(_signed(metric, found.loc[metric, "value"] - published_value))


def _like_published(scoring: Mapping) -> bool:
    """Whether boxes and polygons are scored against what the study most likely scored them against."""
    return scoring["truth"] == "shape" and scoring["unreadable"] == "exclude"


def _signed(metric: str, value: float) -> str:
    text = number(metric, value)
    return text if text.startswith(("-", UNDEFINED)) else f"+{text}"


def _patients(found: pd.DataFrame, metrics: Sequence[str], without: str) -> Cell:
    """Patients behind a row, and those without a decision or a readable answer; n of a recall counts HGG alone."""
    whole = [name for name in ("accuracy", *metrics) if name in found.index]
    if not whole:
        return count(float("nan"))
    undecided = found.loc[whole[0], "n_undecided"]
    known = count(found.loc[whole[0], "n"])
    return Cell(known.text, f"{undecided:.0f} {without}" if undecided else "", known.key)


def _absent(title: str, why: str, theirs: pd.Series, values: pd.Series) -> list[Cell | str]:
    return [Cell(title, why), theirs["cohort"], "", "", "", *[UNDEFINED] * len(values)]
