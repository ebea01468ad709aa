"""From a study's file to its complete configuration: what it extends, what its entries are like, and what is typed.

A study is a YAML file. `extends: <name or path>` lays it over another one, key by key; `without: [runs.x]` takes
entries out. An entry of `networks`, `adapters` or `runs` may be `like: <another>`, and may come in
`variants: {suffix: {...}}`, each an entry of its own. Whatever `--config` gives besides the keys of the site is laid
over the result.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from glioma.base.errors import UserError
from glioma.base.files import PROJECT, find
from glioma.base.section import nearest
from glioma.config.entries import ELSEWHERE, Site, Study

STUDIES, MODELS = Path("config/studies"), Path("config/models")
ENTRIES = ("networks", "radiomics", "sam", "adapters", "runs")
OWN = "replicates"
"""A published row is repeated by the entry that says so, not by those that are like it."""


class _Loader(yaml.SafeLoader):
    """YAML in which a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = [key for position, key in enumerate(keys) if key in keys[:position]]
        if twice:
            raise UserError(
                f"{node.start_mark.name}, line {node.start_mark.line + 1}: key {twice[0]} stands twice; keep one"
            )
        return super().construct_mapping(node, deep)


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping; `UserError` names the line that is none."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            content = yaml.load(stream, _Loader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no keys; start from config/README.md")
    return content


def locate(study: str, beside: Path = STUDIES) -> Path:
    """The file of a study: a name under config/studies/ (or beside the one that names it), or a path."""
    candidates = [
        Path(find(f"{STUDIES}/{study}.yaml")),
        beside / f"{study}.yaml",
        Path(study).expanduser(),
        beside / study,
    ]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        known = sorted({path.stem for folder in (STUDIES, PROJECT / STUDIES) for path in folder.glob("*.yaml")})
        raise UserError(f"key study: {study!r} is no study{nearest(study, known)}; the studies are {', '.join(known)}")
    return found


def resolve(config: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The complete configuration that `config` (config.yaml and the command line) asks for, and the study's name.

    Keys of the site stay beside those of the study, so that what is resolved resolves to itself (`snakemake --report`
    starts from it). Raises `UserError` in one line for whatever is wrong.
    """
    of_site = {key: value for key, value in config.items() if key in Site.model_fields}
    site = Site.read(of_site)
    path = locate(site.study)
    content = read(path)
    own = {key: value for key, value in config.items() if key not in of_site}
    known = list(dict.fromkeys([*Site.model_fields, *Study.model_fields]))
    for key in own:
        if key not in known:
            raise UserError(f"configuration, key {key}: unknown key{nearest(key, known)}")
    _refuse_empty(own, content, "configuration", "write a study that extends it, with")
    content = _entries(_laid_over(content, own))
    if site.cohort:
        content["cohort"] = site.cohort
    if not content.get("cohort"):
        raise UserError(
            f"key cohort.root: empty, and the study {path.stem!r} has no cohort of its own; name the folder of the "
            f'scans: --config study={site.study} \'cohort={{"root": "/data/..."}}\' '
            '(or try it on phantoms: \'cohort={"layout": "phantom"}\')'
        )
    content["models"] = _models(content)
    study = _read(content, path, own | {"cohort": site.cohort})
    complete = study.model_dump(mode="json")
    where = {key: getattr(site, key) for key in ELSEWHERE}
    return {"study": site.study, **where, **complete}, path.stem


def _read(content: Mapping[str, Any], path: Path, above: Mapping[str, Any]) -> Study:
    """The typed study of a file and what was laid over it; an error says in which of them its key stands."""
    try:
        return Study.read(content)
    except UserError as error:
        key = re.match(r"key ([\w.-]+)", str(error))
        where = "configuration" if key and _holds(above, key[1].split(".")) else path
        raise UserError(f"{where}, {error}; see config/README.md") from None


def _holds(content: Any, key: Sequence[str]) -> bool:
    """Whether a key, part by part, stands in a mapping or in a value of it."""
    if not key or not isinstance(content, Mapping):
        return content is not None
    return key[0] in content and _holds(content[key[0]], key[1:])


def read(path: Path, chain: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A study with what it extends, its entries written out, not typed yet."""
    if path in chain:
        raise UserError(f"{path}: extends itself, through {', '.join(map(str, chain))}; break the circle")
    content = load_yaml(path)
    base = content.pop("extends", None)
    without = content.pop("without", [])
    below = read(locate(str(base), path.parent), (*chain, path)) if base else {}
    _refuse_empty(content, below, str(path), "write")
    found = _entries(_laid_over(below, content), path)
    if not isinstance(without, list):
        raise UserError(f"{path}, key without: {without!r} is no list; write without: [{without}]")
    for name in map(str, without):
        section, _, entry = name.partition(".")
        there = found.get(section)
        if name in ENTRIES and there:
            own = _Entries(name, content.get(name) or {}, path).given
            found[name] = {key: value for key, value in there.items() if key in own}
        elif isinstance(there, Mapping) and entry in there:
            found[section] = {key: value for key, value in there.items() if key != entry}
        else:
            raise UserError(
                f"{path}, key without: no entry {name}; write a section such as runs, or one of its names, runs.box"
            )
    return found


def _refuse_empty(above: Mapping[str, Any], below: Mapping[str, Any], where: str, remedy: str) -> None:
    """An empty section over one with entries: it would take none of them out."""
    for section in ENTRIES:
        if above.get(section) == {} and below.get(section):
            raise UserError(
                f"{where}, key {section}: empty, which takes nothing out of what is there; "
                f"{remedy} without: [{section}]"
            )


def _laid_over(below: Any, above: Any) -> Any:
    """Mappings key by key, everything else replaced."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: _laid_over(below.get(key), value) for key, value in above.items()}}
    return above


def _entries(content: dict[str, Any], path: Path | None = None) -> dict[str, Any]:
    """The content with `like` and `variants` of its entries written out."""
    for section in ENTRIES:
        given = content.get(section)
        if isinstance(given, Mapping):
            content = {**content, section: _Entries(section, given, path).written_out()}
        elif given is not None:
            where = f"{path}, key {section}" if path else f"key {section}"
            raise UserError(f"{where}: {given!r} is no section of entries; give each a name, with its keys below it")
    return content


class _Entries:
    """The entries of one section, each written out when another is like it."""

    def __init__(self, section: str, given: Mapping[str, Any], path: Path | None) -> None:
        self.where = f"{path}, key {section}" if path else f"key {section}"
        self.given: dict[str, Any] = {}
        self.done: dict[str, dict[str, Any]] = {}
        for name, entry in given.items():
            if not isinstance(entry, Mapping):
                raise UserError(f"{self.where}.{name}: {entry!r} is no entry; give its keys, or take it out")
            variants = entry.get("variants")
            if variants is None:
                self.given[name] = entry
                continue
            shared = {key: value for key, value in entry.items() if key != "variants"}
            for suffix, more in variants.items():
                self.given[f"{name}-{suffix}"] = _laid_over(shared, more or {})

    def written_out(self) -> dict[str, dict[str, Any]]:
        return {name: self.entry(name) for name in self.given}

    def entry(self, name: str, chain: tuple[str, ...] = ()) -> dict[str, Any]:
        if name in chain:
            raise UserError(f"{self.where}.{name}: is like itself, through {', '.join(chain)}; break the circle")
        if name not in self.given:
            raise UserError(f"{self.where}.{chain[-1]}.like: no entry {name!r}{nearest(name, list(self.given))}")
        if name not in self.done:
            own = dict(self.given[name])
            if (model := own.pop("like", None)) is not None:
                copied = {key: value for key, value in self.entry(model, (*chain, name)).items() if key != OWN}
                own = _laid_over(copied, own)
            self.done[name] = own
        return self.done[name]


def _models(content: Mapping[str, Any]) -> dict[str, Any]:
    """The models that entries name: from config/models/, and what the study says of them over that."""
    entries = [entry for section in ("adapters", "runs") for entry in (content.get(section) or {}).values()]
    given = dict(content.get("models") or {})
    names = dict.fromkeys([*(entry["model"] for entry in entries if "model" in entry), *given])
    found = {}
    for name in names:
        path = Path(find(f"{MODELS}/{name}.yaml"))
        of_file = load_yaml(path) if path.is_file() else {}
        if of_file or name in given:
            found[name] = _laid_over(of_file, given.get(name, {}))
    return found
