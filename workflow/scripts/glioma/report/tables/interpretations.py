"""Where the study is silent or contradicts itself: its likeliest reading, the leak-free one, and that of this run.

The questions stand in `resources/ambiguities.yaml`, each with configuration keys as dotted patterns; a `*` stands for
any letters of one part: `runs.*.generation.temperature`. What is no key says how it is built in under `fixed`.
"""

import functools
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from glioma.report.html import UNDEFINED, Cell, Out, Table, write

LONGEST = 3
"""Entries of a pattern that are named one by one."""


def read(path: str | Path) -> list[dict[str, Any]]:
    """The questions: each has id, question, reason, and either paper and default (pattern -> value) or fixed (what is
    built in); the others are empty."""
    entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return [{"paper": {}, "default": {}, "fixed": "", **entry} for entry in entries]


def resolve(config: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    """Every key of a configuration that a pattern stands for, dotted, with its value; keys that are not there are not.

    A part without `*` must be a key as it is. Values are whatever the configuration holds, mappings included.
    """
    found: dict[str, Any] = {"": config}
    for part in pattern.split("."):
        found = {
            f"{path}.{key}".lstrip("."): value
            for path, level in found.items()
            if isinstance(level, Mapping)
            for key, value in level.items()
            if fnmatchcase(str(key), part)
        }
    return found


def same(value: Any, wanted: Any) -> bool:
    """Equality in which YAML's spelling of a number does not count: 1e-4 without a point is text to YAML 1.1."""
    if isinstance(value, list) and len(value) == 1 and not isinstance(wanted, list):
        value = value[0]  # a sweep of one rate is that rate
    if isinstance(wanted, int | float) and not isinstance(wanted, bool) and isinstance(value, int | float | str):
        try:
            return float(value) == float(wanted) and not isinstance(value, bool)
        except ValueError:
            return False
    return type(value) is type(wanted) and value == wanted


@functools.cache
def general(pattern: str) -> str:
    """A pattern whatever its entries are called: `runs.box-*.selection` becomes `runs.*.selection`."""
    parts = pattern.split(".")
    named = {"networks": 1, "models": 1, "adapters": 1, "runs": 1}.get(parts[0])
    if named is not None:
        parts[named] = "*"
    return ".".join(parts)


def interpretations_table(ambiguities: str | Path, config: Mapping[str, Any], cohort_label: str, out: Out) -> None:
    """One row per question: the study's likeliest interpretation, the leak-free one, this study's, and why."""
    rows = []
    for entry in read(ambiguities):
        used = {pattern: resolve(config, pattern) for pattern in _patterns(entry)}
        lines = [_plain(entry["paper"]), _plain(entry["default"]), _grouped(used)]
        if entry["fixed"]:
            lines, verdict = [[], [], [entry["fixed"]]], "built in"
        else:
            verdict = _verdict(config, entry)
        cells = [Cell("\n".join(each) or UNDEFINED, tone="text") for each in lines]
        rows.append([entry["question"], *cells, verdict, entry["reason"]])
    columns = ("Question", "Published, likeliest", "Leak-free", "Here", "Interpreted", "Why")
    notes = (
        "The published account leaves these open or says two things. Most are keys of the configuration: the published "
        "interpretation is that of config/studies/paper.yaml, the leak-free one that of config/studies/leak-free.yaml. "
        "A dash: there is no such entry here.",
    )
    write(
        out,
        "What was left open, and how it is interpreted",
        cohort_label,
        [Table("Interpretations", columns, rows)],
        notes,
    )


def _patterns(entry: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(map(general, (*entry["paper"], *entry["default"]))))


def _verdict(config: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Which interpretation this study has. Its entries may be called otherwise than those that are listed."""
    published, ours = (_holds(config, entry[name]) for name in ("paper", "default"))
    if published and ours:
        return "as both"
    if published or ours:
        return "as published" if published else "as leak-free"
    found = [value for pattern in _patterns(entry) for value in resolve(config, pattern).values()]
    listed = [*entry["paper"].values(), *entry["default"].values()]
    if found and all(any(same(value, each) for each in listed) for value in found):
        return "some as published, some as leak-free"
    return "otherwise" if found else "at the default"


def _holds(config: Mapping[str, Any], interpretation: Mapping[str, Any]) -> bool:
    """Whether all values are those of an interpretation, by its own patterns where the configuration has them."""
    if all(resolve(config, pattern) for pattern in interpretation):
        values = {pattern: [value] for pattern, value in interpretation.items()}
    else:
        values = {}
        for pattern, value in interpretation.items():
            values.setdefault(general(pattern), []).append(value)
    found = {pattern: list(resolve(config, pattern).values()) for pattern in values}
    return all(
        found[pattern] and all(any(same(value, each) for each in wanted) for value in found[pattern])
        for pattern, wanted in values.items()
    )


def _entry(key: str, pattern: str) -> str:
    """The part of a key that a pattern leaves open: the name of the entry."""
    parts = zip(key.split("."), pattern.split("."), strict=False)
    return ".".join(part for part, general_part in parts if part != general_part)


def _plain(interpretation: Mapping[str, Any]) -> list[str]:
    return [f"{pattern}: {_text(value)}" for pattern, value in interpretation.items()]


def _grouped(used: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line a value: the keys, the value, and which entries have it where not all do."""
    lines = []
    for pattern, found in used.items():
        by_value: dict[str, list[str]] = {}
        for key, value in found.items():
            by_value.setdefault(_text(value), []).append(key)
        for value, keys in by_value.items():
            if len(by_value) == 1:
                lines.append(f"{pattern}: {value}")
            else:
                rest = f" and {len(keys) - LONGEST} more" if len(keys) > LONGEST else ""
                names = ", ".join(_entry(key, general(pattern)) for key in keys[:LONGEST])
                lines.append(f"{general(pattern)}: {value} ({names}{rest})")
    return lines


def _text(value: Any) -> str:
    """A value as YAML writes it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"[{', '.join(map(_text, value))}]" if isinstance(value, list) else str(value)
