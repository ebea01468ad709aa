"""Tables made of summary.csv and comparisons.csv: the arms side by side, every number, and the tests."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glioma.metrics import centre, segmentation
from glioma.report.figures import style
from glioma.report.html import UNDEFINED, Cell, Table, estimate, write
from glioma.report.score_tables import AS_VOLUME, SHAPE_NAMES, place

METRIC_NAMES = {
    "accuracy": "Accuracy",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "balanced_accuracy": "Balanced accuracy",
    "mcc": "MCC",
    "auc": "AUC",
    "auc_logprob": "AUC of p(HGG)",
    "auc_tally": "AUC of GLDR",
    "brier": "Brier score",
    "ece": "ECE",
    "ece_if_calibrated": "ECE by chance",
    "dice": "Dice",
    "hd95": "HD95",
    "nsd": "NSD",
    "fraction_in_box": "Points in true box",
    "p95_distance_to_box": "Distance to box, P95 (px)",
    "p95_euclidean_distance": "Distance to centre, P95 (px)",
}
COHORT_NAMES = {
    "pooled": "All patients, each by a model that has not seen it",
    "test": "Test patients",
    "validation": "Out-of-fold patients",
    "train": "Training patients",
}
_GRADING = ("balanced_accuracy", "recall", "specificity", "precision", "f1", "mcc", "accuracy")
_PROBABILITIES = ("auc", "auc_logprob", "auc_tally", "brier", "ece", "ece_if_calibrated")
_FIRST = ("Model", "Crops", "Slices", "n", "Undecided")
_KEY = ["task", "arm", "model", "run", "crops", "slices", "orientation"]
CROPS_NAMES = {"brain": "brain", "tumour": "tumour†", "": UNDEFINED}
_MEASURED = ("value", "low", "high", "n", "n_undecided")


def read_summary(path: str | Path) -> pd.DataFrame:
    """summary.csv with numbers as numbers and an empty name as "", not NaN."""
    return pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in _MEASURED})


def comparison_table(
    summary: str | Path,
    hd95_unit: str,
    cohort_label: str,
    out: str | Path,
    cohorts: Sequence[str] = ("pooled", "test", "validation"),
) -> None:
    """CNN, VLM and baselines side by side: grading with both denominators, localisation per volume and per slice.

    `hd95_unit` is the key scores.hd95_unit ("mm" or "px"). Cohorts without rows are left out.
    """
    table = read_summary(summary)
    sections: list[Table] = []
    for cohort in cohorts:
        sections += _cohort_sections(table[table["cohort"] == cohort], COHORT_NAMES[cohort], hd95_unit)
    notes = (
        "The first sections are the primary ones: every patient once, by a model that has not seen it, that is "
        "development patients out of fold and test patients. Test patients alone come second. What was asked of test "
        "patients only has no row in the first.",
        "Estimate over its 95 % interval: Wilson for shares of patients, bootstrap over patients for all else. "
        "A dash stands where a score is undefined or has no interval.",
        "† The true mask chose these slices, or the place of these crops: the model was told where there is tumour.",
        "Brier score and expected calibration error (ECE) ask whether p(HGG) means what it says; 0 is best. ECE by "
        "chance is what so many patients would show if it did.",
        "HGG is the positive grade. A model that always answers HGG scores well in accuracy and F1 and 0.5 in balanced "
        "accuracy, which is why that comes first.",
    )
    write(out, "Comparison of the arms", cohort_label, sections, notes)


def summary_table(summary: str | Path, cohort_label: str, out: str | Path) -> None:
    """Every row of summary.csv, to be sorted and filtered."""
    columns = ("Task", "Model", "Arm", "Run", "Cohort", "Crops", "Slices", "Orientation", "Unit", "Metric")
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


def tests_table(comparisons: Sequence[str | Path], cohort_label: str, out: str | Path) -> None:
    """Paired tests between readers, from tables with the columns of `glioma.compare.declared.COLUMNS`."""
    table = pd.concat([pd.read_csv(path) for path in comparisons], ignore_index=True)
    columns = (
        *("Role", "Cohort", "First", "Second", "Slices", "Metric", "First value", "Second value"),
        *("Effect", "Effect is", "Test", "p", "p (Holm)", "n"),
    )
    rows = [
        [
            row["role"],
            row["cohort"],
            style.readable(row["first"]),
            style.readable(row["second"]),
            row["slices"],
            _metric_name(row["metric"]),
            *(estimate(row["metric"], row[name]) for name in ("value_first", "value_second")),
            estimate(row["metric"], row["effect"], row["effect_low"], row["effect_high"]),
            UNDEFINED if pd.isna(row["effect_name"]) else row["effect_name"],
            row["test"],
            *(_p_value(row[name]) for name in ("p", "p_holm")),
            count(row["n"]),
        ]
        for row in table.to_dict("records")
    ]
    notes = (
        "The pairs were declared in the configuration (key comparisons), before any result. Each has one primary test; "
        "Holm's adjustment takes the primary tests of one cohort as one family, and the secondary ones metric by "
        "metric. An effect is the first reader less the second, over its 95 % interval. Tests are two-sided, on the "
        "patients that both readers have. A large p is no evidence that two readers are equal, least of all with few "
        "patients.",
    )
    numeric = frozenset({"First value", "Second value", "Effect", "p", "p (Holm)", "n"})
    write(
        out,
        "Paired tests between readers",
        cohort_label,
        [Table("Paired tests", columns, rows, "", numeric, True)],
        notes,
    )


def _metric_name(metric: str) -> str:
    """A metric in words; `_all` says that undecided patients count as wrong."""
    plain = metric.removesuffix("_all")
    return METRIC_NAMES.get(plain, plain) + (", all patients" if plain != metric else "")


def _p_value(p: float) -> Cell:
    if pd.isna(p):
        return Cell(UNDEFINED, key=2)
    return Cell("< 0.001" if p < 0.001 else f"{p:.3f}", key=float(p))


def _cohort_sections(table: pd.DataFrame, cohort: str, hd95_unit: str) -> list[Table]:
    grading = _without_repeats(table[(table["task"] == "classification") & (table["unit"] == "patient")])
    shapes = table[table["task"].isin(("segmentation", "bounding_box", "polygon"))]
    points = table[table["task"] == "center_point"]
    names = METRIC_NAMES | {"hd95": f"HD95 ({hd95_unit})"}
    sections = [
        _section(
            f"{cohort}: grade, all patients", grading, [f"{name}_all" for name in _GRADING], names,
            note="A patient without a decision (a tie, no readable slice) counts as wrong.",
        ),
        _section(
            f"{cohort}: grade, decided patients only", grading, list(_GRADING), names,
            note="As published: patients without a decision are left out, so models may rest on different patients.",
        ),
        _section(
            f"{cohort}: grade, by probability", grading[grading["value"].notna()],
            [], names, _PROBABILITIES,
            note="Ranking by a patient's HGG probability or its share of HGG slices (GLDR), and calibration.",
        ),
        _section(
            f"{cohort}: segmentation, boxes and polygons, per volume", shapes[shapes["slices"].isin(AS_VOLUME)],
            list(segmentation.METRICS), names, ("nsd",),
            note="A VLM's slices are stacked to a volume and scored once, as a CNN's mask is.",
        ),
        _section(
            f"{cohort}: segmentation, boxes and polygons, slice by slice", shapes[~shapes["slices"].isin(AS_VOLUME)],
            list(segmentation.METRICS), names, ("nsd",),
            note="As published for the VLM: each slice is scored, then averaged over the patient, then over patients.",
        ),
        _section(
            f"{cohort}: centre point", points, list(centre.METRICS), names,
            note="Share of points in the true box; distances: 95th percentile over a patient's slices, averaged.",
        ),
    ]  # fmt: skip
    return [section for section in sections if section.rows]


def _without_repeats(grading: pd.DataFrame) -> pd.DataFrame:
    """Without baselines that grade alike whatever crops and slices they are given: those have one row."""
    baseline = grading["arm"] == "baseline"
    repeated = grading.duplicated(["model", "cohort", "metric", "value", "n", "n_undecided"])
    return grading[~(baseline & repeated)]


def _section(
    heading: str, table: pd.DataFrame, metrics: list[str], names: dict, more: Sequence[str] = (), note: str = ""
) -> Table:
    """One row per model and place, one column per metric, and of `more` those there are; n is the first metric's."""
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
        model = style.readable(row["model"])
        model += "" if row["task"] == "classification" else f": {SHAPE_NAMES[row['task']]}"
        where = place(row["slices"], row["orientation"])
        order = (where != "whole volume", where, style.ARM_ORDER.index(style.arm(row["arm"], row["model"])), model)
        arm = style.ARM_NAMES[style.arm(row["arm"], row["model"])]
        if row["task"] == "classification":
            order = (order[2], model, where)
        cut = CROPS_NAMES[row["crops"]]
        first = [Cell(model, arm), cut, where, count(leading["n"]), count(leading["n_undecided"])]
        rows.append(((*order, cut), [*first, *cells]))
    columns = (*_FIRST, *(names[metric.removesuffix("_all")] for metric in shown))
    rows = [cells for _, cells in sorted(rows, key=lambda row: row[0])]
    return Table(heading, columns, rows, note, frozenset(columns[3:]))


def count(value: float) -> Cell:
    """A number of patients; unknown ones sort first."""
    return Cell(UNDEFINED, key=-1) if pd.isna(value) else Cell(f"{int(value)}", key=int(value))
