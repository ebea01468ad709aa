"""What the configuration says about one network, checked before anything is loaded."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from glioma.base.section import Count, Number, Rate, Section, Share, Whole, ordered
from glioma.cohort.sequences import SEQUENCES

# The kind of a network: one answer a patient, one a voxel, or one a slice (a classifier whose slices vote).
LOSSES = {
    "classification": ("bce",),
    "segmentation": ("dice", "bce", "dice_bce"),
    "slices": ("cross_entropy",),
}
# What "best epoch" may mean: the lowest validation loss, or the highest of the kind's own metric.
SELECTIONS = {"classification": ("loss", "auc"), "segmentation": ("loss", "dice"), "slices": ("loss", "auc")}
OF_SLICES = ("slices", "every", "tumour_pixels")
OF_PREDICTIONS = ("threshold", "within_brain")
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


class Augmentation(Section):
    """Random changes to a training crop; the default is none."""

    flip: Share = 0.0
    """Probability of a left-right mirror. The brain is nearly symmetric: a mirrored scan is a plausible patient."""
    intensity: Share = 0.0
    """Each sequence is multiplied by a factor from [1 - intensity, 1 + intensity]."""
    shift: Whole = 0
    """Largest move along each axis, in voxels of the network's input; what moves in is background."""


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class Recipe(Section):
    """One network of a study."""

    task: Literal["classification", "segmentation"]
    """One logit a patient (three a slice), or one logit a voxel."""
    architecture: Annotated[
        str, StringConstraints(pattern=r"^(paper:(classifier|segmenter)|(slice:)?monai:[A-Za-z0-9_]+|slice:small)$")
    ]
    """paper:classifier, paper:segmenter or monai:<class of monai.networks.nets> see a whole crop; slice:small or
    slice:monai:<class> see one axial slice and say LGG, HGG or no glioma, as a VLM does."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the MONAI class; channels, dimensions and image size are filled in."""
    multiple: Count | None = None
    """A segmenter's input is padded to this multiple on each axis and its output cropped back; null: 4 for the paper's
    two poolings, 16 for MONAI (four halvings)."""
    channels: tuple[Literal["flair", "t1", "t1ce", "t2"], ...] = SEQUENCES  # type: ignore[assignment]
    """The sequences that the network sees, in this order; default: all, and FLAIR alone, as a VLM, on slices."""
    input: tuple[Count, ...] | None = None
    """(slices, rows, columns) that the crop is resampled to, or (rows, columns) of a slice; null: as cropped."""
    normalisation: Literal["scale", "zscore"] = "scale"
    """scale: grey value / 255; zscore: per sequence over the non-zero voxels of the image."""
    augmentation: Augmentation = Augmentation()
    oversample: bool = True
    """Show the rarer grade (on slices: each rarer answer) as often as the commonest, in training only."""
    loss: str = ""
    """bce; of segmentation dice, bce or dice_bce; of slices cross_entropy. The first of these is the default."""
    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: Annotated[
        tuple[Rate, ...], BeforeValidator(_listed, json_schema_input_type=Rate | tuple[Rate, ...])
    ] = (1e-4,)
    """More than one is a sweep: each is trained in full, and the best validation epoch of all is kept."""
    weight_decay: Number = 0.0
    epochs: Count = 100
    batch_size: Count = 16
    micro_batch: Count | None = None
    """Samples on the device at once; gradients of a batch are summed over its micro-batches, so that only networks with
    batch normalisation notice. null: the whole batch."""
    patience: Count | None = None
    """Epochs without improvement after which a learning rate is given up; null: never."""
    keep: Literal["best", "last"] = "best"
    """best: the epoch that is best on the validation patients, as published, so out-of-fold predictions are of patients
    that chose the model. last: the final epoch; nothing is chosen on the fold (`patience` and a sweep are refused)."""
    select_by: str = "loss"
    """What makes the best epoch: loss, or auc (of masks: dice)."""
    threshold: Annotated[float, Field(gt=0, lt=1), BeforeValidator(float)] = 0.5
    """Probability above which a predicted voxel is tumour. Changes no weights: validation Dice is at 0.5."""
    within_brain: bool = False
    """Whether voxels outside the brain (every sequence of the crop is 0) are taken out of a predicted mask."""
    slices: Literal["all", "tumour"] = "all"
    """Which slices a slice network is trained on and asked about; tumour takes the truth to choose."""
    every: Count = 1
    """Of these only every n-th of a patient."""
    tumour_pixels: Count = 10
    """From how many tumour voxels on a slice shows a tumour."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """The defaults that depend on the kind of network."""
        if not isinstance(values, Mapping) or not {"task", "architecture"} <= set(values):
            return values
        found = kind(values["task"], str(values["architecture"]))
        if found not in LOSSES:
            return values
        own = {"loss": LOSSES[found][0], "channels": SEQUENCES[:1] if found == "slices" else SEQUENCES}
        return {**values, **{key: value for key, value in own.items() if not values.get(key)}}

    @model_validator(mode="after")
    def _agree(self) -> "Recipe":
        if self.architecture.startswith("slice:") and self.task != "classification":
            raise ValueError(f"task: {self.task!r}, but {self.architecture} grades slices; use classification")
        for key, choices in (("loss", LOSSES[self.kind]), ("select_by", SELECTIONS[self.kind])):
            if getattr(self, key) not in choices:
                raise ValueError(f"{key}: {getattr(self, key)!r} is not one of {', '.join(choices)}")
        fields = type(self).model_fields
        wrong = [key for key in OF_SLICES if self.kind != "slices" and getattr(self, key) != fields[key].default]
        if wrong:
            raise ValueError(f"{wrong[0]}: {self.architecture} sees whole crops; remove it, or use slice:<network>")
        if self.within_brain and self.kind != "segmentation":
            raise ValueError(f"within_brain: {self.architecture} predicts no mask; remove it")
        axes = ("rows", "columns") if self.kind == "slices" else ("slices", "rows", "columns")
        if self.input is not None and len(self.input) != len(axes):
            raise ValueError(f"input: {list(self.input)} is not [{', '.join(axes)}]; give {len(axes)} sizes")
        if len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError("learning_rate: a rate of the sweep is listed twice; remove one")
        if not self.learning_rates:
            raise ValueError("learning_rate: empty; give a rate")
        if self.arguments.get("pretrained"):
            raise ValueError("arguments.pretrained: weights would come from the network within a job; remove it")
        self._check_keep()
        return self

    def _check_keep(self) -> None:
        """`keep: last` and a choice by validation exclude each other."""
        if self.keep != "last":
            return
        if self.patience is not None:
            raise ValueError(
                "keep: last does not go with patience, which chooses on validation; remove patience or keep best"
            )
        if len(self.learning_rates) > 1:
            raise ValueError(
                "keep: last does not go with several values of learning_rate, between which validation chooses; "
                "give one or keep best"
            )

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """The rates of a sweep, or the one rate."""
        return self.learning_rate

    @property
    def kind(self) -> str:
        """What the network answers about: "classification" (patients), "segmentation" (voxels) or "slices"."""
        return kind(self.task, self.architecture)

    @property
    def at_once(self) -> int:
        """Samples on the device at once."""
        return self.micro_batch or self.batch_size

    def shape(self, crop_shape: tuple[int, int, int]) -> tuple[int, ...]:
        """(slices, rows, columns) the network sees when a crop has `crop_shape`; (rows, columns) on slices."""
        return self.input or tuple(crop_shape)[-2 if self.kind == "slices" else -3 :]


def kind(task: str, architecture: str) -> str:
    """What a network answers about, see `Recipe.kind`."""
    return "slices" if architecture.startswith("slice:") else task


def training_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What training reads of a complete entry, by key in order: editing the rest trains nothing again."""
    return _without(entry, OF_PREDICTIONS)


def prediction_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What prediction reads of a complete entry besides the weights, by key in order."""
    return _without(entry, OF_TRAINING)


def _without(entry: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    known = set(Recipe.model_fields) - set(keys)
    return ordered({key: value for key, value in entry.items() if key in known})
