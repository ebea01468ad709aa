"""Does an answer follow the picture? Where answers lie and how large they are, beside where the tumours are.

The study's central observation about locating ("predictions clustered near the image centre, with no distinction of
glioma size, location, or placement") as numbers. All are of single slices with tumour and an answer that could be
parsed. Each is a function of sums over patients, so that whole patients can be resampled (`stats.clustered`).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

METRICS = (
    *("centre_in_box", "centre_in_other_boxes", "centre_correlation", "size_correlation"),
    *("centre_spread", "true_centre_spread", "centre_jump", "true_centre_jump"),
    *("distinct_answers", "commonest_answer"),
)
COUNTS = ("distinct_answers", "commonest_answer")
"""Those of the answers as a whole, which no sum over patients gives."""
_SUMS = (
    *("n", "in_box", "in_other", "others", "jumps", "jump", "true_jump"),
    *(f"{axis}_{moment}" for axis in ("row", "column", "size") for moment in ("x", "y", "xx", "yy", "xy")),
)


class Placed(NamedTuple):
    """Answers and truths of N slices.

    patient: (N,) whose slice. position: (N,) which of the patient's slices, rising. centre: (N, 2) row and column of
    the answer's middle. area: (N,) its pixels, NaN for points. box: (N, 4) the true box, inclusive. true_area: (N,).
    """

    patient: np.ndarray
    position: np.ndarray
    centre: np.ndarray
    area: np.ndarray
    box: np.ndarray
    true_area: np.ndarray


def sums(placed: Placed, side: int) -> np.ndarray:
    """(patients, sums): what `values` makes the metrics of, a row a patient. `side`: of the frame in pixels."""
    names, patient = np.unique(placed.patient, return_inverse=True)
    true_centre = (placed.box[:, :2] + placed.box[:, 2:]) / 2
    in_other, others = _in_other_boxes(placed, patient, len(names), side)
    order = np.lexsort((placed.position, patient))
    follows = np.flatnonzero(patient[order][1:] == patient[order][:-1])
    last, this = order[follows], order[follows + 1]
    jump, true_jump = (np.zeros(len(patient)) for _ in range(2))
    jump[this] = np.hypot(*(placed.centre[this] - placed.centre[last]).T)
    true_jump[this] = np.hypot(*(true_centre[this] - true_centre[last]).T)
    found: dict[str, np.ndarray] = {
        "n": np.ones(len(patient)),
        "in_box": _inside(placed.centre, placed.box),
        "in_other": in_other,
        "others": others,
        "jumps": np.isin(np.arange(len(patient)), this),
        "jump": jump,
        "true_jump": true_jump,
    }
    # Spearman's rank correlation: sizes are far from normal.
    pairs = {
        "row": (placed.centre[:, 0], true_centre[:, 0]),
        "column": (placed.centre[:, 1], true_centre[:, 1]),
        "size": tuple(pd.Series(each).rank().to_numpy() for each in (placed.area, placed.true_area)),
    }
    for axis, (x, y) in pairs.items():
        # About their means, so that no digits are lost; correlation and spread do not mind.
        x, y = x - x.mean(), y - y.mean()
        products = {"x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}
        found |= {f"{axis}_{moment}": product for moment, product in products.items()}
    columns = [np.bincount(patient, found[name].astype(float), minlength=len(names)) for name in _SUMS]
    return np.stack(columns, axis=1)


def values(summed: np.ndarray, metric: str) -> np.ndarray:
    """A metric from sums (..., sums) over any patients; NaN where it is undefined.

    centre_in_box: share of answers whose middle lies in the true box. centre_in_other_boxes: in the boxes of other
    patients' slices, all of them: what an answer gets that does not look. centre_correlation: Pearson's r of predicted
    and true middle, mean of rows and columns. size_correlation: Spearman's r of areas. centre_spread: root mean square
    distance of the middles from their mean. centre_jump: mean distance between a patient's adjacent requested slices.
    """
    of = dict(zip(_SUMS, np.moveaxis(np.asarray(summed, dtype=float), -1, 0), strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric == "centre_in_box":
            return of["in_box"] / of["n"]
        if metric == "centre_in_other_boxes":
            return of["in_other"] / of["others"]
        if metric == "centre_correlation":
            return (_correlation(of, "row") + _correlation(of, "column")) / 2
        if metric == "size_correlation":
            return _correlation(of, "size")
        if metric in ("centre_spread", "true_centre_spread"):
            moment = "y" if metric.startswith("true") else "x"
            return np.sqrt(_variance(of, "row", moment) + _variance(of, "column", moment))
        if metric in ("centre_jump", "true_centre_jump"):
            return of["true_jump" if metric.startswith("true") else "jump"] / of["jumps"]
    raise ValueError(f"{metric!r} is none of {METRICS}")


def counts(answers: np.ndarray) -> dict[str, float]:
    """Of the answers' texts (N,): how many are distinct, and the share of the commonest one."""
    numbers = np.unique(answers, return_counts=True)[1]
    return {"distinct_answers": float(len(numbers)), "commonest_answer": float(numbers.max() / numbers.sum())}


def _variance(of: dict[str, np.ndarray], axis: str, moment: str) -> np.ndarray:
    return np.maximum(of[f"{axis}_{moment * 2}"] / of["n"] - (of[f"{axis}_{moment}"] / of["n"]) ** 2, 0)


def _correlation(of: dict[str, np.ndarray], axis: str) -> np.ndarray:
    covariance = of[f"{axis}_xy"] / of["n"] - of[f"{axis}_x"] * of[f"{axis}_y"] / of["n"] ** 2
    squared = _variance(of, axis, "x") * _variance(of, axis, "y")
    # What is constant but for rounding has no correlation.
    return np.where(squared > 1e-12, np.clip(covariance / np.sqrt(squared), -1, 1), np.nan)


def _inside(centre: np.ndarray, box: np.ndarray) -> np.ndarray:
    return np.logical_and(centre >= box[:, :2], centre <= box[:, 2:]).all(axis=1)  # type: ignore[return-value]


def _in_other_boxes(placed: Placed, patient: np.ndarray, patients: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """For each answer: in how many true boxes of other patients' slices its middle lies, and how many there are."""
    covered = np.zeros((patients, side + 1, side + 1), dtype=np.int32)
    top, left, bottom, right = placed.box.astype(int).T
    for rows, columns, sign in (
        (top, left, 1),
        (bottom + 1, left, -1),
        (top, right + 1, -1),
        (bottom + 1, right + 1, 1),
    ):
        np.add.at(covered, (patient, rows, columns), sign)
    covered = covered.cumsum(axis=1).cumsum(axis=2)
    row, column = np.clip(np.rint(placed.centre).astype(int), 0, side - 1).T
    slices_of = np.bincount(patient, minlength=patients)
    inside = covered.sum(axis=0)[row, column] - covered[patient, row, column]
    return inside.astype(float), (len(patient) - slices_of[patient]).astype(float)
