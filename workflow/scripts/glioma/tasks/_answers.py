"""What a model said, read: text -> choice or points, and a status that says why not.

Answers are untrusted text. Reading is a total function (any string has a reading, none raises), linear in the length
of the text, and loses nothing silently: every answer keeps its row and gets one of `STATUSES`.

Two readings exist. `strict` accepts the format that the study's prompts demand and nothing around it; the study counted
an answer with a legible choice after other text as an error. `lenient` takes the first legible choice, or the first
coordinate list of the right length, from anywhere in the text.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from glioma.base.errors import UserError
from glioma.geometry import coordinates, shapes

TASKS = ("classification", "center_point", "bounding_box", "polygon")
READINGS = ("strict", "lenient")
STATUSES = ("ok", "empty", "malformed", "wrong_count", "out_of_range", "degenerate", "truncated")
COLUMNS = ("patient", "orientation", "slice", "repeat", "status", "choice", "points", "p_hgg", "text_length")
RESPONSE_KEYS = ("patient", "orientation", "slice", "repeat", "text", "finish", "tokens", "logprobs")

LONGEST = 100_000
"""Characters of an answer that are read; the longest legal answer has some 200."""

LABELS = ("LGG", "HGG", "no glioma")
"""What the choices 0, 1 and 2 stand for in our tables, and in a prompt that says nothing else."""

HUGE = 1e6
"""A coordinate from here on is out of any range and is not converted: an answer may hold thousands of digits."""


@dataclass(frozen=True)
class Limits:
    """What an answer may hold: image side in pixels, polygon points, the coordinates the model speaks, and what the
    choices 0, 1 and 2 stand for in the prompt that it answers, by `LABELS`."""

    side: int = 128
    polygon_points: tuple[int, int] = shapes.POLYGON_POINTS
    convention: Mapping = field(default_factory=lambda: coordinates.DEFAULT)
    choices: Sequence[str] = LABELS

    def __post_init__(self) -> None:
        if sorted(self.choices) != sorted(LABELS):
            raise UserError(f"choices: {list(self.choices)} is no order of {', '.join(LABELS)}; name each once")


@dataclass(frozen=True)
class Answer:
    """A reading. `choice` is the number in `LABELS` when legible, whatever number the prompt gives that label; `points`
    (N, 2) are our (row, column) pixels as far as legible."""

    status: str
    choice: int | None = None
    points: np.ndarray | None = None


# Quantifiers are possessive and a number starts only where no number is under way, so that no text costs more than
# one pass: without either, 100,000 digits would be tried from each of their positions.
_NUMBER = r"(?<![0-9.])[-+]?[0-9]++(?:\.[0-9]++)?"
_LABEL = r"(?:(?<![a-z])[a-z_]{1,12}\s*+[=:]\s*+)?"
_STRICT_PAIR = rf"\(\s*+({_NUMBER})\s*+,\s*+({_NUMBER})\s*+\)"
_STRICT = {
    "center_point": re.compile(_STRICT_PAIR),
    "bounding_box": re.compile(rf"\[\s*+{_STRICT_PAIR}(?:\s*+,\s*+{_STRICT_PAIR})*+\s*+\]"),
    "polygon": re.compile(rf"\(\s*+{_STRICT_PAIR}(?:\s*+,\s*+{_STRICT_PAIR})*+\s*+\)"),
}
_STRICT_PAIRS = re.compile(_STRICT_PAIR)
_LENIENT_PAIRS = re.compile(
    rf"[(\[{{<]\s*+({_LABEL})({_NUMBER})\s*+[,;]\s*+({_LABEL})({_NUMBER})\s*+[)\]}}>]", re.IGNORECASE
)
_FLAT_LIST = re.compile(rf"[(\[{{<]\s*+{_NUMBER}(?:\s*+[,;]\s*+{_NUMBER})++\s*+[)\]}}>]")
_NUMBERS = re.compile(_NUMBER)
_COLUMN_FIRST = re.compile(r"\s*(?:x|col|column)\b", re.IGNORECASE)
_ROW_FIRST = re.compile(r"\s*(?:y|row)\b", re.IGNORECASE)

_STRICT_CHOICE = re.compile(r"Choice: ?([0-9]++)(?:[.,;]?\s++Reasoning:.*+)?", re.DOTALL)
# "<0, 1, or 2>" is the prompt's own template repeated, not a choice.
_NOT_TEMPLATE = r"(?!\s*+(?:,|/|or\b)\s*+(?:or\b\s*+)?[0-9])"
_LENIENT_CHOICE = (
    re.compile(
        r"\b(?:choice|answer|label|class|classification)\b"
        r"(?:\s{0,3}(?:is|would be|:|=|\*|\"|'|<|\(|\[)){0,6}\s{0,3}"
        rf"([0-9]++){_NOT_TEMPLATE}",
        re.IGNORECASE,
    ),
    re.compile(rf"[<(\[{{]\s*+([0-9]++){_NOT_TEMPLATE}\s*+[>)\]}}]"),
    re.compile(r"\A\s*+([0-9]++)\s*+(?:\Z|[.:;\n])"),
)
_CLASS_NAMES = (
    re.compile(r"\blow[- ]grade|\blgg\b", re.IGNORECASE),
    re.compile(r"\bhigh[- ]grade|\bhgg\b", re.IGNORECASE),
    re.compile(r"\bno[- ](?:glioma|tumou?r)\b", re.IGNORECASE),
)


def parse(text: str, task: str, reading: str = "strict", limits: Limits | None = None) -> Answer:
    """Read one answer. Any string is legal; an unknown task or reading is a `ValueError`."""
    if task not in TASKS or reading not in READINGS:
        raise ValueError(f"task {task!r} must be one of {TASKS}, reading {reading!r} one of {READINGS}")
    text = text[:LONGEST].strip()
    if not text:
        return Answer("empty")
    limits = limits or Limits()
    if task == "classification":
        return _choice(text, reading, limits.choices)
    return (_strict_points if reading == "strict" else _lenient_points)(text, task, limits)


def _choice(text: str, reading: str, choices: Sequence[str]) -> Answer:
    if reading == "strict":
        match = _STRICT_CHOICE.fullmatch(text)
    else:
        match = next(filter(None, (pattern.search(text) for pattern in _LENIENT_CHOICE)), None)
    if match:
        digits = match[1].lstrip("0") or "0"
        return Answer("ok", LABELS.index(choices[int(digits)])) if digits in {"0", "1", "2"} else Answer("out_of_range")
    if reading == "lenient":
        named = [choice for choice, pattern in enumerate(_CLASS_NAMES) if pattern.search(text)]
        if len(named) == 1:
            return Answer("ok", named[0])
    return Answer("malformed")


def _strict_points(text: str, task: str, limits: Limits) -> Answer:
    fractions_allowed = str(limits.convention.get("scale")) == "unit"
    if not _STRICT[task].fullmatch(text) or ("." in text and not fractions_allowed):
        return Answer("malformed")
    spoken = [(float(first), float(second)) for first, second in _STRICT_PAIRS.findall(text)]
    answer = _checked(spoken, task, limits, counts=_counts(task, limits))
    if task == "bounding_box" and answer.status == "ok":
        return Answer(_order_of_corners(answer.points), points=answer.points)
    return answer


def _order_of_corners(points: np.ndarray) -> str:
    """Status of four corners that must be the top-left, top-right, bottom-right and bottom-left of one box.

    A model writes each coordinate twice and may not repeat itself exactly: the corners name the smallest box that holds
    them as long as each lies nearest to its own corner of it.
    """
    row_min, col_min, row_max, col_max = *points[0], *points[2]
    if np.array_equal(points, shapes.corners_from_box((row_min, col_min, row_max, col_max))):
        return "degenerate" if row_min > row_max or col_min > col_max else "ok"
    corners = shapes.corners_from_box(shapes.box_from_corners(points))
    distances = np.linalg.norm(points[:, None] - corners, axis=2)
    return "ok" if np.all(np.diag(distances) <= distances.min(axis=1)) else "malformed"


def _lenient_points(text: str, task: str, limits: Limits) -> Answer:
    counts = _counts(task, limits) | ({2} if task == "bounding_box" else set())
    lists = _coordinate_lists(text, task, limits)
    if not lists:
        return Answer("malformed")
    spoken = next((candidate for candidate in lists if len(candidate) in counts), lists[0])
    answer = _checked(spoken, task, limits, counts)
    if task == "bounding_box" and answer.status == "ok":
        return Answer("ok", points=shapes.corners_from_box(shapes.box_from_corners(answer.points)))
    return answer


def _counts(task: str, limits: Limits) -> set[int]:
    if task == "polygon":
        return set(range(limits.polygon_points[0], limits.polygon_points[1] + 1))
    return {1} if task == "center_point" else {4}


def _coordinate_lists(text: str, task: str, limits: Limits) -> list[list[tuple[float, float]]]:
    """Coordinate lists of a text in order: runs of bracketed pairs, all pairs together, else bare numbers in pairs.

    "top-left: (3, 5), top-right: (3, 9) ..." is four runs of one pair; only together do they make a box.
    """
    x_first = limits.convention.get("order") == "x_y"
    runs, everything, end = [], [], None
    for match in _LENIENT_PAIRS.finditer(text):
        first_label, first, second_label, second = match.groups()
        pair = float(first), float(second)
        says_x_first = bool(_COLUMN_FIRST.match(first_label)) and not _COLUMN_FIRST.match(second_label)
        says_row_first = bool(_ROW_FIRST.match(first_label)) and not _ROW_FIRST.match(second_label)
        if (says_x_first and not x_first) or (says_row_first and x_first):
            pair = pair[::-1]
        if end is None or re.search(r"[^\W_]", text[end : match.start()]):
            runs.append([])
        runs[-1].append(pair)
        everything.append(pair)
        end = match.end()
    if everything:
        return [*runs, everything]
    flat = _FLAT_LIST.search(text)
    numbers = [float(number) for number in _NUMBERS.findall(flat[0] if flat else text)]
    if len(numbers) % 2 or not numbers or (not flat and (task != "center_point" or len(numbers) != 2)):
        return []
    return [list(zip(numbers[::2], numbers[1::2], strict=True))]


def _checked(spoken: Sequence[tuple[float, float]], task: str, limits: Limits, counts: set[int]) -> Answer:
    """Count, then convert to our pixels, then range, then area: the first fault names the status."""
    if np.abs(spoken).max() >= HUGE:
        return Answer("wrong_count" if len(spoken) not in counts else "out_of_range")
    points = coordinates.decode(spoken, limits.convention, limits.side)
    if len(points) not in counts:
        return Answer("wrong_count", points=points)
    if points.min() < 0 or points.max() >= limits.side:
        return Answer("out_of_range", points=points)
    if task == "polygon" and np.linalg.matrix_rank(points - points[0]) < 2:
        return Answer("degenerate", points=points)
    return Answer("ok", points=points)


def read_responses(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """The rows of response files (JSONL), in order, with the columns `RESPONSE_KEYS`."""
    rows = []
    for path in [paths] if isinstance(paths, str | Path) else paths:
        # Not splitlines(): JSON text may hold other line separators, such as U+2028.
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), start=1):
            if not line.strip():
                continue
            try:
                content = json.loads(line)
                rows.append({key: content[key] for key in RESPONSE_KEYS})
                if not isinstance(content["text"], str):
                    raise TypeError("text is no string")
            except (json.JSONDecodeError, KeyError, TypeError, RecursionError) as fault:
                raise UserError(
                    f"{path}: line {number} is no response ({type(fault).__name__}: {fault}); delete it and run again"
                ) from None
    return pd.DataFrame(rows, columns=list(RESPONSE_KEYS)).astype({"patient": str})


def probability_of_hgg(logprobs: Mapping[str, float] | None, choices: Sequence[str] = LABELS) -> float:
    """p(HGG) / (p(LGG) + p(HGG)) from natural log probabilities of the choices; NaN where there are none.

    `choices` says which label each number has in the prompt.
    """
    if not logprobs:
        return float("nan")
    lgg, hgg = (logprobs[str(choices.index(label))] for label in ("LGG", "HGG"))
    return float(np.exp(hgg - np.logaddexp(lgg, hgg)))


def answers_table(
    responses: pd.DataFrame, task: str, reading: str = "strict", limits: Limits | None = None
) -> pd.DataFrame:
    """Parse every response: a table with `COLUMNS`, one row per response, in the same order.

    `choice` and `p_hgg` mean the same for every prompt: `limits.choices` says what its numbers stand for.
    `points` is a JSON list of [row, col] (or missing), `choice` a nullable integer. An answer cut off at the token
    limit that cannot be read is "truncated", whatever else is wrong with it.
    """
    limits = limits or Limits()
    parsed = [parse(text, task, reading, limits) for text in responses["text"]]
    cut = responses["finish"].eq("length").tolist()
    table = responses[["patient", "orientation", "slice", "repeat"]].reset_index(drop=True)
    table["status"] = [
        "truncated" if was_cut and answer.status != "ok" else answer.status
        for answer, was_cut in zip(parsed, cut, strict=True)
    ]
    table["choice"] = pd.array([answer.choice for answer in parsed], dtype="Int64")
    table["points"] = pd.array([points_to_text(answer.points) for answer in parsed], dtype="string")
    table["p_hgg"] = np.array(
        [probability_of_hgg(logprobs, limits.choices) for logprobs in responses["logprobs"]], dtype=float
    )
    table["text_length"] = responses["text"].str.len().to_numpy(dtype=int)
    return table[list(COLUMNS)]


def read_answers(path: str | Path) -> pd.DataFrame:
    """An answers CSV as `answers_table` made it."""
    return pd.read_csv(path, dtype={"patient": str, "status": str, "choice": "Int64", "points": "string"})


def points_to_text(points: np.ndarray | None) -> str | None:
    """(N, 2) pixels as the JSON list of an answers table."""
    return None if points is None else json.dumps(np.asarray(points).tolist())


def points_from_text(text: str | None) -> np.ndarray | None:
    """The (N, 2) pixels of an answers table's cell; `None` for a missing one."""
    return None if pd.isna(text) else np.array(json.loads(text), dtype=int).reshape(-1, 2)
