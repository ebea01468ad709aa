"""Several samples of one question made one answer, and how far they agree.

A choice is the most frequent one; a box, polygon or point is the medoid: the sample that agrees most with the others.
Agreement is the mean over all pairs of samples (1 where there is but one), from 0 to 1: of choices the share of equal
pairs, of regions their intersection over union, of points one less their distance as a share of the frame's diagonal.
An answer that could not be parsed agrees with none, but two such choices are equal.
"""

from collections.abc import Callable, Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from glioma.metrics import abstention
from glioma.scoring import summaries
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry, Scope
from glioma.scoring.tables import KEY
from glioma.stats import statistics
from glioma.tasks import QueryTask, kinds, points_from_text

METRICS = ("agreement", "agreement_correlation", "aurc_agreement")


def combine(answers: pd.DataFrame, task: QueryTask, side: int, inclusive: bool = True) -> pd.DataFrame:
    """One row a slice from rows of `answers_table`: that of the answer taken, with a column `agreement`.

    `side` is that of the rendered slice in pixels, `inclusive` whether a box holds its last row and column. Slices stay
    in order; of samples that agree equally, the first is taken.
    """
    alike = _likeness(answers, task, side, inclusive)
    rows, agreement = [], []
    for _, group in answers.groupby(KEY, sort=False):
        count = len(group)
        table = np.eye(count)
        for one, other in combinations(range(count), 2):
            table[one, other] = table[other, one] = alike(group.index[one], group.index[other])
        with_others = (table.sum(axis=1) - 1) / max(count - 1, 1)
        agreement.append(float(with_others.mean()) if count > 1 else 1.0)
        # Of what was parsed, where anything was.
        readable = group["status"].eq("ok").to_numpy()
        rows.append(group.index[np.argmax(np.where(readable | ~readable.any(), with_others, -1))])
    return answers.loc[rows].assign(agreement=agreement).reset_index(drop=True)


def _likeness(answers: pd.DataFrame, task: QueryTask, side: int, inclusive: bool) -> Callable[[int, int], float]:
    """How much the answers of two rows are alike, by their labels in the index."""
    if task.output in ("grade", "label"):
        said = kinds(answers["choice"], answers["status"])
        return lambda one, other: float(said[one] == said[other])
    known = answers["points"].where(answers["status"].eq("ok"))
    points = {row: points_from_text(text) for row, text in known.items()}
    if task.output == "point":
        return lambda one, other: _nearness(points[one], points[other], side)
    drawn = {
        row: None if each is None else task.pixels(each, side, inclusive)  # type: ignore[attr-defined]
        for row, each in points.items()
    }
    return lambda one, other: _overlap(drawn[one], drawn[other])


def _nearness(one: np.ndarray | None, other: np.ndarray | None, side: int) -> float:
    if one is None or other is None:
        return 0.0
    return 1 - float(np.linalg.norm(one[0] - other[0])) / float(np.hypot(side, side))


def _overlap(one: np.ndarray | None, other: np.ndarray | None) -> float:
    """Intersection over union of two masks (Jaccard 1901); of two empty ones 1."""
    if one is None or other is None:
        return 0.0
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def rows(entry: Entry, requested: pd.DataFrame, settings: Settings, score: str) -> Iterable[dict]:
    """Rows of a summary that say how far samples agree and what that is worth, for each orientation; none without any.

    `requested` are scored slices with a column `agreement` where there were samples; `score` is the column, from 0 to
    1, that says how good each answer is. Slices without one (no tumour to be located) are left out.
    """
    if "agreement" not in requested:
        return
    for orientation, group in requested.groupby("orientation", sort=False):
        known = group[group[score].notna()]
        if known.empty:
            continue
        sure, good = known["agreement"].to_numpy(dtype=float), known[score].to_numpy(dtype=float)
        scope = Scope("all", str(orientation))
        means = known.assign(good=good).groupby("patient", sort=False)[["agreement", "good"]].mean()
        yield from summaries.mean_rows(entry, scope, means, ["agreement"], settings)
        r, interval = statistics.spearman(means["agreement"].to_numpy(), means["good"].to_numpy(), settings.confidence)
        yield summaries.row(entry, scope, "agreement_correlation", r, len(means), 0, interval)
        area = float(abstention.aurc(1 - good, sure))
        yield summaries.row(entry, Scope("all", str(orientation), "slice"), "aurc_agreement", area, len(known))
