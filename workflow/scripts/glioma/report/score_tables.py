"""Score tables as the figures want them: every patient row knows its task, arm and model."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glioma.base.errors import UserError

IDENTITY = ["task", "arm", "model", "run", "crops"]
SHAPE_NAMES = {"segmentation": "mask", "bounding_box": "box", "polygon": "polygon", "center_point": "centre"}
AS_VOLUME = ("volume", "tumour volume")
"""Values of the column slices whose scores are of a whole patient, not means over slices."""


def read_patients(paths: Sequence[str | Path], cohort: str) -> pd.DataFrame:
    """The rows of one cohort from several patients.csv (see `of_cohort`), with the columns `IDENTITY`.

    What a table lacks of those is the same for all its rows, and taken from the `summary.csv` beside it.
    An undecided patient's label is "".
    """
    parts = []
    for path in map(Path, paths):
        table = pd.read_csv(path, dtype={"patient": str})
        lacking = [name for name in IDENTITY if name not in table]
        if lacking:
            owner = pd.read_csv(path.with_name("summary.csv"), keep_default_na=False)[lacking].drop_duplicates()
            if len(owner) != 1:
                raise UserError(f"{path}: rows of several runs without the columns {lacking}; delete it and run again")
            table = table.assign(**owner.iloc[0])
        parts.append(table)
    patients = pd.concat(parts, ignore_index=True)
    for name, missing in (("slices", "volume"), ("orientation", "volume"), ("run", ""), ("label", "")):
        patients[name] = patients[name].fillna(missing) if name in patients else missing
    return of_cohort(patients, cohort)


def of_cohort(table: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """The rows of a cohort; of a reader without any, those of the test patients, the only ones it was asked about."""
    has = table["cohort"].eq(cohort).groupby([table[name] for name in IDENTITY]).transform("any")
    return table[table["cohort"].eq(cohort) | (~has & table["cohort"].eq("test"))].reset_index(drop=True)


def cohort_words(table: pd.DataFrame) -> str:
    """Which patients a figure shows, for its sub-title."""
    names = {"pooled": "all patients, each by a model that has not seen it", "test": "test patients",
             "validation": "development patients, out of fold", "train": "training patients"}  # fmt: skip
    found = [name for name in names if (table["cohort"] == name).any()]
    if found == ["pooled", "test"]:
        return f"{names['pooled']}; test patients alone for readers with (test)"
    return " and ".join(names[name] for name in found) or "no patients"


def only_test(table: pd.DataFrame) -> pd.Series:
    """What to add to a reader's name where others of the table have more than the test patients; by row."""
    mixed = table["cohort"].nunique() > 1
    return table["cohort"].eq("test").map({True: " (test)", False: ""}) if mixed else pd.Series("", index=table.index)


def crop_notes(table: pd.DataFrame) -> pd.Series:
    """What to add to a reader's name where a table has readers of several sets of crops; by row."""
    if table["crops"].replace("", pd.NA).nunique() < 2:
        return pd.Series("", index=table.index)
    return table["crops"].map(lambda crops: f" [{crops} crop]" if crops else "")


def without_repeated_constants(table: pd.DataFrame) -> pd.DataFrame:
    """Without the grading baselines of tumour slices: a constant answer is the same whatever slices are asked."""
    return table[~(table["arm"].eq("baseline") & table["task"].eq("classification") & table["slices"].eq("tumour"))]


def place(slices: str, orientation: str) -> str:
    """Which slices a score rests on, in words; a dagger where the true mask chose them."""
    if orientation == "volume":
        return "whole volume"
    return {
        "volume": f"all {orientation} slices, as a volume",
        "tumour volume": f"{orientation} tumour slices†, as a volume",
        "tumour": f"{orientation}, tumour slices†",
    }.get(slices, f"{orientation}, {slices} slices")
