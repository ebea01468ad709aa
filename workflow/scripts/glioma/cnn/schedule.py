"""Which patients the model of a fold predicts: prediction follows it, and the plan counts by it.

Needs no PyTorch, so that a plan can be made where there is none.
"""

import pandas as pd

from glioma.cohort.folds import split


def predicted(kind: str, folds: pd.DataFrame, fold: int, published: int | None = None) -> dict[str, list[str]]:
    """The patients that the model of a fold predicts, by cohort.

    kind: "classification" (everyone, those that it was trained on included), "slices" (those that it validated on, and
    the test set) or "segmentation" (of the `published` fold also "train": those that it was trained on).
    folds: columns patient, split, fold.
    """
    if kind == "classification":
        return {"everyone": folds["patient"].tolist()}
    own = split(folds, fold)
    cohorts = {"validation": own["validation"], "test": own["test"]}
    if kind == "segmentation" and fold == published:
        cohorts["train"] = own["train"]
    return cohorts
