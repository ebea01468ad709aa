"""Tables made of summary.csv and comparisons.csv: all methods side by side, every number, and the tests."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glioma import tasks
from glioma.metrics import records
from glioma.report import labels
from glioma.report.html import UNDEFINED, Cell, Out, Table, estimate, write
from glioma.report.labels import GROUPS, ORDER
from glioma.report.score_tables import AS_VOLUME, output, scope

COHORT_NAMES = {
    "pooled": "All patients, each by a model that has not seen it",
    "test": "Test patients",
    "validation": "Out-of-fold patients",
    "train": "Training patients of one fold's network",
    "fold_validation": "Validation patients of one fold's network",
    "fold_test": "Test patients by one fold's network",
}
_GRADING = ("balanced_accuracy", "recall", "specificity", "precision", "f1", "mcc", "accuracy")
_PROBABILITIES = (
    *("auc", "auc_logprob", "auc_tally", "aurc", "aurc_logprob", "aurc_tally"),
    *("brier", "ece", "ece_if_calibrated", "agreement", "agreement_correlation"),
)
_FIRST = ("Method", "Crops", "Slices", "n", "Undecided")
_KEY = ["task", "run", "crops", "slices", "orientation"]
CROPS_NAMES = {"brain": "brain", "tumour": "tumour†", "": UNDEFINED}
_MEASURED = ("value", "low", "high", "n", "n_undecided")


def read_summary(path: str | Path) -> pd.DataFrame:
    """summary.csv with numbers as numbers, an empty name as "", not NaN, and each method's `group` and `method`."""
    table = pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in _MEASURED})
    groups = [labels.group(*pair) for pair in zip(table["family"], table["adapter"], strict=True)]
    return table.assign(group=pd.Series(groups, index=table.index, dtype=object), method=labels.labels(table))


def comparison_table(
    summary: str | Path,
    hd95_unit: str,
    cohort_label: str,
    out: Out,
    convention: str = "pooled",
    cohorts: Sequence[str] = ("pooled", "test", "validation"),
) -> None:
    """CNN, VLM and baselines side by side: grading with both denominators, localisation per volume and per slice.

    `hd95_unit` is the key scores.hd95_unit ("mm" or "px"), `convention` the key scores.hd95.
    Cohorts without rows are left out.
    """
    table = read_summary(summary)
    sections: list[Table] = []
    for cohort in cohorts:
        sections += _cohort_sections(table[table["cohort"] == cohort], COHORT_NAMES[cohort], hd95_unit)
    notes = (
        "The first sections are the primary ones: every patient once, by a model that has not seen it, that is "
        "development patients out of fold and test patients. Test patients alone come second. What was asked of test "
        "patients only has no row in the first.",
        "Estimate over its 95 % interval: Wilson for shares of patients, MOVER of two Wilson intervals for balanced "
        "accuracy, F1 and MCC, Newcombe's score interval for AUC; bias-corrected and accelerated bootstrap (BCa) over "
        "patients for means, and Student's t for those of fewer than 20. "
        "A dash stands where a score is undefined or has no interval.",
        "A CNN grades and segments test patients by the mean of its folds' networks, out-of-fold patients by one; a "
        "fine-tuned VLM has one adapter a fold that it was trained for. n is the number of patients of each row.",
        "† The true mask chose these slices, or the position of these crops: the method was told where the tumour is.",
        records.explained(records.BY_NAME, convention),
        "HGG is the positive grade. A model that always answers HGG scores well in accuracy and F1 and 0.5 in balanced "
        "accuracy, which is why that comes first.",
    )
    write(out, "Comparison of the methods", cohort_label, sections, notes)


def summary_table(summary: str | Path, cohort_label: str, out: Out) -> None:
    """Every row of summary.csv, to be sorted and filtered."""
    columns = (
        "Task",
        "Method",
        "Family",
        "Run",
        "Model",
        "Adapter",
        "Cohort",
        "Crops",
        "Slices",
        "Orientation",
        "Unit",
        "Metric",
    )
    measured = ("Value", "Low", "High", "n", "Undecided")
    rows = [
        [
            *(row[name.lower()] for name in columns),
            *(estimate(row["metric"], row[name]) for name in ("value", "low", "high")),
            *(count(row[name]) for name in ("n", "n_undecided")),
        ]
        for row in read_summary(summary).to_dict("records")
    ]
    table = Table("All scores", (*columns, *measured), rows, numeric=frozenset(measured), tools=True)
    notes = (
        "A metric that ends in _all counts an undecided patient as wrong; without it, only decided patients count. "
        "n is the number of patients (of slices for counts of answers) that the value rests on.",
    )
    write(out, "All scores", cohort_label, [table], notes)


def tests_table(comparisons: str | Path, summary: str | Path, cohort_label: str, out: Out) -> None:
    """Paired tests between methods, from a table with the columns of `glioma.compare.declared.COLUMNS`.

    What the methods are called is taken from the summary.
    """
    table = pd.read_csv(comparisons)
    known = read_summary(summary).drop_duplicates("run").set_index("run")["method"]
    columns = (
        *("Role", "Cohort", "First", "Second", "Slices", "Metric", "First value", "Second value"),
        *("Effect", "Effect is", "Test", "p", "p (Holm)", "n"),
    )
    rows = [
        [
            row["role"],
            row["cohort"],
            *(_named(known.get(row[name], row[name]), row[name]) for name in ("first", "second")),
            row["slices"],
            records.heading(row["metric"]),
            *(estimate(row["metric"], row[name]) for name in ("value_first", "value_second")),
            estimate(row["metric"], row["effect"], row["effect_low"], row["effect_high"]),
            UNDEFINED if pd.isna(row["effect_name"]) else row["effect_name"],
            row["test"],
            *(_p_value(row[name]) for name in ("p", "p_holm")),
            count(row["n"]),
        ]
        for row in table.sort_values("role", kind="stable").to_dict("records")
    ]
    notes = (
        "The pairs were declared in the configuration (key comparisons), before any result. Each has one primary "
        "test; they come first. Holm's adjustment takes the primary tests of one cohort as one family, and the "
        "secondary ones metric by metric. An effect is the first method less the second, over its 95 % interval; "
        "its p comes from the same model, so that p is below .05 exactly where that interval excludes no "
        "difference. Balanced accuracy: MOVER of the grades' Newcombe intervals; shares of patients: Newcombe's "
        "interval of paired proportions; AUC: DeLong. The effect of Dice, HD95 and points is the Hodges-Lehmann "
        "median of patients' differences, which Wilcoxon's signed-rank test is about: it is not the difference of "
        "the two means beside it, and lies nearer to 0 where few patients differ much. Tests are two-sided, on the"
        " patients that both methods have. A large p is no evidence that two methods are equal, least of all with "
        "few patients.",
    )
    numeric = frozenset({"First value", "Second value", "Effect", "p", "p (Holm)", "n"})
    write(
        out,
        "Paired tests between methods",
        cohort_label,
        [Table("Paired tests", columns, rows, "", numeric, True)],
        notes,
    )


def _named(method: str, run: str) -> Cell:
    """A method with the name that the configuration gives it, where that is another."""
    return Cell(method, run if run != method else "", run=run)


def _p_value(p: float) -> Cell:
    if pd.isna(p):
        return Cell(UNDEFINED, key=2)
    return Cell("< 0.001" if p < 0.001 else f"{p:.3f}", key=float(p))


def _cohort_sections(table: pd.DataFrame, cohort: str, hd95_unit: str) -> list[Table]:
    outputs = table["task"].map(output)
    grading = _without_repeats(table[(outputs == "grade") & (table["unit"] == "patient")])
    of_slices = table[(outputs == "label") & (table["unit"] == "slice")]
    shapes, points = table[outputs == "region"], table[outputs == "point"]
    regions = list(records.names("region", published=True))
    sections = [
        _section(
            f"{cohort}: grade, all patients", grading, [f"{name}_all" for name in _GRADING], hd95_unit,
            note="A patient without a decision (a tie, no readable slice) counts as wrong.",
        ),
        _section(
            f"{cohort}: grade, decided patients only", grading, list(_GRADING), hd95_unit,
            note="As published: patients without a decision are left out, so models may rest on different patients.",
        ),
        _section(
            f"{cohort}: grade, by probability", grading[grading["value"].notna()],
            [], hd95_unit, _PROBABILITIES,
            note="Ranking by a patient's HGG probability or its share of HGG slices (GLDR), and calibration.",
        ),
        _section(
            f"{cohort}: segmentation, boxes and polygons, per volume", shapes[shapes["slices"].isin(AS_VOLUME)],
            regions, hd95_unit, ("nsd",),
            note="A VLM's slices are stacked to a volume and scored once, as a CNN's mask is.",
        ),
        _section(
            f"{cohort}: segmentation, boxes and polygons, slice by slice", shapes[~shapes["slices"].isin(AS_VOLUME)],
            regions, hd95_unit, ("nsd", "agreement", "agreement_correlation"),
            note="As published for the VLM: each slice is scored, then averaged over the patient, then over patients.",
        ),
        _section(
            f"{cohort}: centre point", points, list(records.names("point", published=True)), hd95_unit,
            ("agreement", "agreement_correlation"),
            note="Share of points in the true box; distances: 95th percentile over a patient's slices, averaged.",
        ),
        _section(
            f"{cohort}: presence of tumour, slice by slice", of_slices, list(_GRADING), hd95_unit,
            note="All slices together, with intervals over patients; an answer that could not be parsed is wrong.",
        ),
    ]  # fmt: skip
    return [section for section in sections if section.rows]


def _without_repeats(grading: pd.DataFrame) -> pd.DataFrame:
    """Without baselines that grade alike whatever crops and slices they are given: those have one row."""
    baseline = grading["family"] == "baseline"
    repeated = grading.duplicated(["run", "cohort", "metric", "value", "n", "n_undecided"])
    return grading[~(baseline & repeated)]


def _section(
    heading: str, table: pd.DataFrame, metrics: list[str], hd95_unit: str, more: Sequence[str] = (), note: str = ""
) -> Table:
    """One row per method and scope, one column per metric, and of `more` those there are; n is the first metric's."""
    shown = [*metrics, *(metric for metric in more if (table["metric"] == metric).any())]
    rows = []
    for key, group in table[table["metric"].isin(shown)].groupby(_KEY):
        row = dict(zip(_KEY, key, strict=True))
        by_metric = group.set_index("metric")
        leading = (by_metric.reindex(metrics[:1]) if metrics else by_metric).iloc[0]
        cells = [
            estimate(metric, *by_metric.loc[metric, ["value", "low", "high"]])
            if metric in by_metric.index
            else UNDEFINED
            for metric in shown
        ]
        first = group.iloc[0]
        task, method, kind = tasks.get(row["task"]), first["method"], first["group"]
        where = scope(row["slices"], row["orientation"])
        order = (where != "whole volume", where, ORDER.index(kind), method)
        if task.output == "grade":
            order = (order[2], method, where)
        else:
            method += f": {task.noun}"
        cut = CROPS_NAMES[row["crops"]]
        first = [
            Cell(method, GROUPS[kind], run=row["run"]),
            cut,
            where,
            count(leading["n"]),
            count(leading["n_undecided"]),
        ]
        rows.append(((*order, cut), [*first, *cells]))
    columns = (*_FIRST, *(records.heading(metric.removesuffix("_all"), hd95_unit) for metric in shown))
    rows = [cells for _, cells in sorted(rows, key=lambda row: row[0])]
    return Table(heading, columns, rows, note, frozenset(columns[3:]), tools=True)


def count(value: float) -> Cell:
    """A number of patients; unknown ones sort first."""
    return Cell(UNDEFINED, key=-1) if pd.isna(value) else Cell(f"{int(value)}", key=int(value))
