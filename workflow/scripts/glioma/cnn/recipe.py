"""What the configuration says about one network, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from glioma.base.errors import UserError
from glioma.cohort.sequences import SEQUENCES

TASKS = ("classification", "segmentation")
# Kinds of network: one answer a patient, one a voxel, or one a slice (a classifier whose slices vote).
LOSSES = {
    "classification": ("bce",),
    "segmentation": ("dice", "bce", "dice_bce"),
    "slices": ("cross_entropy",),
}
# What "best epoch" may mean: the lowest validation loss, or the highest of the kind's own metric.
SELECTIONS = {"classification": ("loss", "auc"), "segmentation": ("loss", "dice"), "slices": ("loss", "auc")}
KEEPS = ("best", "last")
# Known in an entry, and the business of others: which crops it sees, and which published rows it repeats.
FOREIGN = ("crops", "replicates")
OF_SLICES = ("slices", "every", "tumour_pixels")
OF_PREDICTIONS = ("threshold",)
OF_TRAINING = (
    "augmentation",
    "oversample",
    "loss",
    "optimiser",
    "learning_rate",
    "weight_decay",
    "epochs",
    "patience",
    "select_by",
    "keep",
)


@dataclass(frozen=True)
class Augmentation:
    """Random changes to a training crop; the default is none.

    flip: probability of a left-right mirror. The brain is nearly symmetric, so a mirrored scan is a plausible patient.
    intensity: each sequence is multiplied by a factor from [1 - intensity, 1 + intensity].
    shift: largest move along each axis, in voxels of the network's input; what moves in is background.
    """

    flip: float = 0.0
    intensity: float = 0.0
    shift: int = 0


@dataclass(frozen=True)
class Recipe:
    """One network of the configuration.

    task: "classification" (one logit a patient, or three a slice) or "segmentation" (one logit a voxel).
    architecture: "paper:classifier", "paper:segmenter" or "monai:<class of monai.networks.nets>" see a whole crop;
        "slice:small" or "slice:monai:<class>" see one axial slice and say LGG, HGG or no glioma, as a VLM does.
    arguments: keyword arguments of the MONAI class; channels, dimensions and image size are filled in.
    multiple: a segmenter's input is padded to this multiple on each axis and its output cropped back.
        None: 4 for the paper's two poolings, 16 for MONAI (four halvings).
    channels: the sequences the network sees, in this order. Default: all; FLAIR alone, as a VLM, on slices.
    input: (slices, rows, columns) the crop is resampled to, or (rows, columns) of a slice; None: as cropped.
    normalisation: "scale" (grey value / 255) or "zscore" (per sequence over the non-zero voxels of the image).
    oversample: show the rarer grade (on slices: each rarer answer) as often as the commonest, in training only.
    learning_rates: more than one is a sweep; each is trained in full and the best validation epoch of all is kept.
    micro_batch: samples on the device at once; gradients of a batch are summed over its micro-batches, so that only
        networks with batch normalisation notice. None: the whole batch. What the published networks need on a GPU
        at full size, see `device`.
    keep: "best" keeps the epoch that is best on the validation patients, as published, so out-of-fold predictions are
        of patients that chose the model. "last" keeps the final epoch and leaves the fold no say: its out-of-fold
        predictions are free of that optimism. What chooses on validation (`patience`, a sweep) is refused with it.
    patience: epochs without improvement after which a learning rate is given up; None: never.
    select_by: what makes the best epoch, see `SELECTIONS`.
    threshold: probability above which a predicted voxel is tumour. Changes no weights: validation Dice is at 0.5.
    slices: which slices a slice network is trained on and asked about: "all", or those with "tumour", which takes the
        truth to choose and is for like with like against a VLM that was shown tumour slices.
    every: of these only every n-th of a patient.
    tumour_pixels: from how many tumour voxels on a slice shows a tumour.
    """

    task: str
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    multiple: int | None = None
    channels: tuple[str, ...] = tuple(SEQUENCES)
    input: tuple[int, ...] | None = None
    normalisation: str = "scale"
    augmentation: Augmentation = Augmentation()
    oversample: bool = True
    loss: str = ""
    optimiser: str = "adam"
    learning_rates: tuple[float, ...] = (1e-4,)
    weight_decay: float = 0.0
    epochs: int = 100
    batch_size: int = 16
    micro_batch: int | None = None
    patience: int | None = None
    keep: str = "best"
    select_by: str = "loss"
    threshold: float = 0.5
    slices: str = "all"
    every: int = 1
    tumour_pixels: int = 10

    @property
    def kind(self) -> str:
        """What the network answers about: "classification" (patients), "segmentation" (voxels) or "slices"."""
        return kind(self.task, self.architecture)

    @property
    def at_once(self) -> int:
        """Samples on the device at once."""
        return self.micro_batch or self.batch_size

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> "Recipe":
        """The recipe of a configuration entry; `UserError` names the key at fault and the choices.

        In the entry, the key `learning_rate` holds one number or, for a sweep, a list of them. Keys that a stage does
        not read may be missing, see `training_entry`.
        """
        known = {f.name for f in fields(cls)} - {"learning_rates"} | {"learning_rate"}
        _check_keys(entry, known | set(FOREIGN), "")
        for key in ("task", "architecture"):
            if key not in entry:
                raise UserError(f"network entry without `{key}`; add one")
        values = {key: value for key, value in entry.items() if value is not None and key not in FOREIGN}
        what = kind(_choice("task", values["task"], TASKS), values["architecture"])
        _check_slice_keys(values, what)
        augmentation = dict(values.pop("augmentation", {}))
        _check_keys(augmentation, {f.name for f in fields(Augmentation)}, "augmentation.")
        rates = values.pop("learning_rate", list(cls.learning_rates))
        rates = rates if isinstance(rates, list | tuple) else [rates]
        values |= {
            "augmentation": Augmentation(**augmentation),
            # YAML 1.1 reads 4e-7 (no dot) as text.
            "learning_rates": tuple(_positive("learning_rate", rate, float) for rate in rates),
            "loss": _choice("loss", values.get("loss", LOSSES[what][0]), LOSSES[what]),
            "select_by": _choice("select_by", values.get("select_by", cls.select_by), SELECTIONS[what]),
        }
        _choice("normalisation", values.get("normalisation", cls.normalisation), ("scale", "zscore"))
        _choice("optimiser", values.get("optimiser", cls.optimiser), ("adam", "adamw"))
        _choice("keep", values.get("keep", cls.keep), KEEPS)
        _choice("slices", values.get("slices", cls.slices), ("all", "tumour"))
        for key in ("epochs", "batch_size", "micro_batch", "patience", "multiple", "every", "tumour_pixels"):
            if key in values:
                values[key] = _positive(key, values[key], int)
        if "input" in values:
            values["input"] = tuple(_positive("input", size, int) for size in values["input"])
            axes = ("rows", "columns") if what == "slices" else ("slices", "rows", "columns")
            if len(values["input"]) != len(axes):
                raise UserError(f"input: {list(values['input'])} is not [{', '.join(axes)}]; give {len(axes)} sizes")
        channels = values.get("channels", SEQUENCES[:1] if what == "slices" else SEQUENCES)
        values["channels"] = tuple(_choice("channels", name, SEQUENCES) for name in channels)
        if not 0 < values.get("threshold", cls.threshold) < 1:
            raise UserError(f"threshold: {values['threshold']} is not between 0 and 1")
        if len(set(values["learning_rates"])) < len(values["learning_rates"]):
            raise UserError("learning_rate: a rate of the sweep is listed twice; remove one")
        if not values["learning_rates"] or not values["channels"]:
            raise UserError("learning_rate and channels need at least one value each")
        _check_keep(values)
        return cls(**values)

    def shape(self, crop_shape: tuple[int, int, int]) -> tuple[int, ...]:
        """(slices, rows, columns) the network sees when a crop has `crop_shape`; (rows, columns) on slices."""
        return self.input or tuple(crop_shape)[-2 if self.kind == "slices" else -3 :]


def kind(task: str, architecture: str) -> str:
    """What a network answers about, see `Recipe.kind`."""
    if not architecture.startswith("slice:"):
        return task
    if task != "classification":
        raise UserError(f"task: {task!r}, but {architecture} grades slices; use classification")
    return "slices"


def training_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What training reads of an entry, by key in order: editing the rest trains nothing again."""
    return _without(entry, OF_PREDICTIONS)


def prediction_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What prediction reads of an entry besides the weights, by key in order."""
    return _without(entry, OF_TRAINING)


def _without(entry: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: _sorted(entry[key]) for key in sorted(set(entry) - {*keys, *FOREIGN})}


def _sorted(value: Any) -> Any:
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, Mapping) else value


def _check_slice_keys(values: Mapping[str, Any], what: str) -> None:
    wrong = [key for key in OF_SLICES if key in values] if what != "slices" else []
    if wrong:
        raise UserError(f"{wrong[0]}: {values['architecture']} sees whole crops; remove it, or use slice:<network>")


def _check_keep(values: Mapping[str, Any]) -> None:
    """`keep: last` and a choice by validation exclude each other."""
    if values.get("keep") != "last":
        return
    if "patience" in values:
        raise UserError(
            "keep: last does not go with patience, which chooses on validation; remove patience or keep best"
        )
    if len(values["learning_rates"]) > 1:
        raise UserError(
            "keep: last does not go with several values of learning_rate, between which validation chooses; "
            "give one or keep best"
        )


def _check_keys(entry: Mapping[str, Any], known: set[str], prefix: str) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise UserError(f"unknown key `{prefix}{unknown[0]}` of a network; the keys are {', '.join(sorted(known))}")


def _choice(key: str, value: Any, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise UserError(f"{key}: {value!r} is not one of {', '.join(choices)}")
    return value


def _positive(key: str, value: Any, kind: type) -> Any:
    try:
        number = kind(value)
    except (TypeError, ValueError):
        number = 0
    if not number > 0:
        raise UserError(f"{key}: {value!r} is not a positive {'whole ' if kind is int else ''}number")
    return number
