"""What all scores share: the three tables, who belongs to which cohort, and what the requested slices show."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from glioma.cohort.folds import split
from glioma.geometry import slices
from glioma.scoring import summaries
from glioma.scoring.summaries import Entry, Scope
from glioma.tasks import STATUSES

KEY = ["patient", "orientation", "slice"]

SINGLE = {"train": "train", "fold_validation": "validation", "fold_test": "test"}
"""The cohorts of one fold's network: the patients that it was trained on, those that it validated on, and the test
patients by it alone; by what `cohort.folds.split` calls them."""


class Scores(NamedTuple):
    """The three tables of a run.

    `patients` and `summary` have rows for every cohort, `slices` has each slice once, under the first cohort that
    its patient is in.
    """

    slices: pd.DataFrame
    patients: pd.DataFrame
    summary: pd.DataFrame


def read_patients(path: str | Path) -> pd.DataFrame:
    """A patients table as it was written: empty names and an undecided patient's label are "", numbers may be NaN."""
    table = pd.read_csv(path, dtype={"patient": str})
    texts = [name for name in (*Entry.__dataclass_fields__, "slices", "orientation", "label") if name in table]
    return table.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))


def merge(parts: Iterable[Scores]) -> Scores:
    """The tables of several cohorts or methods as one set of tables."""
    parts = list(parts)
    stacked = [pd.concat(tables, ignore_index=True) for tables in list(zip(*parts, strict=True))[:2]]
    return Scores(*stacked, summaries.concatenate([part.summary for part in parts]))


def single_fold(folds: pd.DataFrame, fold: int) -> dict[str, pd.Index]:
    """Patients that the network of one fold alone is scored on, by cohort: those that published scores are of."""
    parts = split(folds, fold)
    return {cohort: pd.Index(parts[part]) for cohort, part in SINGLE.items()}


def members(folds: pd.DataFrame, requested: Iterable[str] | None = None) -> dict[str, pd.Index]:
    """Patients of "validation", "test" and "pooled" from the folds table; "test" alone if only it was `requested`."""
    patients = {split: pd.Index(group["patient"]) for split, group in folds.groupby("split")}
    test = patients["test"]
    if requested is not None and set(requested) <= set(test):
        return {"test": test}
    return {"validation": patients["development"], "test": test, "pooled": pd.Index(folds["patient"])}


def assemble(
    slice_table: pd.DataFrame,
    patients: pd.DataFrame,
    entry: Entry,
    cohorts: Mapping[str, Collection[str]] | None,
    summarise: Callable[[Entry, pd.DataFrame, pd.DataFrame], list[dict]],
) -> Scores:
    """Scores from tables of all patients (column patient), by `summarise(entry, slices, patients)` of each cohort.

    Without `cohorts` (name -> patients) everyone makes the cohort that the entry names.
    """
    if cohorts is None:
        cohorts = {entry.cohort: {name for table in (slice_table, patients) for name in table.get("patient", [])}}
    tables, rows = [], []
    for cohort, names in cohorts.items():
        own_slices, own = (_of(table, names) for table in (slice_table, patients))
        rows += summarise(replace(entry, cohort=cohort), own_slices, own)
        tables.append(_with_facts(own, entry, cohort))
    first = {patient: cohort for cohort, names in reversed(cohorts.items()) for patient in names}  # type: ignore[call-overload]
    if len(slice_table.columns):
        known = _of(slice_table, first)
        slice_table = _with_facts(known, entry, known["patient"].map(first).array)
    return Scores(slice_table, pd.concat(tables, ignore_index=True), summaries.table(rows))


def _of(table: pd.DataFrame, patients: Collection[str]) -> pd.DataFrame:
    """The rows of some patients; a table without columns is of nobody."""
    return table[table["patient"].isin(set(patients))] if len(table.columns) else table


def _with_facts(table: pd.DataFrame, entry: Entry, cohort: str | Iterable[str]) -> pd.DataFrame:
    """A table with the cohort and the facts of the entry first."""
    table = table.reset_index(drop=True)
    for position, (name, value) in enumerate({"cohort": cohort, **entry.facts()}.items()):
        table.insert(position, name, value)
    return table


def slice_truth(
    masks: Mapping[str, np.ndarray], orientations: Iterable[str] = ("axial",), tumour_pixels: int = 1
) -> pd.DataFrame:
    """How much tumour each slice shows: patient, orientation, slice, tumour_pixels, and tumour (at least so many)."""
    rows = []
    for patient, mask in masks.items():
        for orientation in orientations:
            counts = slices.areas(mask, orientation)
            rows += [(patient, orientation, index, int(count)) for index, count in enumerate(counts)]
    table = pd.DataFrame(rows, columns=[*KEY, "tumour_pixels"])
    return table.assign(tumour=table["tumour_pixels"] >= tumour_pixels)


def with_truth(answers: pd.DataFrame, truth: pd.DataFrame, patients: Iterable[str]) -> pd.DataFrame:
    """The answers of some patients, with what their slices show; a slice of unknown content is an error."""
    known = truth[[*KEY, "tumour_pixels", "tumour"]]
    merged = answers[answers["patient"].isin(set(patients))].merge(known, on=KEY, how="left", validate="many_to_one")
    missing = merged[merged["tumour_pixels"].isna()]
    if len(missing):
        raise ValueError(f"no truth for {len(missing)} answers, the first: {missing[KEY].iloc[0].to_dict()}")
    return merged.astype({"tumour_pixels": int, "tumour": bool})


def of_masks(answers: pd.DataFrame, masks: Mapping[str, np.ndarray], tumour_pixels: int = 1) -> pd.DataFrame:
    """The answers of patients with a mask, `with_truth`."""
    answers = answers[answers["patient"].isin(set(masks))]
    known = {patient: masks[patient] for patient in answers["patient"].unique()}
    return with_truth(answers, slice_truth(known, answers["orientation"].unique(), tumour_pixels), masks)


def scopes(requested: pd.DataFrame, selection: str = "all") -> list[tuple[str, str]]:
    """The (orientation, subset) that scores are given for, in the order requested.

    Subsets are all slices requested ("all") and those with tumour among them ("tumour"); there is no "all" where the
    run's `selection` asked for tumour slices only. What the slices happen to show takes no subset away.
    """
    subsets = ["tumour"] if selection == "tumour" else ["all", "tumour"]
    return [(orientation, subset) for orientation in requested["orientation"].unique() for subset in subsets]


def choose(requested: pd.DataFrame, orientation: str, subset: str) -> pd.DataFrame:
    """The slices of one of the `scopes`."""
    requested = requested[requested["orientation"] == orientation]
    return requested[requested["tumour"]] if subset == "tumour" else requested


def status_rows(entry: Entry, scope: Scope, requested: pd.DataFrame) -> list[dict]:
    """How many answers had each status, and the share that could be read."""
    counts = requested["status"].value_counts()
    n = len(requested)
    share = counts.get("ok", 0) / n if n else float("nan")
    rows = [summaries.row(entry, scope, "parsed", share, n)]
    return rows + [summaries.row(entry, scope, f"answers_{name}", counts.get(name, 0), n) for name in STATUSES]
