"""What a metric is, each in one record: what it is called, how it is printed, and where it belongs.

Scoring, tables, figures and tests of differences read these records; a metric is added by a record here and by its
function in the module of its kind. A column of a result table may end in `_all`: the same metric with undecided
patients counted as wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

ALL = "_all"
"""Ending of a score over all patients, an undecided one being wrong."""

NEITHER_EMPTY = "two empty masks agree (1); with one empty mask it is 0"


@dataclass(frozen=True)
class Metric:
    """One metric.

    name: its column or value of the column `metric`.
    label: as a heading; `full`: spelt out, where the label is an abbreviation.
    outputs: what it scores, as `tasks.Task.output`: a "grade", a "region", a "point" or a "label" of a slice.
    units: one observation: a "patient", a "slice" or a "volume".
    unit: "", "px", or "distance" for the unit of the key scores.hd95_unit.
    better: "higher", "lower", or "" where neither is.
    published: whether the study reports it.
    empty: what it is where a mask or a group is empty.
    least, most: what it can be; a distance has no upper bound.
    """

    name: str
    label: str
    outputs: tuple[str, ...]
    units: tuple[str, ...] = ("patient",)
    unit: str = ""
    decimals: int = 3
    better: str = "higher"
    published: bool = False
    full: str = ""
    empty: str = ""
    least: float = 0
    most: float = 1

    @property
    def is_distance(self) -> bool:
        return self.unit != ""

    @property
    def bounds(self) -> tuple[float, float]:
        return self.least, inf if self.is_distance else self.most


_REGION: dict[str, Any] = {"outputs": ("region",), "units": ("volume", "slice")}
_SHARED: dict[str, Any] = {
    "outputs": ("grade", "region", "label"), "units": ("patient", "volume", "slice"), "published": True
}  # fmt: skip
_PLACED: dict[str, Any] = {"outputs": ("region", "point"), "units": ("slice",)}
_POINT: dict[str, Any] = {"outputs": ("point",), "units": ("patient",), "published": True}
_GRADE: dict[str, Any] = {"outputs": ("grade",)}
RECORDS = (
    # Of two masks; precision, recall and specificity are theirs, too.
    Metric("dice", "Dice", **_REGION, published=True, full="Dice similarity coefficient", empty=NEITHER_EMPTY),
    Metric("hd95", "HD95", **_REGION, unit="distance", decimals=1, better="lower", published=True,
           full="95th percentile of the Hausdorff distance",
           empty="two empty masks: 0; one: the key scores.hd95_empty, by default the diagonal of the frame"),
    # Of a confusion matrix, HGG positive; the first one is the primary one.
    Metric("balanced_accuracy", "Balanced accuracy", ("grade", "label"), empty="undefined without both grades"),
    Metric("recall", "Recall", **_SHARED, empty=f"grade: undefined without HGG patients; region: {NEITHER_EMPTY}"),
    Metric("specificity", "Specificity", **_SHARED, empty="undefined without negatives"),
    Metric("precision", "Precision", **_SHARED, empty=f"grade: undefined without positives; region: {NEITHER_EMPTY}"),
    Metric("f1", "F1", ("grade", "label"), published=True, full="harmonic mean of precision and recall"),
    Metric("mcc", "MCC", ("grade", "label"), full="Matthews correlation coefficient", least=-1,
           empty="undefined where a row or column of the matrix is empty"),
    Metric("accuracy", "Accuracy", ("grade", "label"), published=True),
    *(Metric(name, label, ("grade", "label"), decimals=0, better="") for name, label in
      (("tp", "True HGG"), ("fn", "False LGG"), ("tn", "True LGG"), ("fp", "False HGG"))),
    # Of a probability or a rank.
    Metric("auc", "AUC", ("grade", "label"), full="area under the receiver operating characteristic curve",
           empty="undefined without both grades"),
    Metric("auc_logprob", "AUC of p(HGG)", ("grade",), full="area under the ROC curve of the mean HGG probability"),
    Metric("auc_tally", "AUC of GLDR", ("grade",), full="area under the ROC curve of the share of HGG slices"),
    *(Metric(name, label, ("grade",), better="lower", full=f"area under the risk-coverage curve, the surest first{by}")
      for name, label, by in (
        ("aurc", "AURC", ""), ("aurc_logprob", "AURC of p(HGG)", ", by the mean HGG probability"),
        ("aurc_tally", "AURC of GLDR", ", by the share of HGG slices"))),
    Metric("brier", "Brier score", ("grade",), better="lower", full="mean squared error of the HGG probability"),
    Metric("ece", "ECE", ("grade",), better="lower", full="expected calibration error"),
    Metric("ece_if_calibrated", "ECE by chance", ("grade",), better="",
           full="what the expected calibration error would be if the probabilities were right"),
    Metric("gldr_hgg", "GLDR of HGG patients", ("grade",), full="glioma label distribution ratio"),
    Metric("gldr_lgg", "GLDR of LGG patients", ("grade",), better="lower", full="glioma label distribution ratio"),
    Metric("nsd", "NSD", **_REGION, full="normalised surface distance", empty=NEITHER_EMPTY),
    Metric("one_side_empty", "One mask empty", **_REGION, decimals=0, better="lower"),
    # Of a point.
    Metric("fraction_in_box", "Points in true box", **_POINT, empty="an unreadable answer lies in no box"),
    Metric("p95_distance_to_box", "Distance to box, P95", **_POINT, unit="px", decimals=1, better="lower",
           full="95th percentile of a patient's distances to the true box", empty="unreadable: the frame's diagonal"),
    Metric("p95_euclidean_distance", "Distance to centre, P95", **_POINT, unit="px", decimals=1, better="lower",
           full="95th percentile of a patient's distances to the true centre",
           empty="unreadable: the frame's diagonal"),
    # Of whole masks beside the tumour's size.
    Metric("oversegmented", "Drawn beyond", ("region",), ("volume",), better="lower", most=inf,
           full="volume drawn outside of the true mask, as a share of the true volume"),
    *(Metric(name, label, ("region",), ("volume",), decimals=1, better="", most=inf, full=full)
      for name, label, full in (
        ("components", "Components", "connected components of the mask"),
        ("true_components", "True components", "connected components of the true mask"))),
    Metric("dice_by_volume", "r of Dice and volume", ("region",), ("volume",), better="", least=-1,
           full="Spearman's correlation of Dice and true volume over patients"),
    # Of where answers lie and how large they are, slice by slice.
    Metric("centre_in_box", "Middle in true box", **_PLACED, full="share of answers with their middle in the true box"),
    Metric("centre_in_other_boxes", "Middle in others' boxes", **_PLACED, better="",
           full="the same in the true boxes of other patients: what an answer gets that does not look"),
    Metric("centre_correlation", "r of middles", **_PLACED, least=-1, empty="undefined where all answers are one",
           full="Pearson's correlation of predicted and true middle, mean of rows and columns"),
    Metric("size_correlation", "r of sizes", ("region",), ("slice",), least=-1,
           empty="undefined where all answers have one size",
           full="Spearman's correlation of predicted and true area"),
    *(Metric(name, label, **_PLACED, unit="px", decimals=1, better="", full=full) for name, label, full in (
        ("centre_spread", "Spread of middles", "root mean square distance of the answers' middles from their mean"),
        ("true_centre_spread", "Spread of true middles", "the same of the true boxes"),
        ("centre_jump", "Jump", "mean distance between the middles of a patient's adjacent requested slices"),
        ("true_centre_jump", "True jump", "the same of the true boxes"))),
    Metric("distinct_answers", "Distinct answers", **_PLACED, decimals=0, better="", most=inf),
    Metric("commonest_answer", "Commonest answer", **_PLACED, better="", full="share of the commonest answer"),
    Metric("choice_agreement", "Answer is likeliest choice", ("grade",), ("slice",), better="",
           full="share of readable answers that are the choice with the largest probability"),
    # Of several samples of one answer.
    Metric("agreement", "Agreement", ("grade", "region", "point", "label"), ("patient",), better="",
           full="mean agreement of the samples of a slice: equal choices, intersection over union, nearness"),
    Metric("agreement_correlation", "r of agreement", ("grade", "region", "point", "label"), ("patient",), least=-1,
           full="Spearman's correlation over patients of the agreement of samples and the score of the answer"),
    Metric("aurc_agreement", "AURC by agreement", ("grade", "region", "point", "label"), ("slice",), better="lower",
           full="area under the risk-coverage curve of slices, those first whose samples agree most"),
    # Of answers, whatever the task.
    Metric("parsed", "Parsed", ("grade", "region", "point", "label"), ("slice",), full="share of answers parsed"),
)  # fmt: skip
BY_NAME = {record.name: record for record in RECORDS}

HD95_CONVENTIONS = {
    "pooled": "both directions pooled, as MedPy",
    "max": "the larger of both directions, as MONAI and BraTS",
}
"""The values of the key scores.hd95, and what they mean."""


def names(output: str, published: bool = False) -> tuple[str, ...]:
    """The metrics of an output, in order; those that the study reports if `published`."""
    return tuple(record.name for record in RECORDS if output in record.outputs and record.published >= published)


def get(name: str) -> Metric | None:
    """The record of a column, with or without `_all`; None for what has none (counts of answers, say)."""
    return BY_NAME.get(name.removesuffix(ALL))


def decimals(name: str) -> int:
    """Decimals that a value is printed with; counts of answers have none."""
    record = get(name)
    return record.decimals if record else 0 if name.startswith("answers_") else 3


def heading(name: str, distance_unit: str = "") -> str:
    """A metric as a heading, with its unit; `_all` says that undecided patients count as wrong.

    `distance_unit` is the key scores.hd95_unit ("px", "mm"); without it the unit is left out.
    """
    record = get(name)
    if record is None:
        return name
    unit = {"distance": distance_unit}.get(record.unit, record.unit)
    return record.label + (f" ({unit})" if unit else "") + (", all patients" if name.endswith(ALL) else "")


def explained(shown: Iterable[str], convention: str = "") -> str:
    """The abbreviations among metrics, spelt out, each once; and HD95's convention where it is among them."""
    records = dict.fromkeys(record for record in map(get, shown) if record is not None and record.full)
    parts = [f"{record.label}: {record.full}" for record in records]
    if convention and any(record.name == "hd95" for record in records):
        parts.append(f"HD95 is {HD95_CONVENTIONS[convention]}")
    return "; ".join(parts) + ("." if parts else "")
