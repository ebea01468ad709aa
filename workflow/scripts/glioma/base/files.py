"""Files appear whole or not at all: written beside their final name, then renamed."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from glioma.base.errors import UserError

PROJECT = Path(__file__).resolve().parents[4]
"""The folder of the Snakefile."""
SMALL = 100_000
"""Bytes up to which a file is read to tell its content."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name in the same folder; on success it becomes `path`, on failure it is removed.

    The suffixes are kept, because writers such as nibabel and pandas choose the format by them.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        if temporary.is_file():
            readable(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def find(path: str) -> str:
    """A file of config/, as it lies in the working directory; where it does not, the project's own of that name.

    So a workflow that imports this one as a module, or a run with `--directory`, brings what it wants to say otherwise.
    """
    own = PROJECT / path
    return str(own) if not Path(path).exists() and own.exists() else path


def stamp(path: str | Path) -> str:
    """What tells another content of a file without reading it whole; "" where there is no file.

    Of a gzip file its size and the checksum of its content (its last eight bytes, RFC 1952), of a small one its
    content, of any other its size and time of change. Snakemake by itself takes up a file only when it is newer than
    what was made from it, and `cp -p` and `rsync -a` bring older ones.
    """
    path = Path(path).expanduser()
    try:
        stat = path.stat()
        with path.open("rb") as stream:
            if stat.st_size <= SMALL:
                return hashlib.sha256(stream.read()).hexdigest()[:16]
            if stream.read(2) == b"\x1f\x8b":
                stream.seek(-8, os.SEEK_END)
                return f"{stat.st_size}-{stream.read().hex()}"
    except OSError:
        return ""
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def readable(path: str | Path) -> None:
    """Give a file the mode of any new one: what safetensors writes only its owner may read."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(path, 0o666 & ~umask)


def read_json(path: str | Path) -> Any:
    """The content of a JSON file; `UserError` names the file if it is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}); delete it so that its rule writes it again") from None


def load_array(path: str | Path, target: str | Path | None = None) -> np.ndarray:
    """The array in an `.npy` file, mapped into memory and read-only; `UserError` says how to make a lost one again.

    `target` is the output that the file belongs to, if it is none itself.
    """
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        what = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(
            f"{path}: {what}; make it again, with the options of this run: snakemake --cores 1 --force {target or path}"
        ) from None


def write_json(content: Any, path: str | Path) -> None:
    """Write JSON with sorted keys, so that equal content has equal bytes."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_csv(table, path: str | Path) -> None:
    """Write a pandas table without its index."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)
