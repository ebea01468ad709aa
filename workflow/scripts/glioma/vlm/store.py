"""Answers that were given before, by what determines them: the same question is never asked twice.

An answer is determined by its context (the exact prompt, model and adapter, decoding, code) and by its image's bytes;
where tokens are drawn, by the name of its row and the seed as well. What does not determine it (the run's name, the
order of rows, batches, shards, the study, other patients) makes no other answer.

    <folder>/<context>/context.json          what the context is, for those who read; its time is that of its last use
    <folder>/<context>/<host>-<process>-<random>.jsonl    one writer's answers, a line each, only ever appended to

No locks, for they are not to be had on every cluster's file system: every writer has a file of its own, readers read
them all, and what a kill left of a last line is no answer. A store that is lost costs time and nothing else.
"""

import hashlib
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from glioma.base.files import read_json, write_json
from glioma.base.partial import fingerprint
from glioma.vlm.pictures import Pictures

ABOUT = "context.json"
DAY = 86400.0


def digest(pictures: Pictures) -> str:
    """A digest of the mode, size and pixels of a question's pictures."""
    found = hashlib.sha256()
    for image in pictures:
        found.update(f"{image.mode} {image.size} ".encode() + image.tobytes())
    return found.hexdigest()


class Store:
    """The answers of one context: those that are there, and those that are added.

    `causes` determine an answer besides its own key, as JSON; `about` is what is written down for people; what has not
    all of `fields` is no answer. Without a folder nothing is known and nothing kept.
    """

    def __init__(
        self,
        folder: str | Path | None,
        causes: Mapping[str, Any],
        about: Mapping[str, Any],
        fields: Collection[str] = (),
    ) -> None:
        self.known: dict[str, dict] = {}
        self.place = Path(folder) / fingerprint(causes) if folder else None
        self.own: Path | None = None
        if self.place is None:
            return
        self.known = {key: each for key, each in read(self.place).items() if set(fields) <= each.keys()}
        self.about = dict(about)

    def add(self, answers: Mapping[str, dict]) -> None:
        """Keep answers by their keys, so that they are on disk when this returns."""
        self.known |= answers
        if self.place is None or not answers:
            return
        if self.own is None:
            self.place.mkdir(parents=True, exist_ok=True)
            self.own = self.place / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        with self.own.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps({"key": key, **answer}) + "\n" for key, answer in answers.items())
            lines.flush()
            os.fsync(lines.fileno())

    def used(self) -> None:
        """Note that the context was used now."""
        if self.place is not None and self.place.is_dir():
            write_json(self.about, self.place / ABOUT)


def read(place: Path) -> dict[str, dict]:
    """All answers of a context's folder, by their keys."""
    found = {}
    for file in sorted(place.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                answer = json.loads(line)
                found[answer.pop("key")] = answer
            except (ValueError, KeyError, AttributeError, TypeError):
                continue  # an empty line, or what a kill left of one
    return found


def uses(folder: str | Path) -> list[dict[str, Any]]:
    """The contexts of a store, without their answers: `place`, `days` since its last use, and `about`."""
    found = []
    for place in sorted(path for path in Path(folder).glob("*") if path.is_dir()):
        files = list(place.glob("*.jsonl"))
        note = place / ABOUT
        last = max((path.stat().st_mtime for path in [*files, note] if path.exists()), default=0.0)
        found.append(
            {
                "place": place,
                "days": (time.time() - last) / DAY,
                "about": read_json(note) if note.exists() else {},
            }
        )
    return found


def contexts(folder: str | Path) -> list[dict[str, Any]]:
    """What is in a store: `uses`, and of each context how many `answers` it has and their `bytes`."""
    return [
        each
        | {
            "answers": len(read(each["place"])),
            "bytes": sum(path.stat().st_size for path in each["place"].glob("*.jsonl")),
        }
        for each in uses(folder)
    ]


def prune(folder: str | Path, days: float) -> list[dict[str, Any]]:
    """Delete the contexts that were not used for so many days; return them."""
    old = [context for context in contexts(folder) if context["days"] > days]
    for context in old:
        shutil.rmtree(context["place"])
    return old


def table(found: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Lines for the terminal: what each context is, and what it holds."""
    yield f"{'model':<16} {'adapter':<24} {'prompt':<44} {'answers':>8} {'MB':>7} {'days':>5}"
    for context in sorted(found, key=lambda each: each["days"]):
        about = context["about"]
        prompt = " ".join(str(about.get("prompt", "?")).split())
        shown = prompt if len(prompt) <= 44 else f"{prompt[:41]}..."
        names = f"{about.get('model', '?'):<16} {about.get('adapter') or '-':<24} {shown:<44}"
        yield f"{names} {context['answers']:>8} {context['bytes'] / 1e6:>7.1f} {context['days']:>5.0f}"
    total = sum(context["answers"] for context in found)
    yield f"{len(found)} contexts, {total} answers, {sum(context['bytes'] for context in found) / 1e6:.1f} MB"
