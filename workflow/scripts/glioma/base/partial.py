"""An output file that survives its job being killed: appended to under another name, taken up again, then renamed."""

import hashlib
import json
import os
from pathlib import Path

from glioma.base.files import write_json


def fingerprint(content: object) -> str:
    """SHA-256 of any JSON content, independent of the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Partial:
    """Lines appended to `<name>.partial<suffix>` beside `path`, valid while their causes have the same fingerprint."""

    def __init__(self, path: str | Path, mark: str) -> None:
        self.path = Path(path)
        self.file = self.path.with_name(f"{self.path.stem}.partial{self.path.suffix}")
        self.side = self.path.with_name(f"{self.path.stem}.partial.json")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not (self.side.exists() and self.side.read_text() == self._mark(mark)):
            self.file.unlink(missing_ok=True)
            write_json({"fingerprint": mark}, self.side)

    @staticmethod
    def _mark(mark: str) -> str:
        return json.dumps({"fingerprint": mark}, indent=1, sort_keys=True) + "\n"

    def resume(self, batch: int) -> int:
        """Cut what is there to whole batches of whole lines; return how many lines stay."""
        if not self.file.exists():
            self.file.touch()
            return 0
        content = self.file.read_bytes()
        lines = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
        kept = len(lines) // batch * batch
        os.truncate(self.file, sum(map(len, lines[:kept])))
        return kept

    def append(self, lines: list[str]) -> None:
        """Append lines so that they are on disk when this returns."""
        with self.file.open("a", encoding="utf-8") as stream:
            stream.writelines(line + "\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())

    def finish(self) -> None:
        """Give the file its final name."""
        os.replace(self.file, self.path)
        self.side.unlink()
