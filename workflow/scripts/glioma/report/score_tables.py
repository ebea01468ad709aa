"""Score tables as the figures want them: every row knows what its method is called."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glioma import tasks
from glioma.report import labels
from glioma.scoring import names, tables

AS_VOLUME = ("volume", "tumour volume")
"""Values of the column slices whose scores are of a whole patient, not means over slices."""


def read_patients(paths: Sequence[str | Path], cohort: str) -> pd.DataFrame:
    """The rows of one cohort from several patients.csv (see `of_cohort`), with what `named` adds."""
    patients = pd.concat([tables.read_patients(path) for path in paths], ignore_index=True)
    return named(of_cohort(patients, cohort))


def named(table: pd.DataFrame, crops: bool = True) -> pd.DataFrame:
    """A table of scores with the columns `group` and `method`: what it is called there, cohort and crops included."""
    groups = [labels.group(*pair) for pair in zip(table["family"], table["adapter"], strict=True)]
    names = labels.labels(table) + (labels.crop_notes(table) if crops else "") + only_test(table)
    return table.assign(group=pd.Series(groups, index=table.index, dtype=object), method=names)


def of_cohort(table: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """The rows of a cohort; of a method without any, those of the test patients, the only ones that it was given."""
    has = table["cohort"].eq(cohort).groupby([table[name] for name in labels.FACTS]).transform("any")
    return table[table["cohort"].eq(cohort) | (~has & table["cohort"].eq("test"))].reset_index(drop=True)


def cohort_words(table: pd.DataFrame) -> str:
    """Which patients a figure shows, for its sub-title."""
    names = {"pooled": "all patients, each by a model that has not seen it", "test": "test patients",
             "validation": "development patients, out of fold", "train": "training patients"}  # fmt: skip
    found = [name for name in names if (table["cohort"] == name).any()]
    if found == ["pooled", "test"]:
        return f"{names['pooled']}; test patients alone for methods with (test)"
    return " and ".join(names[name] for name in found) or "no patients"


def only_test(table: pd.DataFrame) -> pd.Series:
    """What to add to a method's name where others of the table have more than the test patients; by row."""
    mixed = table["cohort"].nunique() > 1
    return table["cohort"].eq("test").map({True: " (test)", False: ""}) if mixed else pd.Series("", index=table.index)


def without_repeated_constants(table: pd.DataFrame) -> pd.DataFrame:
    """Without the grading baselines of tumour slices: a constant answer is the same whatever slices are asked."""
    return table[
        ~(table["family"].eq("baseline") & table["task"].map(output).eq("grade") & table["slices"].eq("tumour"))
    ]


PREFERRED = {
    "slices": ("volume", "all", "tumour volume", "tumour"),
    "orientation": ("volume", "axial"),
}
"""Of several scores of one method, the one that says most of a whole patient."""


def primary(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of one scope of each method in each task: the first in `PREFERRED`, brain crops before tumour crops.

    Without what is no method (`names.CEILING`) and baselines of a task that no model is asked about.
    """
    models = table.loc[table["family"] != "baseline", "task"]
    own = table[table["run"].ne(names.CEILING) & table["task"].isin(models)]
    # The scores of a task that has volumes are those of volumes, where a method has any.
    keys = {
        "by_slices": rank(own, "slices"),
        "by_crops": own["crops"].eq("tumour"),
        "by_place": rank(own, "orientation"),
    }
    best = own.assign(**keys).sort_values(list(keys), kind="stable").drop_duplicates(["task", "run"])
    return own.merge(best[["task", "run", "slices", "orientation", "crops"]])


def rank(table: pd.DataFrame, column: str) -> pd.Series:
    """The place of each row's value in `PREFERRED`; others come last."""
    order = PREFERRED[column]
    return table[column].map({name: place for place, name in enumerate(order)}).fillna(len(order))


def output(task: str) -> str:
    """What methods of a task deliver, see `tasks.Task`."""
    return tasks.get(task).output


def scope(slices: str, orientation: str) -> str:
    """Which slices a score rests on, in words; a dagger where the true mask chose them."""
    if orientation == "volume":
        return "whole volume"
    return {
        "volume": f"all {orientation} slices, as a volume",
        "tumour volume": f"{orientation} tumour slices†, as a volume",
        "tumour": f"{orientation}, tumour slices†",
    }.get(slices, f"{orientation}, {slices} slices")
