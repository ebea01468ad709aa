"""The configuration: checked against its schema and against itself before any job starts."""

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from glioma.base.errors import UserError
from glioma.cnn import recipe

SCHEMA = "workflow/schemas/config.schema.yaml"
# Sections whose entries have names that the user gives.
NAMED = ("models", "adapters", "runs")
BASELINES = ("always HGG", "site majority", "FLAIR threshold", "mean training box", "whole frame", "image centre")
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def check(config: dict[str, Any], base: str | Path) -> None:
    """Raise `UserError` naming the key, what is wrong with its value and what may stand there.

    The schema knows shapes and ranges, and refuses unknown keys; what one key says about another is checked here.
    """
    _drop_removed(config)
    schema = yaml.safe_load((Path(base) / SCHEMA).read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    _read_numbers(config, validator)
    fault = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if fault is not None:
        raise UserError(f"configuration, key {_dotted(fault.absolute_path)}: {fault.message}; see config/README.md")
    for name in config["cnn"]["networks"]:
        try:
            recipe.Recipe.read(network_entry(config, name))
        except UserError as fault:
            raise UserError(f"configuration, key cnn.networks.{name}: {fault}") from None
    for name, adapter in config["adapters"].items():
        _known(f"adapters.{name}.model", adapter["model"], config["models"])
        _prompt(f"adapters.{name}.prompt", adapter["prompt"])
        if (last := max(adapter_folds(config, name))) >= config["folds"]["count"]:
            raise UserError(
                f"configuration, key adapters.{name}.folds: no fold {last}; "
                f"folds.count is {config['folds']['count']}, the first fold is 0"
            )
    for name, run in config["runs"].items():
        _known(f"runs.{name}.model", run["model"], config["models"])
        _prompt(f"runs.{name}.prompt", run["prompt"])
        if run["adapter"] is not None:
            _known(f"runs.{name}.adapter", run["adapter"], config["adapters"])
            _agreement(config, name)
    networks, runs = config["cnn"]["networks"], config["runs"]
    if both := sorted(networks.keys() & runs.keys()):
        raise UserError(f"configuration, key runs.{both[0]}: a network has that name, too; give one of them another")
    for pair in config["comparisons"]:
        for name in pair:
            _known("comparisons", name, [*networks, *runs, *BASELINES])
    for pair in config["leak_audit"]:
        for name, crops in zip(pair, ("brain", "tumour"), strict=True):
            _known("leak_audit", name, [*networks, *runs])
            found = crops_of(config, networks.get(name) or runs[name])
            if found != crops:
                raise UserError(
                    f"configuration, key leak_audit: {name!r} has {found} crops; name the entry with brain crops "
                    "first, then the same with tumour crops"
                )


def drop_site_pairs(config: dict[str, Any], sites: Iterable[str]) -> list[str]:
    """Take the pairs with the site majority out of `comparisons` where fewer than two sites ("" unknown) are known.

    Returns a line on each for the user, who declared the pair before anybody knew what the cohort tells.
    """
    known = set(sites) - {""}
    if len(known) > 1:
        return []
    out = [pair for pair in config["comparisons"] if "site majority" in pair]
    config["comparisons"] = [pair for pair in config["comparisons"] if pair not in out]
    reason = f"left out, for the cohort names {len(known)} sites and its majority needs two"
    return [f"comparisons: [{', '.join(pair)}] is {reason}" for pair in out]


def _drop_removed(config: dict[str, Any]) -> None:
    """Take out entries that are null: an overlay cannot delete a key of the file below it, but it can empty it."""
    for section in (config.get("cnn", {}).get("networks"), *(config.get(key) for key in NAMED)):
        if isinstance(section, dict):
            for name in [name for name, entry in section.items() if entry is None]:
                del section[name]


def _agreement(config: dict[str, Any], name: str) -> None:
    """A run and its adapter must speak of the same model and task, in the same order, and know the patients asked."""
    run = config["runs"][name]
    adapter = config["adapters"][run["adapter"]]
    for key in ("model", "task"):
        if adapter[key] != run[key]:
            raise UserError(
                f"configuration, key runs.{name}.{key}: {run[key]!r}, but its adapter {run['adapter']!r} "
                f"was made for {adapter[key]!r}; use the same {key} for both"
            )
    trained = adapter["conversations"].get("image_first", False)
    if run["generation"].get("image_first", trained) != trained:
        raise UserError(
            f"configuration, key runs.{name}.generation.image_first: its adapter {run['adapter']!r} was trained with "
            f"image_first: {str(trained).lower()}; leave the key out, and the run follows its adapter"
        )
    missing = set(parts(config, name)) - {"test", *(f"fold{fold}" for fold in adapter_folds(config, run["adapter"]))}
    if missing:
        raise UserError(
            f"configuration, key runs.{name}.patients: all, but adapter {run['adapter']!r} has no model of "
            f"{', '.join(sorted(missing))}; set its folds to {list(range(config['folds']['count']))}"
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


def network_entry(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A network's entry; one that sees slices knows from how many pixels on a slice shows a tumour."""
    entry = config["cnn"]["networks"][name]
    if entry["architecture"].startswith("slice:"):
        return {**entry, "tumour_pixels": config["slices"]["tumour_pixels"]}
    return entry


def crops_of(config: dict[str, Any], entry: dict[str, Any]) -> str:
    """The crop set of a network, adapter or run: its own, its adapter's, or the default one."""
    adapter = config["adapters"].get(entry.get("adapter") or "", {})
    return entry.get("crops") or adapter.get("crops") or config["crops"]["mode"]


def crop_sets(config: dict[str, Any]) -> list[str]:
    """The crop sets that anything uses; the leak audit needs both for its baselines."""
    entries = [*config["cnn"]["networks"].values(), *config["adapters"].values(), *config["runs"].values()]
    used = {config["crops"]["mode"], *(crops_of(config, entry) for entry in entries)}
    return ["brain", "tumour"] if config["leak_audit"] else sorted(used)


def adapter_folds(config: dict[str, Any], adapter: str) -> list[int]:
    """The folds that validate an adapter, one model each; test patients are asked of the first."""
    return config["adapters"][adapter].get("folds", [0])


def parts(config: dict[str, Any], run: str) -> list[str]:
    """The groups of patients that a run asks about: "test" and, for all patients, "development", or with an adapter
    "fold0", "fold1" and so on.
    """
    entry = config["runs"][run]
    if entry.get("patients", "test") == "test" or entry["repeats"]:
        return ["test"]
    if entry["adapter"] is None:
        return ["test", "development"]
    return ["test", *(f"fold{fold}" for fold in range(config["folds"]["count"]))]


def adapter_fold(config: dict[str, Any], run: str, part: str) -> int:
    """Which of its adapter's models answers for a part of a run: one that has not seen these patients."""
    return adapter_folds(config, config["runs"][run]["adapter"])[0] if part == "test" else int(part[4:])


def conversations(config: dict[str, Any], adapter: str) -> dict[str, Any]:
    """What the conversations of an adapter depend on, besides its prompt."""
    entry = config["adapters"][adapter]
    shared = {
        "side": config["slices"]["side"],
        "minimum_pixels": config["slices"]["tumour_pixels"],
        "frame": config["slices"]["frame"],
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
        {
            "task": entry["task"],
            "side": config["slices"]["side"],
            "coordinates": convention,
            "choices": entry.get("choices", ["LGG", "HGG", "no glioma"]),
        }
        | config["answers"]
    )


def adapter_reading(config: dict[str, Any], adapter: str) -> dict[str, Any]:
    """How answers are read while an adapter is trained."""
    entry = config["adapters"][adapter]
    convention = config["models"][entry["model"]]["coordinates"]
    return ordered({"task": entry["task"], "side": config["slices"]["side"], "coordinates": convention})


def study(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration in one order without what only says where jobs run: a report made elsewhere is the same."""
    return ordered({key: value for key, value in config.items() if key != "gpus_per_job"})


def overlay(config: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """What laid over the defaults gives this configuration again: entries that were taken out stand as null.

    Entries keep their order, which rules pass on: in another one Snakemake would take finished results for outdated.
    """
    removed = {key: dict.fromkeys(set(defaults[key]) - set(config[key])) for key in NAMED}
    networks = dict.fromkeys(set(defaults["cnn"]["networks"]) - set(config["cnn"]["networks"]))
    result = {**config, **{key: config[key] | removed[key] for key in NAMED}}
    return {**result, "cnn": {**config["cnn"], "networks": config["cnn"]["networks"] | networks}}


def generation(config: dict[str, Any], run: str) -> dict[str, Any]:
    """How a run's model answers."""
    entry = config["runs"][run]
    adapter = config["adapters"].get(entry["adapter"] or "", {"conversations": {}})
    shared = {
        "side": config["slices"]["side"],
        # Coordinates are pixels of a square.
        "frame": config["slices"]["frame"] if entry["task"] == "classification" else "square",
        "choices": entry["task"] == "classification",
        "image_first": adapter["conversations"].get("image_first", False),
    }
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
