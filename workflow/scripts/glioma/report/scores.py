"""Tables made of summary.csv: the comparison, every number, and the published figures beside ours."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from glioma.figures import style
from glioma.figures.tables import AS_VOLUME, SHAPE_NAMES, place
from glioma.metrics import centre, segmentation
from glioma.report.html import UNDEFINED, Cell, Table, estimate, number, write

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
    "dice": "Dice",
    "hd95": "HD95",
    "fraction_in_box": "Points in true box",
    "p95_distance_to_box": "Distance to box, P95 (px)",
    "p95_euclidean_distance": "Distance to centre, P95 (px)",
}
COHORT_NAMES = {"test": "Test patients", "validation": "Out-of-fold patients", "train": "Training patients"}
_GRADING = ("balanced_accuracy", "recall", "specificity", "precision", "f1", "mcc", "accuracy")
_AREAS = ("auc", "auc_logprob", "auc_tally")
_FIRST = ("Model", "Slices", "n", "Undecided")
_KEY = ["task", "arm", "model", "run", "slices", "orientation"]
_MEASURED = ("value", "low", "high", "n", "n_undecided")


def read_summary(path: str | Path) -> pd.DataFrame:
    """summary.csv with numbers as numbers and an empty name as "", not NaN."""
    return pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in _MEASURED})


def comparison_table(
    summary: str | Path,
    hd95_unit: str,
    cohort_label: str,
    out: str | Path,
    cohorts: Sequence[str] = ("test", "validation"),
) -> None:
    """CNN, VLM and baselines side by side: grading with both denominators, localisation per volume and per slice.

    `hd95_unit` is the key scores.hd95_unit ("mm" or "px"). Cohorts without rows are left out.
    """
    table = read_summary(summary)
    sections: list[Table] = []
    for cohort in cohorts:
        sections += _cohort_sections(table[table["cohort"] == cohort], COHORT_NAMES[cohort], hd95_unit)
    notes = (
        "Estimate over its 95 % interval: Wilson for shares of patients, bootstrap over patients for all else. "
        "A dash stands where a score is undefined or has no interval.",
        "† These slices were chosen with the true mask: the model was told where there is tumour to see.",
        "HGG is the positive grade. A model that always answers HGG scores well in accuracy and F1 and 0.5 in balanced "
        "accuracy, which is why that comes first.",
    )
    write(out, "Comparison of the arms", cohort_label, sections, notes)


def summary_table(summary: str | Path, cohort_label: str, out: str | Path) -> None:
    """Every row of summary.csv, to be sorted and filtered."""
    columns = ("Task", "Model", "Arm", "Run", "Cohort", "Slices", "Orientation", "Unit", "Metric")
    measured = ("Value", "Low", "High", "n", "Undecided")
    rows = [
        [
            *(row[name.lower()] for name in columns),
            *(estimate(row["metric"], row[name]) for name in ("value", "low", "high")),
            *(_count(row[name]) for name in ("n", "n_undecided")),
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
    """Paired tests between readers, from tables with the columns of `glioma.comparisons.COLUMNS`."""
    table = pd.concat([pd.read_csv(path) for path in comparisons], ignore_index=True)
    columns = ("First", "Second", "Metric", "Test", "First value", "Second value", "p", "p (Holm)", "n")
    rows = [
        [
            style.readable(row["first"]),
            style.readable(row["second"]),
            METRIC_NAMES.get(row["metric"], row["metric"]),
            row["test"],
            *(estimate(row["metric"], row[name]) for name in ("value_first", "value_second")),
            *(_p_value(row[name]) for name in ("p", "p_holm")),
            _count(row["n"]),
        ]
        for row in table.to_dict("records")
    ]
    notes = (
        "Two-sided tests on the patients that both readers have. Holm's adjustment takes all pairs under one metric as "
        "one family. A large p is no evidence that two readers are equal, least of all with few patients.",
    )
    section = Table("Paired tests", columns, rows, numeric=frozenset(columns[4:]), tools=True)
    write(out, "Paired tests between readers", cohort_label, [section], notes)


def _p_value(p: float) -> Cell:
    if pd.isna(p):
        return Cell(UNDEFINED, key=2)
    return Cell("< 0.001" if p < 0.001 else f"{p:.3f}", key=float(p))


def _cohort_sections(table: pd.DataFrame, cohort: str, hd95_unit: str) -> list[Table]:
    grading = table[(table["task"] == "classification") & (table["unit"] == "patient")]
    shapes = table[table["task"].isin(("segmentation", "bounding_box", "polygon"))]
    points = table[table["task"] == "center_point"]
    names = METRIC_NAMES | {"hd95": f"HD95 ({hd95_unit})"}
    sections = [
        _section(
            f"{cohort}: grade, all patients", grading, [f"{name}_all" for name in _GRADING], names, _AREAS,
            note="A patient without a decision (a tie, no readable slice) counts as wrong.",
        ),
        _section(
            f"{cohort}: grade, decided patients only", grading, list(_GRADING), names,
            note="As published: patients without a decision are left out, so models may rest on different patients.",
        ),
        _section(
            f"{cohort}: segmentation, boxes and polygons, per volume", shapes[shapes["slices"].isin(AS_VOLUME)],
            list(segmentation.METRICS), names,
            note="A VLM's slices are stacked to a volume and scored once, as a CNN's mask is.",
        ),
        _section(
            f"{cohort}: segmentation, boxes and polygons, slice by slice", shapes[~shapes["slices"].isin(AS_VOLUME)],
            list(segmentation.METRICS), names,
            note="As published for the VLM: each slice is scored, then averaged over the patient, then over patients.",
        ),
        _section(
            f"{cohort}: centre point", points, list(centre.METRICS), names,
            note="Share of points in the true box; distances: 95th percentile over a patient's slices, averaged.",
        ),
    ]  # fmt: skip
    return [section for section in sections if section.rows]


def _section(
    heading: str, table: pd.DataFrame, metrics: list[str], names: dict, areas: Sequence[str] = (), note: str = ""
) -> Table:
    """One row per model and place, one column per metric; n is that of the row's first metric."""
    shown = [*metrics, *(area for area in areas if (table["metric"] == area).any())]
    rows = []
    for key, group in table[table["metric"].isin(shown)].groupby(_KEY):
        row = dict(zip(_KEY, key, strict=True))
        by_metric = group.set_index("metric")
        leading = by_metric.reindex([metrics[0]]).iloc[0]
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
        rows.append((order, [Cell(model, arm), where, _count(leading["n"]), _count(leading["n_undecided"]), *cells]))
    columns = (*_FIRST, *(names[metric.removesuffix("_all")] for metric in shown))
    rows = [cells for _, cells in sorted(rows, key=lambda row: row[0])]
    return Table(heading, columns, rows, note, frozenset(columns[2:]))


def _count(value: float) -> Cell:
    return Cell(UNDEFINED, key=-1) if pd.isna(value) else Cell(f"{int(value)}", key=int(value))


def published_table(
    summary: str | Path, published: str | Path, is_phantom: bool, cohort_label: str, out: str | Path
) -> None:
    """The study's tables, each of its rows followed by ours of the same kind (decided patients, slice by slice)."""
    ours = read_summary(summary)
    theirs = pd.read_csv(published)
    sections = []
    for table, of_table in theirs.groupby("table", sort=True):
        metrics = list(dict.fromkeys(of_table["metric"]))
        rows = []
        for (setting, cohort), group in of_table.groupby(["setting", "cohort"], sort=False):
            values = group.set_index("metric")["value"]
            cells = [number(name, values.get(name, float("nan"))) for name in metrics]
            rows.append([Cell(f"published: {setting}", tone="published"), cohort, "", *cells])
            rows += _counterparts(ours, group.iloc[0], metrics)
        task = of_table["task"].iloc[0].replace("-", " ")
        columns = ("Model", "Cohort", "n", *(METRIC_NAMES[name] for name in metrics))
        sections.append(Table(f"Published table {table}: {task}", columns, rows, numeric=frozenset(columns[2:])))
    notes = [
        "Published: Liu, Yoo, Khalvati, arXiv 2509.10683 (BraTS 2020, 365 patients; Llama 3.2 Vision). Ours follow in "
        "the white rows, decided patients only and slices scored one by one, as theirs were. Their HD95 is in pixels."
    ]
    if is_phantom:
        notes.insert(
            0,
            "Ours are phantom results: simulated tumours, and a model of about a million weights. They show that the "
            "workflow runs and say nothing about the published figures; the two are not comparable.",
        )
    write(out, "The published figures beside ours", cohort_label, sections, notes)


def _counterparts(ours: pd.DataFrame, theirs: pd.Series, metrics: list[str]) -> list[list]:
    """Our rows of the same task, arm, cohort and choice of slices."""
    task = theirs["task"].replace("-", "_")
    arm = "cnn" if theirs["model"] == "cnn" else "vlm general" if "general" in theirs["setting"] else "vlm fine-tuned"
    same = ours[(ours["task"] == task) & (ours["cohort"] == theirs["cohort"]) & (ours["unit"] == "patient")]
    same = same.loc[[style.arm(*pair) == arm for pair in zip(same["arm"], same["model"], strict=True)]]
    if arm == "cnn":
        same = same[same["slices"] == "volume"]
    else:
        # Table 2 asked about every slice of the range; all other VLM tables about tumour slices.
        orientation = next((name for name in ("coronal", "sagittal") if name in theirs["setting"]), "axial")
        subset = "all" if theirs["table"] == 2 else "tumour"
        same = same[(same["slices"] == subset) & (same["orientation"] == orientation)]
    rows = []
    for (model, _), group in same.groupby(["model", "run"]):
        by_metric = group.set_index("metric")
        cells = [
            estimate(name, *by_metric.loc[name, ["value", "low", "high"]]) if name in by_metric.index else UNDEFINED
            for name in metrics
        ]
        n = by_metric["n"].get(metrics[0], float("nan"))
        rows.append([f"ours: {style.readable(model)}", theirs["cohort"], _count(n), *cells])
    return rows
