"""Digests of files; those of large ones are kept, for weights do not change and take a minute to read."""

import hashlib
from pathlib import Path

from glioma.base.files import read_json, write_json

LARGE = 2**26
"""Bytes from which on a digest is kept."""


def sha256(path: str | Path, kept: str | Path) -> str:
    """SHA-256 of a file's content.

    That of a large file is taken once: it is kept in the folder `kept` for as long as the file's place, inode, size and
    times (of its content and of its inode, which no tool can set back) are what they were.
    """
    path = Path(path)
    stat = path.stat()
    if stat.st_size < LARGE:
        return _take(path)
    now = [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    note = Path(kept) / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"
    if note.exists() and (known := read_json(note))["file"] == now:
        return known["sha256"]
    found = _take(path)
    write_json({"file": now, "sha256": found}, note)
    return found


def _take(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
