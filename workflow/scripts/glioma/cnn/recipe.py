"""What the configuration says about one network, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from glioma.crops import SEQUENCES
from glioma.errors import UserError

TASKS = ("classification", "segmentation")
LOSSES = {"classification": ("bce",), "segmentation": ("dice", "bce", "dice_bce")}
# What "best epoch" may mean: the lowest validation loss, or the highest of the task's own metric.
SELECTIONS = {"classification": ("loss", "auc"), "segmentation": ("loss", "dice")}


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

    task: "classification" (one logit a patient) or "segmentation" (one logit a voxel).
    architecture: "paper:classifier", "paper:segmenter" or "monai:<class of monai.networks.nets>".
    arguments: keyword arguments of the MONAI class; channels, dimensions and image size are filled in.
    multiple: a segmenter's input is padded to this multiple on each axis and its output cropped back.
        None: 4 for the paper's two poolings, 16 for MONAI (four halvings).
    channels: the sequences the network sees, in this order.
    input: (slices, rows, columns) the crop is resampled to; None: as cropped.
    normalisation: "scale" (grey value / 255) or "zscore" (per sequence over its non-zero voxels).
    oversample: show the rarer grade as often as the commoner one, in training only.
    learning_rates: more than one is a sweep; each is trained in full and the best validation epoch of all is kept.
    micro_batch: samples on the device at once; gradients of a batch are summed over its micro-batches.
    patience: epochs without improvement after which a learning rate is given up; None: never.
    select_by: what makes the best epoch, see `SELECTIONS`.
    threshold: probability above which a predicted voxel is tumour. Changes no weights: validation Dice is at 0.5.
    checkpoint_seconds: least time between two saved states; 0 saves after every epoch.
    """

    task: str
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    multiple: int | None = None
    channels: tuple[str, ...] = tuple(SEQUENCES)
    input: tuple[int, int, int] | None = None
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
    select_by: str = "loss"
    threshold: float = 0.5
    checkpoint_seconds: float = 60.0

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> "Recipe":
        """The recipe of a configuration entry; `UserError` names the key at fault and the choices.

        In the entry, the key `learning_rate` holds one number or, for a sweep, a list of them.
        """
        known = {f.name for f in fields(cls)} - {"learning_rates"} | {"learning_rate"}
        _check_keys(entry, known, "")
        for key in ("task", "architecture"):
            if key not in entry:
                raise UserError(f"network entry without `{key}`; add one")
        values = {key: value for key, value in entry.items() if value is not None}
        task = _choice("task", values["task"], TASKS)
        augmentation = dict(values.pop("augmentation", {}))
        _check_keys(augmentation, {f.name for f in fields(Augmentation)}, "augmentation.")
        rates = values.pop("learning_rate", list(cls.learning_rates))
        rates = rates if isinstance(rates, list | tuple) else [rates]
        values |= {
            "augmentation": Augmentation(**augmentation),
            # YAML 1.1 reads 4e-7 (no dot) as text.
            "learning_rates": tuple(_positive("learning_rate", rate, float) for rate in rates),
            "loss": _choice("loss", values.get("loss", LOSSES[task][0]), LOSSES[task]),
            "select_by": _choice("select_by", values.get("select_by", cls.select_by), SELECTIONS[task]),
        }
        _choice("normalisation", values.get("normalisation", cls.normalisation), ("scale", "zscore"))
        _choice("optimiser", values.get("optimiser", cls.optimiser), ("adam", "adamw"))
        for key in ("epochs", "batch_size", "micro_batch", "patience", "multiple"):
            if key in values:
                values[key] = _positive(key, values[key], int)
        if "input" in values:
            values["input"] = tuple(_positive("input", size, int) for size in values["input"])
            if len(values["input"]) != 3:
                raise UserError(f"input: {list(values['input'])} has not three sizes; give [slices, rows, columns]")
        if "channels" in values:
            values["channels"] = tuple(_choice("channels", name, SEQUENCES) for name in values["channels"])
        if not 0 < values.get("threshold", cls.threshold) < 1:
            raise UserError(f"threshold: {values['threshold']} is not between 0 and 1")
        if not values["learning_rates"] or not values.get("channels", SEQUENCES):
            raise UserError("learning_rate and channels need at least one value each")
        return cls(**values)

    def shape(self, crop_shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(slices, rows, columns) the network sees when a crop has `crop_shape`."""
        return self.input or tuple(crop_shape)


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
