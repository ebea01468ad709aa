"""What the published figures really say: the patients behind them, and what follows. Nothing of ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from glioma.compare import published
from glioma.metrics import classification, records
from glioma.report.html import Cell, Table, estimate, write
from glioma.report.tables.scores import count
from glioma.stats import statistics


def derivation_tables(tables: str | Path, cohort_label: str, out: str | Path) -> None:
    """What the published figures really say: the patients behind them, and what follows."""
    rows = published.read(tables)
    sections = [_confusions(rows), _denominators(rows), _specificities(rows)]
    hgg, lgg = published.COHORTS["test"]
    notes = (
        "Computed from the printed figures of tables 1 to 3 alone (arXiv 2509.10683); nothing of ours is on this page.",
        "Each printed score is a fraction of whole patients. Trying every number of high-grade and low-grade patients "
        "up to the cohort's, usually one confusion matrix alone prints all five scores to four decimals: the patients "
        "behind the row are known. Balanced accuracy and MCC follow, which were not printed.",
        f"The test set has {hgg} HGG and {lgg} LGG patients. Some rows rest on fewer, without a stated rule: who went "
        "missing may have had a tie, mostly slices without glioma, or unreadable answers. A fair table has both "
        "denominators: the patients decided, and all patients with the missing ones counted as wrong.",
        "Always answering HGG, without a look at a scan, ranks with the best in accuracy and F1; balanced accuracy "
        "is the score that it cannot win.",
    )
    write(out, "What the published figures really say", cohort_label, sections, notes)


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
