"""The prompt workbench: one patient's slices asked with the edited prompt, beside what former prompts were answered.

Former answers come from the answer store: those of the same model, adapter and decoding to the same pictures.
"""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skimage.measure
from markupsafe import Markup, escape

from glioma import tasks
from glioma.base import pages
from glioma.base.uris import data_uri
from glioma.cohort import crop_files
from glioma.geometry import shapes, slices
from glioma.tasks import Answer, QueryTask
from glioma.vlm import pictures, store
from glioma.vlm.backends import Prompt
from glioma.vlm.images import Crops
from glioma.vlm.requests import Request
from glioma.vlm.respond import about, key_of
from glioma.vlm.settings import Responses

PAGE = Path(__file__).with_name("page.html.jinja")
MOST = 3
"""Former prompts that are shown, the last used ones."""


@dataclass
class Given:
    """What one prompt was answered about one slice: words, how they were parsed, what they are worth (0 to 1)."""

    text: str
    status: str
    score: float | None
    path: str = ""


@dataclass
class Row:
    """One slice: its picture, the truth, and what each prompt was answered."""

    name: str
    picture: str
    truth: str
    path: str
    given: list[Given | None] = field(default_factory=list)


@dataclass
class Bench:
    """What a page shows besides prompts: the slices of one patient, their truth, and how answers to them are read.

    `parsing` as `settings.parsing` says, `truth` as the settings of conversations, `how` those of `Responses`.
    """

    requests: Sequence[Request]
    crops: Path
    task: QueryTask
    parsing: Mapping
    truth: Mapping
    hgg: bool
    how: Mapping

    @property
    def limits(self) -> tasks.Limits:
        """What an answer may hold."""
        points, choices = (tuple(self.parsing[key]) for key in ("polygon_points", "choices"))
        return tasks.Limits(self.parsing["side"], points, self.parsing["coordinates"], choices)

    def former(
        self, kept: str | Path | None, base: Mapping, adapter: str | Path | None, prompt: Prompt
    ) -> list[tuple[str, dict[str, dict]]]:
        """The prompts that the same model was asked before, for the same task and in the same way, last used first:
        (prompt, answers by key)."""
        if not kept:
            return []
        said = json.loads(json.dumps(about(base, adapter, prompt, Responses.read(self.how), self.task.name)))
        alike = [
            context
            for context in sorted(store.uses(kept), key=lambda each: each["days"])
            if {**context["about"], "prompt": None} == {**said, "prompt": None}
            and context["about"].get("prompt") != prompt.text
        ]
        return [(context["about"]["prompt"], store.read(context["place"])) for context in alike[:MOST]]

    def rows(self, responses: pd.DataFrame, others: Sequence[Mapping[str, dict]]) -> list[Row]:
        """A row for each slice: the answers of `responses`, one a request in order, and those of former prompts."""
        how, found = Responses.read(self.how), []
        several = any(request.repeat for request in self.requests)
        slices_shown = Crops(self.crops).pictures(self.requests, how.side, how.frame, how.picture)
        for request, shown, text in zip(self.requests, slices_shown, responses["text"], strict=True):
            mask = crop_files.load_mask(self.crops, request.patient)
            drawn = slices.render_mask(slices.take(mask, request.orientation, request.slice) > 0, self.limits.side)
            tumour = bool(drawn.any())
            truth = (
                self.task.true_answer(self.hgg, tumour, drawn, self.truth) if tumour or self.task.whole_slices else ""
            )
            row = Row(
                f"{request.orientation} {request.slice}" + (f", sample {request.repeat + 1}" if several else ""),
                data_uri(pictures.beside(shown), "png"),
                truth,
                _outline(drawn),
            )
            key = key_of(request, shown, how)
            for given in (text, *(each.get(key, {}).get("text") for each in others)):
                row.given.append(None if given is None else self._given(given, truth, drawn))
            found.append(row)
        return found

    def _given(self, text: str, truth: str, drawn: np.ndarray) -> Given:
        parsed = self.task.parse(text, self.parsing["parsing"], self.limits)
        score = None
        if truth:
            wanted = self.task.parse(truth, "strict", self.limits)
            place = {"box": shapes.box_from_mask(drawn)}
            score = float(self.task.generation_score([parsed], [wanted], [place], self.limits))
        return Given(text, parsed.status, score, _drawing(parsed, self.task))

    def write(
        self,
        path: str | Path,
        responses: pd.DataFrame,
        prompt: str,
        others: Sequence[tuple[str, Mapping[str, dict]]],
        **shown: Any,
    ) -> None:
        """Write the page. `shown`: run, patient, banner, about."""
        found = self.rows(responses, [answers for _, answers in others])
        words = [escape(prompt), *(difference(old, prompt) for old, _ in others)]
        side, sums = self.limits.side, totals(found, len(words))
        page = PAGE.read_text(encoding="utf-8")
        pages.write(path, page, rows=found, prompts=words, totals=sums, side=side, **shown)


def _outline(mask: np.ndarray) -> str:
    """The path of a mask's outlines, for SVG."""
    lines = skimage.measure.find_contours(np.pad(mask, 1).astype(float), 0.5)
    return "".join(_closed(line[:, ::-1] - 0.5) for line in lines)


def _drawing(answer: Answer, task: QueryTask) -> str:
    """The path of an answer that has points, for SVG."""
    if answer.points is None or answer.status != "ok" or not hasattr(task, "drawing"):
        return ""
    points = answer.points
    if task.drawing(points).kind == "box":
        # Corners that do not agree are the smallest box around them.
        points = shapes.corners_from_box(shapes.box_from_corners(points))
    points = points[:, ::-1] + 0.5
    if len(points) == 1:
        x, y = points[0]
        return f"M{x - 3},{y}h6M{x},{y - 3}v6"
    return _closed(points)


def _closed(points: np.ndarray) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points) + "Z"


def difference(old: str, new: str) -> Markup:
    """A former prompt, with the words marked that the new one does not have, and those that it has instead."""
    one, other = (re.findall(r"\S+\s*", text) for text in (old, new))
    parts = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        gone, come = escape("".join(one[a:b])), escape("".join(other[c:d]))
        if kind == "equal":
            parts.append(gone)
        else:
            parts += [Markup("<del>{}</del>").format(gone)] if gone else []
            parts += [Markup("<ins>{}</ins>").format(come)] if come else []
    return Markup("").join(parts)


def totals(found: Sequence[Row], count: int) -> list[dict[str, Any]]:
    """For each prompt: slices answered, the share parsed, and the mean score of those that have one."""
    summed = []
    for number in range(count):
        given = [row.given[number] for row in found if row.given[number] is not None]
        scores = [each.score for each in given if each.score is not None]
        summed.append(
            {
                "slices": len(given),
                "parsed": np.mean([each.status == "ok" for each in given]) if given else None,
                "score": np.mean(scores) if scores else None,
                "scored": len(scores),
            }
        )
    return summed
