"""The commits of the models that were fetched."""

from collections.abc import Iterable
from pathlib import Path

from glioma.base.files import read_json

END = ".fetched.json"


def fetched(models: dict[str, dict], files: Iterable[str | Path]) -> dict[str, dict]:
    """The entries of `models` with the revision that `<name>.fetched.json` among `files` holds, where there is one.

    A configuration may leave the revision open (null); what was fetched then is known from this file alone.
    """
    known = {Path(path).name.removesuffix(END): read_json(path) for path in files}
    found = {}
    for name, entry in models.items():
        # A file left by an entry that named another model says nothing about this one.
        same = known.get(name, {}).get("source") == entry["source"]
        found[name] = entry | {"revision": known[name]["revision"]} if same else entry
    return found
