"""Files appear whole or not at all: written beside their final name, then renamed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glioma.base.errors import UserError


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


def write_json(content: Any, path: str | Path) -> None:
    """Write JSON with sorted keys, so that equal content has equal bytes."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_csv(table, path: str | Path) -> None:
    """Write a pandas table without its index."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)
