"""A model from the Hugging Face hub, at one commit, into a folder of its own."""

import os
import re
import shutil
from pathlib import Path

from httpx2 import HTTPError
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from glioma.base.errors import UserError
from glioma.base.files import write_json

# Weights as safetensors only: other formats can hold code.
PATTERNS = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "*.txt"]


def fetch(source: str, revision: str | None, folder: str | Path, fetched: str | Path) -> str:
    """Download `source` (owner/name) at commit `revision` into `folder`, and say so in `fetched`, a JSON written last.

    Without a revision it is the newest commit of this moment; the log says which, to be pinned. Returns the commit.
    What an interrupted download left beside it is used. A model behind a licence needs `hf auth login` once.
    """
    if revision is not None and not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise UserError(f"model {source}: revision is {revision!r}; pin the commit by its 40 hex digits")
    folder = Path(folder)
    # Snakemake removes what a failed job leaves of its outputs: gigabytes that the next start would fetch again.
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        commit = revision or HfApi().model_info(source).sha
        snapshot_download(source, revision=commit, local_dir=partial, allow_patterns=PATTERNS, ignore_patterns=["*/*"])
    except (HTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"model {source}: cannot fetch it ({reason}); check the id, the network and your login"
        ) from error
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
    write_json({"source": source, "revision": commit}, fetched)
    return commit
