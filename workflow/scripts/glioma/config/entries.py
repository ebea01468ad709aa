"""A study and its entries, typed: what stands in config/config.yaml, config/studies/ and config/models/."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator, model_validator

from glioma import tasks
from glioma.base.section import Count, Section, Share, Whole, number
from glioma.cnn.recipe import Recipe
from glioma.cohort.settings import Cohort, CropMode, Crops, Folds, Slices
from glioma.demo.tiny_vlm.settings import Recipe as TinyRecipe
from glioma.radiomics.settings import Radiomics
from glioma.sam.settings import Sam
from glioma.scoring.settings import Scores, Votes
from glioma.vlm import backends
from glioma.vlm.settings import (
    Chat,
    Conversations,
    Coordinates,
    Endpoint,
    Generation,
    Orientation,
    Picture,
    PolygonPoints,
    Training,
)

GRADES = ("LGG", "HGG", "no glioma")
TAKEN = ("cnn", "baselines", "radiomics", "sam")
"""Names that results/<study>/scores/ needs for itself."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
PromptName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_/-]*$")]
Replicates = tuple[Annotated[str, StringConstraints(pattern=r"^([0-9]+|text)/[a-z0-9-]+$")], ...]


def _query(name: str) -> str:
    if name not in tasks.queries():
        raise ValueError(f"{name!r} is no task of a VLM; use one of {', '.join(tasks.queries())}")
    return name


QueryName = Annotated[str, AfterValidator(_query)]


def _backend(name: str) -> str:
    if name not in backends.names():
        raise ValueError(f"{name!r} is no backend; use one of {', '.join(backends.names())}")
    return name


BackendName = Annotated[str, AfterValidator(_backend), Field(json_schema_extra={"enum": list(backends.names())})]


class Network(Recipe):
    """A CNN."""

    crops: CropMode | None = None
    """brain or tumour; null: crops.mode."""
    replicates: Replicates = ()
    """Published rows that it stands beside: table/setting of resources/published_tables.csv, or text/setting of
    published_text.csv."""


class Model(Section):
    """A vision-language model."""

    source: Annotated[str, StringConstraints(min_length=1)]
    """embedded (the tiny Mllama that the project holds), a local save_pretrained folder, or a hub id (owner/name)."""
    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    """The commit of a hub id, its 40 hexadecimal digits."""
    coordinates: Coordinates = Coordinates()
    side: Count | None = None
    """Of the picture that it is shown, in pixels; null: slices.side."""
    image_first: bool = False
    """Order of image and text, where neither adapter nor run says otherwise."""
    chat: Chat = Chat()
    processor: dict[str, Any] = Field(default_factory=dict)
    """What its image processor is told besides its own settings, such as do_image_splitting: false."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the weights; auto: bfloat16 on a GPU that has it, float16 on another, float32 on a CPU."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    """Which implementation computes it; auto: the one that transformers chooses."""
    quantisation: Literal["none", "4bit"] = "none"
    """4bit needs CUDA."""
    endpoint: Endpoint | None = None
    """The server of backend: endpoint."""
    backend: BackendName = backends.DEFAULT
    """What runs it when it answers: transformers; unsloth, which needs CUDA, or vllm, each in its own environment; or
    endpoint, a server. What trains an adapter is training.backend."""
    recipe: TinyRecipe | None = None
    """Of the embedded model: trains another one, by what it says otherwise; null: the one that the project holds."""

    @model_validator(mode="after")
    def _served(self) -> "Model":
        if (self.backend == "endpoint") != (self.endpoint is not None):
            raise ValueError("backend: endpoint and the key endpoint, with its url, go together; give both or none")
        return self

    @model_validator(mode="after")
    def _trained_here(self) -> "Model":
        if self.recipe and self.source != "embedded":
            raise ValueError(
                f"recipe trains the embedded model, not {self.source}; leave it out, or say source: embedded"
            )
        return self

    @model_validator(mode="after")
    def _by_vllm(self) -> "Model":
        for key, plain in (("quantisation", "none"), ("attention", "auto")):
            if self.backend == "vllm" and (said := getattr(self, key)) != plain:
                raise ValueError(f"backend: vllm knows no {key}: {said}; set {key}: {plain}, or backend: transformers")
        return self


class Publication(Section):
    """Where an adapter goes on the Hugging Face hub, once `publish_adapters` is asked for."""

    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
    """owner/name."""
    private: bool = True
    """Of a repository that is made; one that is there stays as it is."""
    licence: str = "other"
    """The hub's name of the licence that the base model's allows, such as llama3.2."""


class Adapter(Section):
    """A LoRA adapter."""

    task: QueryName
    model: Name
    prompt: PromptName
    """What it is trained with: a file under config/prompts/."""
    crops: CropMode | None = None
    """brain or tumour; null: crops.mode."""
    picture: Picture = Picture()
    """What it is shown of a slice."""
    system: PromptName | None = None
    """A system prompt: a file under config/prompts/."""
    folds: tuple[Whole, ...] = (0,)
    """Which folds validate, one adapter each; test patients are judged by the first."""
    conversations: Conversations = Conversations()
    training: Training = Training()
    publish: Publication | None = None
    """null: it stays on this machine."""

    @field_validator("folds")
    @classmethod
    def _some(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or len(set(value)) < len(value):
            raise ValueError(f"{list(value)}: name at least one fold, and each once")
        return value


class Run(Section):
    """What a model is asked about whom."""

    task: QueryName
    model: Name
    prompt: PromptName
    """A file under config/prompts/."""
    adapter: Name | None = None
    """null: the model off the shelf."""
    crops: CropMode | None = None
    """brain or tumour; null: those of its adapter, or crops.mode."""
    picture: Picture | None = None
    """What it is shown of a slice; null: as its adapter, or one FLAIR slice."""
    system: PromptName | None = None
    """A system prompt: a file under config/prompts/; null: that of its adapter, or none."""
    examples: Count | None = None
    """Answered slices before every question (few-shot), of patients that its part does not ask about."""
    patients: Literal["test", "all"] = "test"
    """all: the development patients too, each by an adapter that has not seen them."""
    choices: tuple[Literal["LGG", "HGG", "no glioma"], ...] = GRADES  # type: ignore[assignment]
    """What 0, 1 and 2 mean in its prompt."""
    polygon_points: PolygonPoints = (10, 15)
    """Fewest and most points of a polygon that is parsed; its prompt must ask for no others."""
    orientations: tuple[Orientation, ...] = ("axial",)
    selection: Literal["all", "range", "tumour"] = "all"
    """all slices, the range from first to last tumour slice, or tumour slices (the last two use the truth)."""
    every: Count = 1
    """Every n-th of these."""
    shards: Count = 1
    """Jobs that it is split into."""
    repeats: Count | None = None
    """A number makes it the consistency test: one HGG and one LGG slice, so often."""
    samples: Count = 1
    """Answers to each slice, drawn at a temperature above 0, of which one is made: the most frequent grade, or the box,
    polygon or point that agrees most with the others. How far they agree is scored, too."""
    generation: Generation = Generation()
    replicates: Replicates = ()
    """Published rows that it stands beside: table/setting of resources/published_tables.csv, or text/setting of
    published_text.csv."""

    @model_validator(mode="after")
    def _drawn(self) -> "Run":
        if self.samples > 1 and not self.generation.temperature:
            raise ValueError(f"samples: {self.samples} greedy answers are one; set generation.temperature above 0")
        if self.samples > 1 and self.repeats:
            raise ValueError("samples and repeats ask one slice several times each; leave one of them out")
        return self

    @model_validator(mode="after")
    def _lists(self) -> "Run":
        if sorted(self.choices) != sorted(GRADES):
            raise ValueError(f"choices: {list(self.choices)} is no order of {', '.join(GRADES)}; name each once")
        if not self.orientations or len(set(self.orientations)) < len(self.orientations):
            raise ValueError("orientations: name at least one, and each once")
        return self


def _pair(value: Any) -> Any:
    if isinstance(value, list | tuple) and (len(value) != 2 or value[0] == value[1]):
        raise ValueError(f"{list(value)} is no pair of two names")
    return value


Pairs = tuple[Annotated[tuple[str, ...], BeforeValidator(_pair)], ...]


class Margins(Section):
    """Differences in the primary score that count as none: what "as good as" means."""

    grade: Share = 0.1
    """In balanced accuracy."""
    region: Share = 0.05
    """In Dice."""


class Report(Section):
    """What the page of a study shows."""

    patients: Count = 8
    """How many patients' pictures are embedded, some 600 kB each at full size."""
    others: bool = False
    """true: the pictures of all other patients too, a file each in report/patients/, which the page loads when one of
    them is chosen; the folder then goes with the page."""
    margins: Margins = Margins()


class Study(Section):
    """One complete study."""

    title: str = ""
    """What it is, in a line."""
    seed: Whole = 2020
    """Every random choice derives from it and from the item's own name."""
    cohort: Cohort
    crops: Crops = Crops()
    folds: Folds = Folds()
    slices: Slices = Slices()
    networks: dict[Name, Network] = Field(default_factory=dict)
    radiomics: dict[Name, Radiomics] = Field(default_factory=dict)
    sam: dict[Name, Sam] = Field(default_factory=dict)
    models: dict[Name, Model] = Field(default_factory=dict)
    """In place of, or over, files under config/models/."""
    adapters: dict[Name, Adapter] = Field(default_factory=dict)
    runs: dict[Name, Run] = Field(default_factory=dict)
    parsing: Literal["strict", "lenient"] = "strict"
    """strict: only the format that the prompt demands. lenient: the answer that the text states last."""
    votes: Votes = Votes()
    scores: Scores = Scores()
    report: Report = Report()
    comparisons: Pairs = ()
    """The declared family of tests: pairs of networks, radiomics, segmenters of boxes, runs and baselines."""
    leak_audit: Pairs = ()
    """Pairs of a network or run with brain crops and the same with tumour crops."""


ELSEWHERE = ("gpus_per_job", "store", "store_days")
"""Keys of a site that say where jobs run and not what they make."""


class Site(Section):
    """config/config.yaml: which study, on which cohort, on which machine."""

    study: str = "demo"
    """A name under config/studies/, or the path of a file."""
    cohort: dict[str, Any] = Field(default_factory=dict)
    """The keys of a cohort; with any, it takes the place of the study's own."""
    gpus_per_job: Annotated[int, Field(ge=0), BeforeValidator(number)] | Literal["auto"] = "auto"
    """GPUs that training and inference ask for: 0, 1, or auto (one where the machine has any). More than one is for the
    jobs of VLMs: a model that does not fit one is spread over them."""
    store: str | None = "results/store"
    """The folder of the answer store, which all studies share; null: answers are asked anew whenever a job runs."""
    store_days: Count = 90
    """`prune_store` deletes what was not used for so many days."""
