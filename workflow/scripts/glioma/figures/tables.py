"""Score tables as the figures want them: every patient row knows its task, arm and model."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

IDENTITY = ["task", "arm", "model", "run"]


def read_patients(paths: Sequence[str | Path], cohort: str) -> pd.DataFrame:
    """The rows of one cohort from several patients.csv, with the columns `IDENTITY`.

    Where a table lacks those (a run's own file), they are those of the `summary.csv` beside it, which has one of each.
    An undecided patient's label is "".
    """
    parts = []
    for path in map(Path, paths):
        table = pd.read_csv(path, dtype={"patient": str})
        if not set(IDENTITY) <= set(table.columns):
            owner = pd.read_csv(path.with_name("summary.csv"), keep_default_na=False)
            if owner.empty:
                continue
            table = table.assign(**owner[IDENTITY].iloc[0])
        parts.append(table)
    patients = pd.concat(parts, ignore_index=True)
    for name, missing in (("slices", "volume"), ("orientation", "volume"), ("run", ""), ("label", "")):
        patients[name] = patients[name].fillna(missing) if name in patients else missing
    return patients[patients["cohort"] == cohort].reset_index(drop=True)


def place(slices: str, orientation: str) -> str:
    """Which slices a score rests on, in words; a dagger where the true mask chose them."""
    if orientation == "volume":
        return "whole volume"
    return f"{orientation}, {slices} slices{'†' if slices == 'tumour' else ''}"
