"""Who is tested, and who validates whom: by subject, stratified by grade."""

from pathlib import Path

import numpy as np
import pandas as pd

from glioma.base.errors import UserError

_REMEDY = "lower folds.count, set folds.test_fraction between .2 and .3, or add patients"


def make(patients: pd.DataFrame, test_fraction: float, folds: int, seed: int) -> pd.DataFrame:
    """Split a cohort (columns patient, subject, grade) into a held-out test set and k folds of the others.

    All scans of one subject stay together; a subject's grade for stratification is that of its first scan.
    Every fold and the test set hold both grades; else, and where there are too few subjects, `UserError`.
    Returns patient, subject, grade, split ("test" or "development"), fold (0..k-1; -1 for the test set), in the order
    of the cohort.
    """
    # Every job reads folds, only one makes them, and this import takes a second.
    from sklearn.model_selection import StratifiedKFold, train_test_split

    subjects = patients.drop_duplicates("subject")[["subject", "grade"]].sort_values("subject", ignore_index=True)
    rarest = subjects["grade"].value_counts().reindex(["LGG", "HGG"], fill_value=0)
    needed = folds + 1
    if rarest.min() < needed:
        raise UserError(
            f"folds: {rarest.min()} subjects of grade {rarest.idxmin()}, but a test set and {folds} folds need "
            f"at least {needed}; lower folds.count or add patients"
        )
    try:
        development, test = train_test_split(
            subjects, test_size=test_fraction, stratify=subjects["grade"], random_state=seed % 2**32
        )
    except ValueError:
        raise UserError(
            f"folds.test_fraction: {test_fraction} of {len(subjects)} subjects leaves a grade out of a part; {_REMEDY}"
        ) from None
    fewest = development["grade"].value_counts().reindex(["LGG", "HGG"], fill_value=0)
    if fewest.min() < folds:
        raise UserError(
            f"folds.count: {folds}, but besides the test set there are {fewest.min()} subjects of grade "
            f"{fewest.idxmin()}; {_REMEDY}"
        )
    development = development.sort_values("subject", ignore_index=True)
    assigned = pd.Series(-1, index=subjects["subject"], dtype=int)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32)
    for fold, (_, held_out) in enumerate(splitter.split(development, development["grade"])):
        assigned[development["subject"].iloc[held_out]] = fold
    table = patients[["patient", "subject", "grade"]].copy()
    table["fold"] = table["subject"].map(assigned)
    table["split"] = np.where(table["fold"] < 0, "test", "development")
    for fold, part in table.groupby("fold"):
        lacking = {"LGG", "HGG"} - set(part["grade"])
        if lacking:
            where = "test set" if fold < 0 else f"fold {fold}"
            raise UserError(f"folds: the {where} has no {' and no '.join(sorted(lacking))}; {_REMEDY}")
    return table[["patient", "subject", "grade", "split", "fold"]]


def split(folds: pd.DataFrame, fold: int) -> dict[str, list[str]]:
    """Patients of "train", "validation" and "test" when `fold` validates."""
    development = folds["split"] == "development"
    chosen = {
        "train": development & (folds["fold"] != fold),
        "validation": development & (folds["fold"] == fold),
        "test": folds["split"] == "test",
    }
    return {cohort: folds.loc[rows, "patient"].tolist() for cohort, rows in chosen.items()}


def read(path: str | Path) -> pd.DataFrame:
    """The table that `make` returned, from its CSV file."""
    return pd.read_csv(path, dtype={"patient": str, "subject": str})


def grades(folds: pd.DataFrame, split: str | None = None) -> pd.Series:
    """patient -> "LGG"/"HGG", of everyone or of one split ("development" or "test")."""
    chosen = folds if split is None else folds[folds["split"] == split]
    return chosen.set_index("patient")["grade"]
