"""The commits of the models that were fetched."""

import json
from pathlib import Path


def fetched(models: dict[str, dict], folder: str | Path) -> dict[str, dict]:
    """The entries of `models` with the revision that `<folder>/<name>/fetched.json` holds, where there is one.

    A configuration may leave the revision open (null); what was fetched then is known from this file alone.
    """
    found = {}
    for name, entry in models.items():
        path = Path(folder) / name / "fetched.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        # A folder left by an entry that named another model says nothing about this one.
        same = known.get("source") == entry["source"]
        found[name] = entry | {"revision": known["revision"]} if same else entry
    return found
