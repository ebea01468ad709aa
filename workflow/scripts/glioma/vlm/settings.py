"""What may be said of a vision-language model, of its adapters, and of how it answers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from glioma.base.section import Count, Number, Rate, Section, Share, Whole, number
from glioma.geometry.coordinates import DECIMALS
from glioma.geometry.shapes import Components

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
"""What PEFT saves of an adapter, and loads."""

ENTRY = ("attention", "chat", "precision", "processor", "quantisation")
"""Keys of a model's entry that determine how it is loaded and asked, besides its files."""

Orientation = Literal["axial", "coronal", "sagittal"]


def _rising(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError(f"{list(value)}: the fewest points come first; write [{value[1]}, {value[0]}]")
    return value


_Points = Annotated[int, Field(ge=3), BeforeValidator(number)]
PolygonPoints = Annotated[tuple[_Points, _Points], AfterValidator(_rising)]


class Coordinates(Section):
    """The coordinates that a model uses, see `geometry.coordinates`."""

    order: Literal["row_col", "x_y"] = "row_col"
    scale: Annotated[Literal["128", "1024", "pixels", "1000", "percent", "unit"], BeforeValidator(str)] = "128"
    form: Literal["pairs", "json", "tags", "loc", "points"] = "pairs"
    """How it writes points and boxes: the study's list of pairs, or a form that it was trained to write, see
    `tasks._forms`."""

    @model_validator(mode="after")
    def _writable(self) -> "Coordinates":
        if self.form == "loc" and self.scale in DECIMALS:
            raise ValueError(f"form loc has a token for each whole number, scale {self.scale} has fractions; use 1024")
        if self.form == "points" and self.order != "x_y":
            raise ValueError("form points names its numbers x and y; set order: x_y")
        return self


class Chat(Section):
    """How a model's conversations are written."""

    template: str | None = None
    """A file with a chat template in place of the model's own."""
    arguments: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """What the template is told, such as enable_thinking: false."""


class Spending(Section):
    """What a job may cost at an endpoint, in the currency of its prices."""

    limit: Rate
    """Of one job (a run's shard)."""
    input: Number
    """Price of a million tokens of questions."""
    output: Number
    """Price of a million tokens of answers."""


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError(f"{value!r} is no address; write such as http://127.0.0.1:8000/v1")
    if "@" in value:  # not repeated: it may hold a password
        raise ValueError("it holds a name or a password; export the key, and name its variable in endpoint.key")
    return value


class Endpoint(Section):
    """An OpenAI-compatible server, for backend: endpoint; the model's source is its name there."""

    url: Annotated[str, AfterValidator(_address)]
    """Such as http://127.0.0.1:8000/v1."""
    server: Literal["openai", "vllm", "sglang"] = "openai"
    """What runs there; constrained decoding needs vllm or sglang."""
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable that holds the key, never the key itself; null: the server wants none."""
    images_may_leave: bool = False
    """true: pictures of patients may be sent to a server that is not this machine."""
    concurrency: Count = 8
    """Requests under way at a time."""
    requests_per_minute: Rate | None = None
    """null: as many as concurrency allows."""
    timeout: Rate = 120
    """Seconds that an answer may take."""
    retries: Whole = 6
    """After a time-out, a broken connection, or a server that is busy (429) or fails (5xx); each waits longer."""
    logprobs: bool = False
    """Whether it names the probabilities of tokens."""
    spending: Spending | None = None
    """null: no limit."""


class Picture(Section):
    """What a model is shown of a slice, see `vlm.pictures`."""

    sequences: tuple[Literal["flair", "t1", "t1ce", "t2"], ...] = ("flair",)
    neighbours: tuple[int, ...] = (0,)
    """Of each sequence the slices so far from the one that is asked about: [-2, 0, 2]."""
    arrange: Literal["colours", "montage", "images"] = "colours"
    """Of several views: the colours of one picture (three of them), its tiles, or a picture each."""

    @model_validator(mode="after")
    def _arranged(self) -> "Picture":
        for key, values in (("sequences", self.sequences), ("neighbours", self.neighbours)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{key}: {list(values)}; name at least one, and each once")
        views = len(self.sequences) * len(self.neighbours)
        if self.arrange == "colours" and views not in (1, 3):
            raise ValueError(f"{views} views cannot be the colours of a picture; take 3, or arrange: images or montage")
        return self


class Conversations(Section):
    """Which slices an adapter is trained on, and what the true answers look like."""

    orientations: tuple[Orientation, ...] = ("axial",)
    """Slices of these; of the tasks that locate, axial ones only."""
    every: Count = 1
    """Every n-th slice of an orientation."""
    limit: Count | None = None
    """Slices of one patient at most."""
    no_glioma_slices: Annotated[float, Field(ge=0, lt=1), BeforeValidator(float)] = 0.0
    """Share of tumour-free slices among a patient's."""
    balance: bool = True
    """Repeat rows of the rarer grade in training."""
    image_first: bool | None = None
    """Order of image and text; null: as the model's entry says."""
    box: Literal["rectangle", "square"] = "rectangle"
    """Form of true boxes."""
    components: Components = "all"
    """Of a slice's tumour: boxes and centres span all of its components, or the largest alone. Polygons outline the
    largest."""
    polygon_points: PolygonPoints = (10, 15)
    """Fewest and most points of true polygons."""


class Training(Section):
    """How an adapter is trained."""

    backend: Literal["auto", "peft", "unsloth"] = "auto"
    """auto: Unsloth where it works (CUDA), else PEFT."""
    steps: Count | None = None
    """Optimiser steps; null: as many as `epochs` take."""
    epochs: Rate = 1
    batch_size: Count = 8
    """Conversations in one forward pass."""
    accumulation: Count = 1
    """Forward passes in one optimiser step."""
    learning_rate: Rate = 2e-4
    warmup: Whole = 5
    """Steps."""
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    optimiser: Literal["auto", "adamw_torch", "adamw_8bit"] = "auto"
    """auto: adamw_8bit with CUDA and bitsandbytes, else adamw_torch."""
    weight_decay: Number = 0.01
    rank: Count = 16
    alpha: Count = 16
    dropout: Annotated[float, Field(ge=0, lt=1), BeforeValidator(float)] = 0.0
    gradient_checkpointing: bool = False
    loss: Literal["answer", "conversation"] = "answer"
    """answer: the loss covers the answer alone; conversation: the prompt as well."""
    evaluate_every: Count | None = 25
    """Steps; null: no validation, which keeps the last step."""
    validation_rows: Count = 64
    """Conversations to validate on at most, evenly spread."""
    select_by: Literal["loss", "generation"] = "loss"
    """What makes a step the best: the validation loss, or a score of generated answers."""
    generation_rows: Count = 32
    """Conversations to answer at every evaluation at most, evenly spread."""
    patience: Count | None = None
    """Evaluations without a better one after which training ends; null: it never does."""
    keep: Literal["best", "last"] = "best"

    @model_validator(mode="before")
    @classmethod
    def _unvalidated(cls, values: dict) -> dict:
        if isinstance(values, dict) and "evaluate_every" in values and values["evaluate_every"] is None:
            return {"keep": "last", **values}
        return values

    @model_validator(mode="after")
    def _validated_where_it_chooses(self) -> "Training":
        if self.evaluate_every is None:
            for key, value in (("keep", "best"), ("select_by", "generation")):
                if getattr(self, key) == value:
                    raise ValueError(f"{key} is {value!r} without validation; give evaluate_every a number of steps")
            if self.patience is not None:
                raise ValueError("patience counts evaluations; give evaluate_every a number of steps, or null here")
        return self


class Generation(Section):
    """How a model answers."""

    batch_size: Count = 16
    max_new_tokens: Count = 256
    temperature: Number = 0.0
    """0 is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1), BeforeValidator(float)] = 1.0
    min_p: Share = 0.0
    constrained: bool = False
    """Allow no tokens but those of a legal answer of the task."""
    choices_only: bool = False
    """A grade is the most likely of its choices: one pass over image and prompt, and nothing is decoded. How often that
    is the answer given freely, the scores of any run that decodes say (choice_agreement)."""
    stop: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    """An answer ends with the first of these texts, which is part of it: `"]"` where a box is all that is read. Free
    answers may go on after it, and strict parsing refuses what does."""
    image_first: bool | None = None
    """Order of image and text; null: as the adapter was trained, or as the model's entry says."""


class Responses(Generation):
    """How a run's model answers, and about what: all that its job is told besides model, prompt and requests."""

    forced_start: str | None = None
    choices: tuple[str, ...] = ()
    """The task's: what is scored by log-probabilities besides the free answer. Values, not the task's name: parsing and
    scoring may change without a model being asked again."""
    side: Count
    """Of the square image that is shown, in pixels."""
    legal: str | None = None
    """The regular expression of the answers that may be given, where they are constrained."""
    frame: Literal["square", "native"] = "square"
    """native: coronal and sagittal slices as they are, not padded."""
    picture: Picture = Picture()


def folder_of(files: Sequence[str]) -> str | None:
    """The folder that files lie in; None where there are none."""
    return str(Path(files[0]).parent) if files else None


def located(base: Mapping, files: Sequence[str]) -> dict:
    """A model entry with the folder of its files, or the one folder that these are, as `path`.

    As it is where there are no files: an endpoint's.
    """
    if not files:
        return dict(base)
    return {**base, "path": files[0] if Path(files[0]).is_dir() else folder_of(files)}
