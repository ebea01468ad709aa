"""Do answers about the location follow the picture, or are they the same whatever is shown?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from glioma.report import labels

METRICS = (
    *("distinct_answers", "commonest_answer", "centre_spread", "true_centre_spread", "centre_correlation"),
    *("centre_in_box", "centre_in_other_boxes"),
)


NEAR = 0.05
"""Shares that differ by less count as equal in words."""


@dataclass(frozen=True)
class Localiser:
    """One method's answers over all slices it was asked about; scores of the summary, some with intervals."""

    name: str
    group: str
    n: int
    distinct: float
    commonest: float
    spread: float
    true_spread: float
    correlation: str
    in_box: str
    in_others: str
    verdict: str


def localisers(summary: pd.DataFrame) -> list[Localiser]:
    """The VLM runs that locate, in the order of the summary; of each the patients that say most, tumour slices."""
    own = summary[summary["metric"].isin(METRICS) & summary["family"].eq("vlm")]
    found = []
    for run, rows in own.groupby("run", sort=False):
        rows = rows[rows["cohort"].eq("pooled" if rows["cohort"].eq("pooled").any() else "test")]
        rows = rows[rows["slices"].eq("tumour" if rows["slices"].eq("tumour").any() else rows["slices"].iloc[0])]
        table = rows.drop_duplicates("metric").set_index("metric")
        if not set(METRICS) <= set(table.index):
            continue
        value = table["value"]
        group = labels.group("vlm", "" if pd.isna(rows["adapter"].iloc[0]) else rows["adapter"].iloc[0])
        found.append(
            Localiser(
                str(run),
                group,
                int(table.at["distinct_answers", "n"]),
                value["distinct_answers"],
                value["commonest_answer"],
                value["centre_spread"],
                value["true_centre_spread"],
                *(_with_interval(table.loc[name]) for name in METRICS[4:]),
                _verdict(table),
            )
        )
    return found


def _with_interval(row: pd.Series) -> str:
    if not np.isfinite(row["value"]):
        return "–"
    known = np.isfinite(row["low"]) and np.isfinite(row["high"])
    return f"{row['value']:.2f}" + (f" [{row['low']:.2f}, {row['high']:.2f}]" if known else "")


def _verdict(table: pd.DataFrame) -> str:
    """In words: are its own patients' boxes hit more often than those of others?"""
    own, others = table.loc["centre_in_box"], table.loc["centre_in_other_boxes"]
    if own["low"] > others["high"]:
        return "Follows the picture: the tumour of the patient shown is hit more often than those of other patients."
    if own["value"] - others["value"] < NEAR:
        return "No sign of it: the same answers score as well in other patients."
    return "Cannot be told: the tumour shown is hit more often than those of others, but the intervals meet."
