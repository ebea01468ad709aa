"""A model from the Hugging Face hub, at a pinned commit, into a folder of its own."""

import re
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from glioma.errors import UserError
from glioma.files import write_json

# Weights as safetensors only: other formats can hold code.
PATTERNS = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "*.txt"]


def fetch(source: str, revision: str | None, folder: str | Path) -> None:
    """Download `source` (owner/name) at commit `revision` into `folder`, and say so in `fetched.json`, written last.

    What an interrupted download left there is used. A model behind a licence needs `hf auth login` once.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", str(revision)):
        raise UserError(f"model {source}: revision is {revision!r}; pin the commit by its 40 hex digits")
    try:
        snapshot_download(source, revision=revision, local_dir=folder, allow_patterns=PATTERNS, ignore_patterns=["*/*"])
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"model {source}: cannot fetch it ({reason}); check the id, the network and your login"
        ) from error
    write_json({"source": source, "revision": revision}, Path(folder) / "fetched.json")
