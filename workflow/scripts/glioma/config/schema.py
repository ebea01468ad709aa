"""JSON schemas of the configuration's files, for editors, and the reference of all keys, for people.

They come from the very types that check a configuration. In a file every key may be missing, for what it extends or is
like may have it.
"""

import json
from pathlib import Path
from typing import Any

from glioma.base.section import Section, inner_section
from glioma.config.entries import Adapter, Model, Network, Run, Site, Study
from glioma.config.study import ENTRIES

WORDS = {"integer": "whole number", "string": "text", "object": "keys", "null": "`null`", "boolean": "`true`, `false`"}
COMMAND = "PYTHONPATH=workflow/scripts python -m glioma.config.schema"
"""Writes them, in the project's folder."""
FILES = {"config": Site, "study": Study, "model": Model}


def schema(name: str) -> dict[str, Any]:
    """The JSON schema of a kind of file, by its key in `FILES`."""
    found = FILES[name].model_json_schema()  # type: ignore[attr-defined]
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    if name != "study":
        return found
    found.pop("required", None)
    found["$defs"]["Model"].pop("required", None)
    text = {"type": "string"}
    found["properties"] |= {
        "extends": text | {"description": "A study, by name or path, that this one is laid over."},
        "without": {"type": "array", "items": text, "description": "Entries of it to take out, such as runs.box."},
    }
    for entry in (Network, Adapter, Run):
        own = found["$defs"][entry.__name__]
        own.pop("required", None)
        own["properties"] |= {
            "like": text | {"description": f"Another of the {' or '.join(ENTRIES)}, whose keys this one takes over."},
            "variants": {
                "type": "object",
                "additionalProperties": {"$ref": f"#/$defs/{entry.__name__}"},
                "description": "suffix: keys; each makes an entry <name>-<suffix>.",
            },
        }
    return found


def text(name: str) -> str:
    """The content of a schema's file."""
    return json.dumps(schema(name), indent=1, sort_keys=True) + "\n"


def reference() -> str:
    """Every key with its values, default and meaning, as Markdown tables."""
    sections: dict[str, type[Section]] = {"config/config.yaml": Site, "A study": Study}
    lines = [
        "# Every key",
        "",
        f"Made from the types that check a configuration, by `{COMMAND}`.",
        "",
    ]
    for heading, section in sections.items():
        lines += _tables(heading, section)
    return "\n".join(lines)


def _tables(heading: str, section: type[Section]) -> list[str]:
    """The table of a section, and those of the sections within it."""
    lines = [f"## {heading}", "", "| key | values | default | meaning |", "|---|---|---|---|"]
    within: list[str] = []
    properties = section.model_json_schema()["properties"]
    for name, field in section.model_fields.items():
        inner, found = inner_section(field.annotation), properties[name]
        named = found.get("type") == "object" and inner is not None
        if inner is not None:
            within += _tables(f"{'' if heading.startswith(('A ', 'config/')) else heading + '.'}{name}"
                              f"{'.<name>' if named else ''}", inner)  # fmt: skip
        default = "required" if field.is_required() else "" if inner else f"`{json.dumps(found.get('default'))}`"
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {'entries by name' if named else _values(found)} | {default} | {meaning} |")
    return [*lines, "", *within]


def _values(found: dict[str, Any]) -> str:
    """What may stand at a key, in words."""
    if "$ref" in found:
        return "section"
    if "anyOf" in found:
        return " or ".join(dict.fromkeys(map(_values, found["anyOf"])))
    if "const" in found or "enum" in found:
        return ", ".join(f"`{value}`" for value in found.get("enum", [found.get("const")]))
    kind = found.get("type", "any")
    if kind == "array":
        return f"list of {_values(found.get('items') or found.get('prefixItems', [{}])[0])}"
    low, above, high = found.get("minimum"), found.get("exclusiveMinimum"), found.get("maximum")
    limits = [f"from {low}"] * (low is not None) + [f"above {above}"] * (above is not None)
    limits += [f"to {high}"] * (high is not None)
    names = {
        "integer": "whole number",
        "string": "text",
        "object": "keys",
        "null": "`null`",
        "boolean": "`true`, `false`",
    }
    return " ".join([names.get(kind, kind), *limits])


if __name__ == "__main__":
    for kind in FILES:
        Path(f"workflow/schemas/{kind}.schema.json").write_text(text(kind), encoding="utf-8")
    Path("config/KEYS.md").write_text(reference(), encoding="utf-8")
