"""What methods are called in tables and figures: made of facts, here and nowhere else.

A table of scores names a method by the columns task, family, run, model and adapter. `group` says to which of the
groups of methods it belongs, which colours and orders them; `label` what it is called.
"""

from collections.abc import Mapping

import pandas as pd

FACTS = ["task", "family", "run", "model", "adapter", "crops"]
GROUPS = {
    "cnn": "CNN",
    "radiomics": "Radiomics",
    "sam": "SAM, from boxes",
    "vlm fine-tuned": "VLM, fine-tuned",
    "vlm general": "VLM, off the shelf",
    "baseline": "Baseline",
}
"""The groups of methods, in the order in which they are shown."""
ORDER = tuple(GROUPS)


def group(family: str, adapter: str) -> str:
    """Key of `GROUPS`: a VLM is fine-tuned where it has an adapter."""
    if family != "vlm":
        return family
    return "vlm fine-tuned" if adapter else "vlm general"


def label(facts: Mapping[str, str]) -> str:
    """A method by itself: a network or baseline by its name, a VLM by its model and whether it is fine-tuned."""
    if facts["family"] != "vlm":
        return str(facts["run"])
    return f"{facts['model']}, {'fine-tuned' if facts['adapter'] else 'off the shelf'}"


def labels(table: pd.DataFrame) -> pd.Series:
    """The label of each row's method; runs of one task that would share a label, on the same crops, are told apart.

    What tells them apart is the run's name, behind the label in brackets.
    """
    own = table.apply(label, axis=1) if len(table) else pd.Series("", index=table.index, dtype=object)
    keys = [table["task"], table["crops"], own]
    shared = table["run"].groupby(keys).transform("nunique") > 1
    return own.where(~shared, own + " (" + table["run"].astype(str) + ")")


def crop_notes(table: pd.DataFrame) -> pd.Series:
    """What to add to a label where a table has methods on several sets of crops; by row."""
    if table["crops"].replace("", pd.NA).nunique() < 2:
        return pd.Series("", index=table.index)
    return table["crops"].map(lambda crops: f" [{crops} crop]" if crops else "")


def beside_each_other(table: pd.DataFrame) -> list[str]:
    """What the methods of a table are called in one figure, by row."""
    return (labels(table) + crop_notes(table)).tolist()
