"""What the published figures really say: the patients behind them, what follows, and which crops the points are of."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from glioma.compare import published
from glioma.metrics import classification, records
from glioma.report.html import Cell, Out, Table, estimate, write
from glioma.report.tables.scores import CROPS_NAMES, count, read_summary
from glioma.stats import statistics


def derivation_tables(tables: str | Path, summary: str | Path, cohort_label: str, out: Out) -> None:
    """What the published figures really say: the patients behind them, and what follows.

    From `summary` comes what answering with the middle of the image scores on the crops of this cohort: nothing that
    any model said.
    """
    rows = published.read(tables)
    sections = [_confusions(rows), _denominators(rows), _specificities(rows), _crops(tables, summary, cohort_label)]
    hgg, lgg = published.COHORTS["test"]
    notes = (
        "Computed from the printed figures alone (arXiv 2509.10683); of ours is nothing but the last table's lines on "
        "the middle of the image, which no model was asked for.",
        "Each printed score is a fraction of whole patients. Trying every number of high-grade and low-grade patients "
        "up to the cohort's, usually one confusion matrix alone prints all five scores to four decimals: the patients "
        "behind the row are known. Balanced accuracy and MCC follow, which were not printed.",
        f"The test set has {hgg} HGG and {lgg} LGG patients. Some rows rest on fewer, without a stated rule. In the "
        "study's Figure 6 the grades alone have a vote, so that a patient goes missing by a tie between them. A fair "
        "table has both denominators: the patients decided, and all patients with the missing ones counted as wrong.",
        "Always answering HGG, without a look at a scan, ranks with the best in accuracy and F1; balanced accuracy "
        "is the score that it cannot win.",
    )
    write(out, "What the published figures really say", cohort_label, sections, notes)


def _crops(tables: str | Path, summary: str | Path, cohort_label: str) -> Table:
    """The published points beside the middle of the image on each set of crops of this cohort."""
    theirs, ours = pd.read_csv(tables), read_summary(summary)
    theirs = theirs[theirs["task"] == "center-point"]
    metrics = list(dict.fromkeys(theirs["metric"]))
    rows: list[list[Cell | str]] = []
    for (table, setting), group in theirs.groupby(["table", "setting"]):
        values = group.set_index("metric")["value"]
        rows.append([Cell(f"Table {table}: {setting}", "published"), "?", *(estimate(m, values[m]) for m in metrics)])
    chosen = ours[(ours["run"] == "image centre") & (ours["slices"] == "tumour") & (ours["unit"] == "patient")]
    cohorts = [name for name in ("pooled", "test") if (chosen["cohort"] == name).any()]
    chosen = chosen[chosen["cohort"].isin(cohorts[:1])]
    for crops, group in chosen.groupby("crops"):
        found = group.set_index("metric")
        cells = [
            estimate(metric, *found.loc[metric, ["value", "low", "high"]].to_numpy(dtype=float))
            if metric in found.index
            else estimate(metric, np.nan)
            for metric in metrics
        ]
        rows.append([Cell("Middle of the image", cohort_label), CROPS_NAMES[crops], *cells])
    note = (
        "The published points are said to cluster near the centre of the image. In crops around the true tumour that "
        "is inside the true box on most slices; with 8 % in the box and more than 57 pixels to the true centre (95th "
        "percentile), the published points can hardly be of such crops. The study of the paper therefore asks for the "
        "location on brain crops, and on crops around the tumour beside them."
    )
    heading = "Which crops are the published points of?"
    columns = ("Row", "Crops", *map(records.heading, metrics))
    return Table(heading, columns, rows, note, frozenset(columns[2:]))


def _name(row: published.Row) -> Cell:
    return Cell(f"Table {row.table}: {row.setting}", row.cohort)


def _confusions(rows: Sequence[published.Row]) -> Table:
    body = []
    for row in rows:
        scores = classification.scores(row.counts)
        unique = "the only one" if not row.others else f"the largest of {row.others + 1}"
        missing = ", ".join(f"{n} {grade}" for n, grade in zip(row.missing, ("HGG", "LGG"), strict=True) if n) or "none"
        cells = [count(cell) for cell in (sum(row.counts), *row.counts)]
        body.append([_name(row), *cells, missing, unique, *_shares(row.counts, scores)])
    columns = ("Row", "n", "TP", "FN", "TN", "FP", "Missing", "Matrix that fits", "Recall", "Specificity",
               "Balanced accuracy", "MCC")  # fmt: skip
    note = (
        "HGG is positive. Where several matrices fit, they are the same shares of fewer patients; the largest leaves "
        "out the fewest. Recall and specificity over Wilson's 95 % interval."
    )
    return Table("The patients behind the rows", columns, body, note, frozenset({*columns[1:6], *columns[8:]}))


def _shares(counts: classification.Confusion, scores: Mapping) -> list[Cell]:
    shares = classification.proportions(counts)
    with_interval = [
        estimate(name, float(scores[name]), *statistics.wilson(*map(int, shares[name])))
        for name in ("recall", "specificity")
    ]
    return [*with_interval, *(estimate(name, float(scores[name])) for name in ("balanced_accuracy", "mcc"))]


def _denominators(rows: Sequence[published.Row]) -> Table:
    names = ("accuracy", "f1", "balanced_accuracy", "mcc")
    hgg, lgg = published.COHORTS["test"]
    body = [
        [
            _name(row),
            *(estimate(name, float(value[name])) for name in names for value in map(classification.scores, pair)),
        ]
        for row in rows
        if row.cohort == "test"
        for pair in [(row.counts, row.everyone)]
    ]
    constant = published.always_hgg(hgg, lgg)
    body.append(
        [Cell("Always HGG", "for comparison"), *(estimate(name, constant[name]) for name in names for _ in range(2))]
    )
    columns = ("Row", *(f"{records.heading(name)}, {who}" for name in names for who in ("decided", "all")))
    note = f"Decided: as published. All: the {hgg + lgg} test patients, the missing ones counted as wrong."
    return Table("Both denominators, and a constant answer", columns, body, note, frozenset(columns[1:]))


def _specificities(rows: Sequence[published.Row]) -> Table:
    """The CNN's specificity on the test patients against each VLM row that has all LGG patients."""
    tested = [row for row in rows if row.cohort == "test"]
    cnn = next(row for row in tested if row.table == 1)
    lgg = published.COHORTS["test"][1]
    body = []
    for row in tested:
        if row is cnn or row.missing[1]:
            continue
        found = published.mcnemar_range(cnn.counts.tn, row.counts.tn, lgg)
        low, high = min(found.values()), max(found.values())
        overlaps = f"{min(found)} to {max(found)}" if len(found) > 1 else f"{min(found)}"
        bounds = f"{low:.3f} to {high:.3f}" if len(found) > 1 else f"{low:.3f}"
        body.append(
            [_name(row), f"{cnn.counts.tn} of {lgg}", f"{row.counts.tn} of {lgg}", overlaps, Cell(bounds, key=low)]
        )
    columns = ("Row", "LGG right, CNN", "LGG right, VLM", "Right in both, possible", "p, exact McNemar")
    note = (
        f"A specificity here rests on {lgg} LGG patients. Which of them two models share was not printed, so p is "
        "given over all possible overlaps. Every patient by a model that has not seen it, pooled, has several times "
        "as many."
    )
    return Table("Can the specificities be told apart?", columns, body, note, frozenset(columns[1:]))
