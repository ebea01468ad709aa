"""JSON schemas of the configuration's files, for editors: `python -m glioma.config.schema workflow/schemas`.

They come from the very types that check a configuration. In a file every key may be missing, for what it extends or is
like may have it.
"""

import json
import sys
from pathlib import Path
from typing import Any

from glioma.config.entries import Adapter, Model, Network, Run, Site, Study
from glioma.config.study import ENTRIES

FILES = {"config": Site, "study": Study, "model": Model}


def schema(name: str) -> dict[str, Any]:
    """The JSON schema of a kind of file, by its key in `FILES`."""
    found = FILES[name].model_json_schema()
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


if __name__ == "__main__":
    for kind in FILES:
        (Path(sys.argv[1]) / f"{kind}.schema.json").write_text(text(kind), encoding="utf-8")
