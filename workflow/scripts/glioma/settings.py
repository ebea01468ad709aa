"""The configuration: checked against its schema and against itself before any job starts."""

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from glioma.errors import UserError

SCHEMA = "workflow/schemas/config.schema.yaml"
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def check(config: dict[str, Any], base: str | Path) -> None:
    """Raise `UserError` naming the key, what is wrong with its value and what may stand there.

    The schema knows shapes and ranges, and refuses unknown keys; what one key says about another is checked here.
    """
    schema = yaml.safe_load((Path(base) / SCHEMA).read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    _read_numbers(config, validator)
    fault = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if fault is not None:
        raise UserError(f"configuration, key {_dotted(fault.absolute_path)}: {fault.message}; see config/README.md")
    for name, adapter in config["adapters"].items():
        _known(f"adapters.{name}.model", adapter["model"], config["models"])
        _prompt(f"adapters.{name}.prompt", adapter["prompt"])
    for name, run in config["runs"].items():
        _known(f"runs.{name}.model", run["model"], config["models"])
        _prompt(f"runs.{name}.prompt", run["prompt"])
        if run["adapter"] is None:
            continue
        _known(f"runs.{name}.adapter", run["adapter"], config["adapters"])
        adapter = config["adapters"][run["adapter"]]
        for key in ("model", "task"):
            if adapter[key] != run[key]:
                raise UserError(
                    f"configuration, key runs.{name}.{key}: {run[key]!r}, but its adapter {run['adapter']!r} "
                    f"was made for {adapter[key]!r}; use the same {key} for both"
                )


def prompt_file(name: str) -> str:
    """The file of a prompt, relative to the working directory as all the workflow's files."""
    return f"config/prompts/{name}.txt"


def ordered(value: Any) -> Any:
    """The same value with every mapping sorted by key: Snakemake compares params by their text."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [ordered(item) for item in value]
    return value


def only(entry: dict[str, Any], *keys: str) -> dict[str, Any]:
    """These keys of an entry, in order: editing any other re-runs nothing of a stage that reads only them."""
    return ordered({key: entry[key] for key in keys})


def alternatives(names: Iterable[str]) -> str:
    """A regular expression that matches exactly these names (or nothing, if there are none)."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def gpus(config: dict[str, Any]) -> int:
    """GPUs that a GPU job asks for: as configured, or with "auto" one where the machine has any."""
    wanted = config["gpus_per_job"]
    return int(shutil.which("nvidia-smi") is not None) if wanted == "auto" else wanted


def kind(model: dict[str, Any]) -> str:
    """Where a model entry comes from: "embedded", "local" (a folder) or "hub" (an id as owner/name)."""
    source = model["source"]
    if source == "embedded":
        return source
    return "local" if source.startswith((".", "/", "~")) or Path(source).is_dir() else "hub"


def model_files(folder: str) -> list[str]:
    """The files of a local model's folder."""
    files = sorted(str(path) for path in Path(folder).expanduser().glob("*") if path.is_file())
    if not any(name.endswith("config.json") for name in files):
        raise UserError(f"configuration, key models: {folder} holds no config.json; name a save_pretrained folder")
    return files


def conversations(config: dict[str, Any], adapter: str) -> dict[str, Any]:
    """What the conversations of an adapter depend on, besides its prompt."""
    entry = config["adapters"][adapter]
    shared = {
        "side": config["slices"]["side"],
        "minimum_pixels": config["slices"]["tumour_pixels"],
        "coordinates": config["models"][entry["model"]]["coordinates"],
    }
    return ordered(shared | entry["conversations"])


def asked(config: dict[str, Any], run: str) -> dict[str, Any]:
    """Which slices a run asks about."""
    chosen = only(config["runs"][run], "orientations", "selection", "every", "shards", "repeats")
    return ordered(chosen | {"minimum_pixels": config["slices"]["tumour_pixels"]})


def reading(config: dict[str, Any], run: str) -> dict[str, Any]:
    """How a run's answers are read."""
    entry = config["runs"][run]
    convention = config["models"][entry["model"]]["coordinates"]
    return ordered(
        {"task": entry["task"], "side": config["slices"]["side"], "coordinates": convention} | config["answers"]
    )


def generation(config: dict[str, Any], run: str) -> dict[str, Any]:
    """How a run's model answers."""
    entry = config["runs"][run]
    shared = {"side": config["slices"]["side"], "choices": entry["task"] == "classification"}
    return ordered(shared | entry["generation"])


def _read_numbers(config: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    """Where the schema refuses a text that spells a number, a truth value or null, put that in its place.

    Values inside `--config 'key={...}'` arrive as text, and YAML 1.1 takes 1e-4 for text, having no decimal point.
    """
    for fault in list(_leaves(validator.iter_errors(config))):
        text = fault.instance
        if not isinstance(text, str) or not fault.absolute_path:
            continue
        value = float(text) if EXPONENT.fullmatch(text) else yaml.safe_load(text)
        if value is None or isinstance(value, bool | int | float):
            *parents, key = fault.absolute_path
            place = config
            for parent in parents:
                place = place[parent]
            place[key] = value


def _leaves(faults: Iterable[jsonschema.ValidationError]) -> Iterator[jsonschema.ValidationError]:
    """The faults themselves and, of one that has several alternatives, those of each alternative."""
    for fault in faults:
        yield fault
        yield from _leaves(fault.context)


def _known(key: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise UserError(f"configuration, key {key}: no entry {name!r}; there are {', '.join(names) or 'none'}")


def _prompt(key: str, name: str) -> None:
    path = prompt_file(name)
    if not Path(path).is_file():
        raise UserError(f"configuration, key {key}: {path} does not exist; write the prompt there")


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(map(str, path)) or "(top level)"
