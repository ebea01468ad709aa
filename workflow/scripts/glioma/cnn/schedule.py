"""Which patients the model of a fold predicts: prediction follows it, and the plan counts by it.

Needs no PyTorch, so that a plan can be made where there is none.
"""

import pandas as pd

from glioma.cohort.folds import split


def predicted(kind: str, folds: pd.DataFrame, fold: int, folds_count: int) -> dict[str, list[str]]:
    """The patients that the model of a fold predicts, by cohort.

    kind: "classification" (everyone, those that it was trained on included), "slices" (those that it validated on, and
    the test set) or "segmentation" (also "train": patients that it was trained on, namely those of the fold before).
    folds: columns patient, split, fold.
    """
    if kind == "classification":
        return {"everyone": folds["patient"].tolist()}
    own = split(folds, fold)
    cohorts = {"validation": own["validation"], "test": own["test"]}
    if kind == "segmentation":
        cohorts["train"] = split(folds, (fold - 1) % folds_count)["validation"]
    return cohorts
