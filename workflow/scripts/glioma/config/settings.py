"""The complete configuration in narrow pieces: what a rule hands to its job, and so what an edit makes again."""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from glioma import tasks
from glioma.base.errors import UserError
from glioma.base.files import find
from glioma.base.section import ordered
from glioma.cnn.recipe import Recipe
from glioma.cohort import parts as cohort_parts
from glioma.config.entries import ELSEWHERE
from glioma.geometry.shapes import POLYGON_POINTS
from glioma.vlm.settings import Conversations, Picture

BOXES = next(name for name in tasks.located() if tasks.get(name).drawn == "box")
"""The task whose answers promptable segmenters are given."""


def prompt_file(name: str) -> str:
    """The file of a prompt, relative to the working directory as all the workflow's files, else the project's own."""
    return find(f"config/prompts/{name}.txt")


def only(entry: dict[str, Any], *keys: str) -> dict[str, Any]:
    """These keys of an entry, in order: editing any other re-runs nothing of a stage that reads only them."""
    return ordered({key: entry[key] for key in keys})


def alternatives(names: Iterable[str]) -> str:
    """A regular expression that matches exactly these names (or nothing, if there are none)."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def alike(names: Iterable[str]) -> str:
    """A regular expression of these names, and of such as differ from them in their digits alone.

    For thousands of patients: Snakemake writes it into every path with this wildcard and searches there at every job,
    so that a list of all names took a third of the time of a dry-run of 5,000 patients.
    """
    shapes = {re.sub(r"\d", r"\\d", re.escape(name)) for name in names}
    return "|".join(sorted(shapes)) or "(?!)"


def gpus(config: dict[str, Any]) -> int:
    """GPUs that a GPU job asks for: as configured, or with "auto" one where the machine has any."""
    wanted = config["gpus_per_job"]
    return int(shutil.which("nvidia-smi") is not None) if wanted == "auto" else wanted


def origin(model: dict[str, Any]) -> str:
    """Where a model entry comes from: "embedded", "local" (a folder), "hub" (an id as owner/name), or "endpoint"."""
    source = model["source"]
    if model["endpoint"]:
        return "endpoint"
    if source == "embedded":
        return source
    return "local" if source.startswith((".", "/", "~")) or Path(source).is_dir() else "hub"


def model_files(folder: str) -> list[str]:
    """The files of a local model's folder."""
    files = sorted(str(path) for path in Path(folder).expanduser().glob("*") if path.is_file())
    if not any(name.endswith("config.json") for name in files):
        raise UserError(f"configuration, key models: {folder} holds no config.json; name a save_pretrained folder")
    return files


def network_entry(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A network's recipe; one that sees slices knows from how many pixels on a slice shows a tumour."""
    entry = {key: value for key, value in config["networks"][name].items() if key in Recipe.model_fields}
    if entry["architecture"].startswith("slice:"):
        return {**entry, "tumour_pixels": config["slices"]["tumour_pixels"]}
    return entry


def crops_of(config: dict[str, Any], entry: dict[str, Any]) -> str:
    """The crop set of a network, adapter or run: its own, its adapter's, or the default one."""
    return _of_adapter(config, entry, "crops") or config["crops"]["mode"]


def sam_methods(config: dict[str, Any]) -> dict[str, str]:
    """The methods that promptable segmenters are, one for each source of boxes, and the entry of each."""
    return {f"{name}-{source}": name for name, entry in config["sam"].items() for source in entry["boxes"]}


def crops_of_sam(config: dict[str, Any], name: str) -> set[str]:
    """The crop sets of the boxes of a promptable segmenter; the default one where they are all the truth's."""
    entries = config["networks"] | config["runs"]
    sources = [entries[source] for source in config["sam"][name]["boxes"] if source in entries]
    return {crops_of(config, entry) for entry in sources} or {config["crops"]["mode"]}


def sam_queries(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Which slices a promptable segmenter is given, as `queries` says it of a run."""
    chosen = {"orientations": ["axial"], "selection": "all", "repeats": 0, "samples": 1}
    return ordered(chosen | {"every": config["sam"][name]["every"], "tumour_pixels": config["slices"]["tumour_pixels"]})


def crop_sets(config: dict[str, Any]) -> list[str]:
    """The crop sets that anything uses; the leak audit needs both for its baselines."""
    entries = [*config["networks"].values(), *config["adapters"].values(), *config["runs"].values()]
    used = {config["crops"]["mode"], *(crops_of(config, entry) for entry in entries)}
    return ["brain", "tumour"] if config["leak_audit"] else sorted(used)


def adapter_folds(config: dict[str, Any], adapter: str) -> list[int]:
    """The folds that validate an adapter, one model each; test patients are judged by the first."""
    return config["adapters"][adapter]["folds"]


def parts(config: dict[str, Any], run: str) -> list[str]:
    """The parts of the cohort that a run asks about, each with one model.

    They are "test"; for all patients "everyone", or with an adapter or examples each fold besides.
    """
    entry = config["runs"][run]
    if entry["patients"] == "test" or entry["repeats"]:
        return ["test"]
    if entry["adapter"] is None and not entry["examples"]:
        return [cohort_parts.EVERYONE]
    return ["test", *map(cohort_parts.name, range(config["folds"]["count"]))]


def adapter_fold(config: dict[str, Any], run: str, part: str) -> int:
    """Which of its adapter's models answers for a part of a run: one that has not seen these patients."""
    own = cohort_parts.fold_of(part)
    return adapter_folds(config, config["runs"][run]["adapter"])[0] if own is None else own


def coordinates(config: dict[str, Any], model: str) -> dict[str, Any]:
    """The coordinates that a model uses; where they are pixels, they are those of the picture that it is shown."""
    entry = config["models"][model]
    return ordered(entry["coordinates"] | {"shown": entry["side"]})


def limits(config: dict[str, Any], run: dict[str, Any]) -> tasks.Limits:
    """What an answer of a run may hold."""
    convention = coordinates(config, run["model"])
    return tasks.Limits(config["slices"]["side"], tuple(run["polygon_points"]), convention, tuple(run["choices"]))


def constrained_pairs(config: dict[str, Any]) -> list[list[str]]:
    """Pairs of runs that differ in nothing but that the first one's answers are constrained."""
    free: dict[str, str] = {}
    for name, run in config["runs"].items():
        if not run["generation"]["constrained"]:
            free.setdefault(_unconstrained(run), name)
    return [
        [name, free[_unconstrained(run)]]
        for name, run in config["runs"].items()
        if run["generation"]["constrained"] and _unconstrained(run) in free
    ]


def _unconstrained(run: dict[str, Any]) -> str:
    """What two runs have in common that differ in constraint alone."""
    generation = {key: value for key, value in run["generation"].items() if key not in ("constrained", "batch_size")}
    return json.dumps(run | {"generation": generation, "replicates": None, "shards": None}, sort_keys=True)


def wording(config: dict[str, Any], entry: dict[str, Any]) -> dict[str, str]:
    """What the fields of the prompt of an adapter or run stand for."""
    convention = coordinates(config, entry["model"])
    limits = tasks.Limits(config["slices"]["side"], convention=convention)
    return ordered(tasks.get(entry["task"]).wording(limits))


def image_first(config: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether the image stands before the text: as an adapter's conversations or a run say, else as the model's entry
    does."""
    own = entry.get("conversations") or entry["generation"]
    if own["image_first"] is not None:
        return own["image_first"]
    adapter = config["adapters"].get(entry.get("adapter") or "")
    return image_first(config, adapter) if adapter else config["models"][entry["model"]]["image_first"]


def _of_adapter(config: dict[str, Any], entry: dict[str, Any], key: str) -> Any:
    """A key of a run or adapter; a run that says nothing follows its adapter."""
    adapter = config["adapters"].get(entry.get("adapter") or "", {})
    return entry[key] if entry[key] is not None else adapter.get(key)


def picture(config: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """What the model of a run or adapter is shown of a slice."""
    return _of_adapter(config, entry, "picture") or Picture().model_dump(mode="json")


def system_file(config: dict[str, Any], entry: dict[str, Any]) -> str | None:
    """The file of the system prompt of a run or adapter."""
    name = _of_adapter(config, entry, "system")
    return name and prompt_file(name)


def conversations(config: dict[str, Any], adapter: str) -> dict[str, Any]:
    """What the conversations of an adapter depend on, besides its prompt."""
    entry = config["adapters"][adapter]
    shared = {
        "side": config["slices"]["side"],
        "tumour_pixels": config["slices"]["tumour_pixels"],
        "frame": config["slices"]["frame"],
        "coordinates": coordinates(config, entry["model"]),
        "image_first": image_first(config, entry),
        "picture": picture(config, entry),
    }
    return ordered(entry["conversations"] | shared)


def examples(config: dict[str, Any], run: str) -> dict[str, Any]:
    """How the examples of a run are shown and answered."""
    entry = config["runs"][run]
    shared = {"count": entry["examples"], "picture": picture(config, entry), "frame": _frame(config, entry)}
    return ordered(truth(config, run) | shared | {"orientations": entry["orientations"]})


def _frame(config: dict[str, Any], entry: dict[str, Any]) -> str:
    """How slices are framed for a task: coordinates are pixels of a square."""
    return config["slices"]["frame"] if tasks.get(entry["task"]).whole_slices else "square"


def truth(config: dict[str, Any], run: str) -> dict[str, Any]:
    """How the true answers of a run's slices are written: as its adapter was trained, or by default."""
    entry = config["runs"][run]
    adapter = config["adapters"].get(entry["adapter"] or "")
    own = adapter["conversations"] if adapter else Conversations().model_dump(mode="json")
    points = {} if adapter else {"polygon_points": entry["polygon_points"]}
    shared = {"side": config["slices"]["side"], "coordinates": coordinates(config, entry["model"])}
    return ordered(own | points | shared)


def queries(config: dict[str, Any], run: str) -> dict[str, Any]:
    """Which slices a run asks about."""
    chosen = only(config["runs"][run], "orientations", "selection", "every", "shards", "repeats", "samples")
    return ordered(chosen | {"tumour_pixels": config["slices"]["tumour_pixels"]})


def parsing(config: dict[str, Any], run: str) -> dict[str, Any]:
    """How a run's answers are read."""
    entry = config["runs"][run]
    return ordered(
        {
            "task": entry["task"],
            "side": config["slices"]["side"],
            "coordinates": coordinates(config, entry["model"]),
            "choices": entry["choices"],
            "polygon_points": entry["polygon_points"],
            "parsing": config["parsing"],
        }
    )


def adapter_parsing(config: dict[str, Any], adapter: str) -> dict[str, Any]:
    """How answers are read while an adapter is trained."""
    entry = config["adapters"][adapter]
    fewest, most = entry["conversations"]["polygon_points"]
    return ordered(
        {
            "task": entry["task"],
            "side": config["slices"]["side"],
            "coordinates": coordinates(config, entry["model"]),
            # At least what runs accept unless they say otherwise.
            "polygon_points": [min(fewest, POLYGON_POINTS[0]), max(most, POLYGON_POINTS[1])],
        }
    )


INTERVALS = ("confidence", "resamples")
MASKS = ("backend", "hd95", "hd95_empty", "hd95_unit", "nsd_tolerance")
ANSWERED = ("box_maximum", "components", "square_box", "truth", "unreadable")
"""Keys of `scores` that all intervals, that scores of masks, and that those of answers drawn as masks depend on."""


def scoring(config: dict[str, Any], *keys: str, votes: bool = False) -> dict[str, Any]:
    """What scores depend on besides what they score: these keys of `scores`, and `votes` where slices vote."""
    found = {
        "scores": only(config["scores"], *INTERVALS, *keys),
        "side": config["slices"]["side"],
        "tumour_pixels": config["slices"]["tumour_pixels"],
        "votes": config["votes"] if votes else {},
    }
    return ordered(found)


def scoring_of_run(config: dict[str, Any], run: str) -> dict[str, Any]:
    """What the scores of a run depend on."""
    output = tasks.get(config["runs"][run]["task"]).output
    keys = {"grade": ("calibration_bins",), "region": (*MASKS, *ANSWERED), "point": ("components", "unreadable")}
    return scoring(config, *keys.get(output, ()), votes=output == "grade")


def study(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration in one order without where jobs run and the study's file lies: a report made elsewhere is the
    same.
    """
    kept = {key: value for key, value in config.items() if key not in ELSEWHERE}
    return ordered(kept | {"study": Path(config["study"]).stem})


def generation(config: dict[str, Any], run: str) -> dict[str, Any]:
    """How a run's model answers."""
    entry = config["runs"][run]
    task = tasks.get(entry["task"])
    shared = {
        "side": config["models"][entry["model"]]["side"] or config["slices"]["side"],
        "frame": _frame(config, entry),
        "picture": picture(config, entry),
        "forced_start": task.forced_start,
        "choices": task.choices,
        "legal": task.legal(limits(config, entry)) if entry["generation"]["constrained"] else None,
    }
    return ordered(shared | entry["generation"] | {"image_first": image_first(config, entry)})
