"""What one key of a study says about another, checked before any job starts."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from glioma import tasks
from glioma.base.errors import UserError
from glioma.base.files import find
from glioma.base.section import nearest
from glioma.cohort import parts
from glioma.config import settings
from glioma.config.entries import GRADES, TAKEN
from glioma.metrics import with_medpy
from glioma.sam.settings import TRUTH, lacking
from glioma.scoring.names import BASELINES, BY_SITE
from glioma.vlm import prompts

RESOURCES = Path(__file__).resolve().parents[4] / "resources"


def folder(here: Path, interpreter: str) -> None:
    """Raise `UserError` where Snakemake could not work in a folder, or not with the Python that runs it.

    It puts the interpreter's path unquoted into a shell's command, and reads braces in any path as wildcards.
    """
    for what, path in (("the working directory", str(here)), ("the environment's Python", interpreter)):
        odd = sorted({character for character in path if not (character.isalnum() or character in "/._-+~@%,:=\\")})
        if what != "the working directory" and odd or set(odd) & set("{}"):
            shown = "a blank" if " " in odd else repr(odd[0])
            raise UserError(
                f"{what}, {path}, has {shown} in its path, with which Snakemake cannot start jobs; move the checkout "
                "to a folder of letters, digits, '.', '_' and '-', and make its environment again (make env)"
            )


def check(config: dict[str, Any]) -> None:
    """Raise `UserError` naming the key of a complete configuration that does not go with another."""
    networks, radiomics, adapters, runs = (config[name] for name in ("networks", "radiomics", "adapters", "runs"))
    segmenters = [name for name, entry in networks.items() if tasks.get(entry["task"]).output == "region"]
    for name, entry in radiomics.items():
        _known(f"radiomics.{name}.segmenter", entry["segmenter"], segmenters)
    for name, model in config["models"].items():
        _endpoint(config, name, model)
        template = model["chat"]["template"]
        if template and not Path(find(template)).is_file():
            raise UserError(f"configuration, key models.{name}.chat.template: no file {template}; mend the path")
    _adapters(config)
    _runs(config)
    _sam(config, segmenters)
    _prompts(config)
    published = _published_rows()
    for section, entries in (("networks", networks), ("runs", runs)):
        for name, entry in entries.items():
            for row in entry["replicates"]:
                _known(f"{section}.{name}.replicates", row, published)
    for section, what in (("networks", "a network"), ("radiomics", "a radiomics grader")):
        for other in ("radiomics", "runs"):
            if other != section and (both := sorted(config[section].keys() & config[other].keys())):
                raise UserError(
                    f"configuration, key {other}.{both[0]}: {what} has that name, too; give one of them another"
                )
    if config["scores"]["backend"] == "medpy" and not with_medpy.available():
        raise UserError(f"configuration, key scores.backend: {with_medpy.MISSING}")
    for pair in config["comparisons"]:
        for name in pair:
            _known("comparisons", name, [*networks, *radiomics, *settings.sam_methods(config), *runs, *BASELINES])
        first, second = (_outputs(config, name) for name in pair)
        if not first & second:
            raise UserError(
                f"configuration, key comparisons: {pair[0]!r} gives a {min(first)}, {pair[1]!r} a {min(second)}; pair "
                "methods that give the same"
            )
    for pair in config["leak_audit"]:
        for name, crops in zip(pair, ("brain", "tumour"), strict=True):
            _known("leak_audit", name, [*networks, *runs])
            found = settings.crops_of(config, networks.get(name) or runs[name])
            if found != crops:
                raise UserError(
                    f"configuration, key leak_audit: {name!r} has {found} crops; name the entry with brain crops "
                    "first, then the same with tumour crops"
                )


def without_gpu(config: dict[str, Any]) -> str | None:
    """What of a study cannot be had on a machine without a GPU, and what to set instead, in a line; None if nothing."""
    used = {each["model"] for section in ("adapters", "runs") for each in config[section].values()}
    for name in sorted(used):
        entry = config["models"][name]
        if entry["backend"] == "unsloth":
            return (
                f"key models.{name}.backend: unsloth needs CUDA; run where there is a GPU, or set backend: transformers"
            )
        if entry["quantisation"] != "none":
            return (
                f"key models.{name}.quantisation: {entry['quantisation']} needs CUDA; run where there is a GPU, or set "
                "quantisation: none"
            )
    for name, adapter in config["adapters"].items():
        training = adapter["training"]
        for key, instead in (("backend", "peft"), ("optimiser", "adamw_torch")):
            if training[key] in ("unsloth", "adamw_8bit"):
                return (
                    f"key adapters.{name}.training.{key}: {training[key]} needs CUDA; run where there is a GPU, or set "
                    f"{key}: {instead}"
                )
    return None


def drop_site_pairs(config: dict[str, Any], sites: Iterable[str]) -> list[str]:
    """Take the pairs with the site majority out of `comparisons` where fewer than two sites ("" unknown) are known.

    Returns a line on each for the user, who declared the pair before anybody knew what the cohort tells.
    """
    known = set(sites) - {""}
    if len(known) > 1:
        return []
    out = [pair for pair in config["comparisons"] if BY_SITE in pair]
    config["comparisons"] = [pair for pair in config["comparisons"] if pair not in out]
    reason = f"left out, for the cohort names {len(known)} sites and its majority needs two"
    return [f"comparisons: [{', '.join(pair)}] is {reason}" for pair in out]


def _outputs(config: dict[str, Any], name: str) -> set[str]:
    """What a method delivers."""
    if name in BASELINES:
        return BASELINES[name]
    if name in config["radiomics"]:
        return {"grade"}
    if name in settings.sam_methods(config):
        return {"region"}
    return {tasks.get({**config["networks"], **config["runs"]}[name]["task"]).output}


def _adapters(config: dict[str, Any]) -> None:
    """Adapters name models that can be trained, prompts and folds that are there."""
    for name, adapter in config["adapters"].items():
        _known(f"adapters.{name}.model", adapter["model"], config["models"])
        if config["models"][adapter["model"]]["endpoint"]:
            raise UserError(
                f"configuration, key adapters.{name}.model: {adapter['model']!r} is behind an endpoint, where nothing "
                "can be trained; name a model with weights"
            )
        _prompt(f"adapters.{name}.prompt", adapter["prompt"])
        _shown(config, f"adapters.{name}", adapter)
        if (last := max(adapter["folds"])) >= config["folds"]["count"]:
            raise UserError(
                f"configuration, key adapters.{name}.folds: no fold {last}; "
                f"folds.count is {config['folds']['count']}, the first fold is 0"
            )


def _sam(config: dict[str, Any], segmenters: Iterable[str]) -> None:
    """Promptable segmenters are there, and all boxes of one are on the same slices of the same crops."""
    runs = config["runs"]
    drawing = [
        name
        for name, run in runs.items()
        if run["task"] == settings.BOXES and not run["repeats"] and run["samples"] == 1
    ]
    owners = settings.sam_methods(config) | {name: name for name in config["sam"]}
    if both := sorted(owners.keys() & (config["networks"].keys() | config["radiomics"].keys() | runs.keys())):
        raise UserError(
            f"configuration, key sam.{owners[both[0]]}: a network, radiomics grader or run has the name {both[0]!r}; "
            "give one of them another"
        )
    for name, entry in config["sam"].items():
        key = f"sam.{name}"
        for source in entry["boxes"]:
            _known(f"{key}.boxes", source, [TRUTH, *segmenters, *drawing])
            run = runs.get(source)
            if run and (run["selection"] != "all" or list(run["orientations"]) != ["axial"]):
                raise UserError(
                    f"configuration, key {key}.boxes: {source!r} is not asked about all axial slices; name one that is"
                )
            if run and entry["every"] % run["every"]:
                raise UserError(
                    f"configuration, key {key}.every: {entry['every']}, but {source!r} is asked about one slice in "
                    f"{run['every']}; give a multiple of that"
                )
            if run and entry["patients"] == "all" and run["patients"] != "all":
                raise UserError(
                    f"configuration, key {key}.patients: all, but {source!r} is asked about test patients only; set "
                    "patients: test"
                )
        if len(sets := settings.crops_of_sam(config, name)) > 1:
            raise UserError(
                f"configuration, key {key}.boxes: their crops differ ({', '.join(sorted(sets))}); make an entry of each"
            )
        if said := lacking(entry["model"]):
            raise UserError(f"configuration, key {key}.model: {said}")


def _runs(config: dict[str, Any]) -> None:
    """Runs name models, prompts and adapters that are there and can do what is asked."""
    adapters = config["adapters"]
    for name, run in config["runs"].items():
        _known(f"runs.{name}.model", run["model"], config["models"])
        served = config["models"][run["model"]]["endpoint"]
        if served and run["generation"]["constrained"] and served["server"] == "openai":
            raise UserError(
                f"configuration, key runs.{name}.generation.constrained: the endpoint of {run['model']!r} is not known "
                "to constrain answers; set its endpoint.server to vllm or sglang if it is one"
            )
        if served and run["generation"]["stop"] and served["server"] == "openai":
            raise UserError(
                f"configuration, key runs.{name}.generation.stop: the endpoint of {run['model']!r} would leave out the "
                "text that ends an answer; set its endpoint.server to vllm or sglang if it is one"
            )
        if run["generation"]["choices_only"]:
            _choices_only(config, name, run)
        _votes(config, name, run)
        _prompt(f"runs.{name}.prompt", run["prompt"])
        _shown(config, f"runs.{name}", run)
        if run["examples"] and run["choices"] != list(GRADES) and tasks.get(run["task"]).output == "grade":
            raise UserError(
                f"configuration, key runs.{name}.examples: examples are answered as 0, 1 and 2 mean by default; leave "
                "choices out, or examples"
            )
        if name in TAKEN:
            raise UserError(f"configuration, key runs.{name}: that name is taken in the scores; choose another")
        if run["adapter"] is not None:
            _known(f"runs.{name}.adapter", run["adapter"], adapters)
            _agreement(config, name)


def _votes(config: dict[str, Any], name: str, run: dict[str, Any]) -> None:
    """Probabilities can vote only where the model names some."""
    endpoint = config["models"][run["model"]]["endpoint"]
    if tasks.get(run["task"]).output != "grade" or not endpoint or endpoint["logprobs"]:
        return
    for key in ("ballot", "tie"):
        if config["votes"][key] == "probability":
            raise UserError(
                f"configuration, key votes.{key}: the endpoint of {run['model']!r}, which runs.{name} asks, names no "
                "probabilities; set its endpoint.logprobs to true if its server can, or take another value"
            )


def _choices_only(config: dict[str, Any], name: str, run: dict[str, Any]) -> None:
    """Choices alone can be asked about where there are some, a backend that scores them, and nothing to draw."""
    key, generation = f"configuration, key runs.{name}.generation.choices_only", run["generation"]
    if not tasks.get(run["task"]).choices:
        raise UserError(f"{key}: {run['task']} has no choices; leave it out")
    if config["models"][run["model"]]["endpoint"]:
        raise UserError(f"{key}: an endpoint names probabilities only of what it answers; leave it out")
    for other in ("constrained", "temperature", "stop"):
        if generation[other]:
            raise UserError(f"{key}: nothing is decoded, so that {other} means nothing; leave one of them out")


def _shown(config: dict[str, Any], key: str, entry: dict[str, Any]) -> None:
    """The system prompt of a run or adapter is there, and where it locates, coordinates are those of one slice."""
    if entry["system"]:
        _prompt(f"{key}.system", entry["system"])
    if not tasks.get(entry["task"]).whole_slices and settings.picture(config, entry)["arrange"] == "montage":
        raise UserError(
            f"configuration, key {key}.picture.arrange: on a montage nobody knows which tile a coordinate is in; use "
            "colours or images"
        )


def _endpoint(config: dict[str, Any], name: str, model: dict[str, Any]) -> None:
    """Pictures of patients leave this machine only where somebody said that they may."""
    if not model["endpoint"] or model["endpoint"]["images_may_leave"] or config["cohort"]["layout"] == "phantom":
        return
    host = urlsplit(model["endpoint"]["url"]).hostname or ""
    if host not in ("localhost", "127.0.0.1", "::1"):
        raise UserError(
            f"configuration, key models.{name}.endpoint.images_may_leave: pictures of patients would be sent to "
            f"{host}; set it to true if your data's terms and your ethics approval allow that"
        )


def _agreement(config: dict[str, Any], name: str) -> None:
    """A run and its adapter must agree on model, task and order, and the adapter must have a model for everybody."""
    run = config["runs"][name]
    adapter = config["adapters"][run["adapter"]]
    for key in ("model", "task"):
        if adapter[key] != run[key]:
            raise UserError(
                f"configuration, key runs.{name}.{key}: {run[key]!r}, but its adapter {run['adapter']!r} "
                f"was made for {adapter[key]!r}; use the same {key} for both"
            )
    for key, of in (("picture", settings.picture), ("system", settings.system_file)):
        if run[key] is not None and of(config, run) != of(config, adapter):
            raise UserError(
                f"configuration, key runs.{name}.{key}: its adapter {run['adapter']!r} was trained with another; leave "
                "the key out, and the run follows its adapter"
            )
    trained = settings.image_first(config, adapter)
    if run["generation"]["image_first"] not in (None, trained):
        raise UserError(
            f"configuration, key runs.{name}.generation.image_first: its adapter {run['adapter']!r} was trained with "
            f"image_first: {str(trained).lower()}; leave the key out, and the run follows its adapter"
        )
    missing = set(settings.parts(config, name)) - {"test", *map(parts.name, adapter["folds"])}
    if missing:
        raise UserError(
            f"configuration, key runs.{name}.patients: all, but adapter {run['adapter']!r} has no model of "
            f"{', '.join(sorted(missing))}; set its folds to {list(range(config['folds']['count']))}"
        )


def _prompts(config: dict[str, Any]) -> None:
    """Prompts ask for what is parsed, and adapters are trained on it."""
    for name, run in config["runs"].items():
        task, points = tasks.get(run["task"]), run["polygon_points"]
        limits = settings.limits(config, run)
        words = task.wording(limits)
        asked = {f"runs.{name}.prompt": run["prompt"]}
        if run["adapter"] is not None:
            adapter = config["adapters"][run["adapter"]]
            asked[f"adapters.{run['adapter']}.prompt"] = adapter["prompt"]
            trained = adapter["conversations"]["polygon_points"]
            if task.output == "region" and not points[0] <= trained[0] <= trained[1] <= points[1]:
                raise UserError(
                    f"configuration, key adapters.{run['adapter']}.conversations.polygon_points: {trained}, but run "
                    f"{name!r} parses polygons of {points[0]} to {points[1]} points; set runs.{name}.polygon_points"
                )
        for key, prompt in asked.items():
            error = task.check_prompt(prompts.read(settings.prompt_file(prompt), words), limits)
            if error:
                raise UserError(f"configuration, key {key}: {settings.prompt_file(prompt)} {error}")


def _published_rows() -> list[str]:
    """What an entry may replicate: table/setting of the published tables, and text/setting of the text's figures."""
    rows = []
    for file in ("published_tables.csv", "published_text.csv"):
        with (RESOURCES / file).open(encoding="utf-8", newline="") as lines:
            rows += [f"{row.get('table', 'text')}/{row['setting']}" for row in csv.DictReader(lines)]
    return list(dict.fromkeys(rows))


def _known(key: str, name: str, names: Iterable[str]) -> None:
    names = list(names)
    if name not in names:
        raise UserError(f"configuration, key {key}: no entry {name!r}{nearest(name, names) or '; there are none'}")


def _prompt(key: str, name: str) -> None:
    path = settings.prompt_file(name)
    if not Path(path).is_file():
        raise UserError(f"configuration, key {key}: {path} does not exist; write the prompt there")
