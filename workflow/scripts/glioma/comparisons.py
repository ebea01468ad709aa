"""Paired tests between readers of the same patients: every pair, adjusted for their number.

A reader is one row of the result tables: a network, or a VLM run in one orientation on one subset of slices. Its
patients table is indexed by patient. Only patients that both readers of a pair have are compared.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from glioma import statistics
from glioma.metrics import classification

COLUMNS = ("first", "second", "metric", "test", "value_first", "value_second", "statistic", "p", "p_holm", "n")


def reader(patients: pd.DataFrame, cohort: str, slices: str, orientation: str) -> pd.DataFrame:
    """One reader's rows of a patients table, indexed by patient."""
    wanted = {"cohort": cohort, "slices": slices, "orientation": orientation}
    for column, value in wanted.items():
        patients = patients[patients[column] == value] if column in patients else patients
    if patients["patient"].duplicated().any():
        raise ValueError(f"patient {patients['patient'][patients['patient'].duplicated()].iloc[0]} has several rows")
    return patients.set_index("patient")


def compare_graders(readers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Exact McNemar tests of accuracy, recall and specificity, and DeLong's test of the areas under the ROC curve.

    Tables have columns grade and label; an undecided patient is wrong. DeLong's test takes the mean HGG probability
    (p_hgg), or the share of HGG slices (gldr) of a reader without one, of patients for whom both readers have it.
    """
    rows = []
    for (first, ours), (second, theirs) in combinations(readers.items(), 2):
        both = ours.index.intersection(theirs.index)
        ours, theirs = ours.loc[both], theirs.loc[both]
        hgg = (ours["grade"] == "HGG").to_numpy(dtype=bool)
        right = [(table["label"] == table["grade"]).to_numpy(dtype=bool) for table in (ours, theirs)]
        for metric, among in (("accuracy_all", hgg | True), ("recall_all", hgg), ("specificity_all", ~hgg)):
            chosen = [correct[among] for correct in right]
            means = [correct.mean() if correct.size else np.nan for correct in chosen]
            rows.append(_row(first, second, metric, "McNemar, exact", means, statistics.mcnemar(*chosen)))
        scores = np.stack([_score(ours), _score(theirs)])
        known = np.isfinite(scores).all(axis=0)
        areas = [float(classification.auc(score[known & hgg], score[known & ~hgg])) for score in scores]
        result = statistics.delong(hgg[known], *scores[:, known])
        rows.append(_row(first, second, "auc", "DeLong", areas, result))
    return _adjusted(rows)


def compare_scores(readers: Mapping[str, pd.DataFrame], metrics: Iterable[str]) -> pd.DataFrame:
    """Wilcoxon signed-rank tests of patient scores, such as dice or hd95; values are means over the pairs' patients."""
    rows = []
    for (first, ours), (second, theirs) in combinations(readers.items(), 2):
        for metric in metrics:
            pairs = pd.concat([ours[metric], theirs[metric]], axis=1, join="inner").dropna()
            values = pairs.to_numpy(dtype=float).T
            means = [value.mean() if value.size else np.nan for value in values]
            rows.append(_row(first, second, metric, "Wilcoxon signed-rank", means, statistics.wilcoxon(*values)))
    return _adjusted(rows)


def _score(table: pd.DataFrame) -> np.ndarray:
    """The column that ranks a reader's patients, (P,); NaN where there is none."""
    for column in ("p_hgg", "gldr"):
        if column in table and table[column].notna().any():
            return table[column].to_numpy(dtype=float)
    return np.full(len(table), np.nan)


def _row(first: str, second: str, metric: str, test: str, values: list[float], result: statistics.Result) -> dict:
    cells = (first, second, metric, test, *values, result.statistic, result.p, np.nan, result.n)
    return dict(zip(COLUMNS, cells, strict=True))


def _adjusted(rows: list[dict]) -> pd.DataFrame:
    """The rows with Holm's adjustment; one family is all pairs under one metric."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for _, family in table.groupby("metric"):
        adjusted = statistics.holm(family["p"].to_dict())
        table.loc[family.index, "p_holm"] = pd.Series(adjusted)
    return table
