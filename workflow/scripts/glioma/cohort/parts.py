"""The parts of a cohort that a run asks about: "test", "everyone", or the development patients of one fold."""

import pandas as pd

EVERYONE = "everyone"


def name(fold: int) -> str:
    """What the development patients of a fold are called as a part of a run."""
    return f"fold{fold}"


def fold_of(part: str) -> int | None:
    """The fold of a part; None for "test" and "everyone"."""
    return int(part.removeprefix("fold")) if part.startswith("fold") else None


def rows(folds: pd.DataFrame, part: str) -> pd.DataFrame:
    """The rows of a part of a run: "test", "everyone", or those of one fold, see `name`."""
    if part == EVERYONE:
        return folds
    fold = fold_of(part)
    return folds[folds["split"] == part] if fold is None else folds[folds["fold"] == fold]
