"""From the files of raw text to a table of parsed answers."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from glioma.base.answers import COLUMNS, LABELS
from glioma.base.errors import UserError
from glioma.base.files import atomic_path
from glioma.tasks._answer import Limits
from glioma.tasks._task import QueryTask

QUESTION = ("patient", "orientation", "slice", "repeat")
MOST_LOGPROB = 1e-6
"""The logarithm of a probability is at most 0, but for what rounding adds."""
AT_ONCE = 20_000
"""Responses in memory at once: a run on a large cohort has millions."""
RESPONSE_KEYS = ("patient", "orientation", "slice", "repeat", "text", "finish", "tokens", "logprobs")


def _check_types(content: Mapping) -> None:
    """`TypeError` for a response whose values are not what `vlm.respond` writes; lone surrogates are no text."""
    for names, kinds in ((("patient", "orientation", "text", "finish"), str), (("slice", "repeat", "tokens"), int)):
        for name in names:
            if not isinstance(content[name], kinds) or isinstance(content[name], bool):
                raise TypeError(f"{name} is no {'text' if kinds is str else 'whole number'}")
    logprobs = content["logprobs"]
    if not isinstance(logprobs, dict | None):
        raise TypeError("logprobs is no mapping")
    if logprobs is not None and set(logprobs) != set(map(str, range(len(LABELS)))):
        raise ValueError(f"logprobs are of {', '.join(logprobs) or 'nothing'}, not of 0, 1 and 2")
    for value in (logprobs or {}).values():
        if not isinstance(value, int | float) or isinstance(value, bool) or not value <= MOST_LOGPROB:
            raise ValueError(f"{value!r} is no logarithm of a probability")
    content["text"].encode()


def responses(path: str | Path) -> Iterator[dict]:
    """The rows of a file of responses (JSONL), in order: mappings with `RESPONSE_KEYS`, read as they are asked for.

    `UserError` names file and line of what is no response.
    """
    return (row for _, row in _rows(path))


def _rows(path: str | Path) -> Iterator[tuple[int, dict]]:
    """The rows of a file and the numbers of their lines."""
    for number, line in _lines(path):
        try:
            content = json.loads(line)
            row = {key: content[key] for key in RESPONSE_KEYS}
            _check_types(content)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{path}: line {number} is no response ({type(error).__name__}: {error}); delete it and run again"
            ) from None
        yield number, row


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that hold anything, and their numbers, from 1."""
    try:
        # No other line ends: JSON text may hold other separators, such as U+2028.
        with Path(path).open(encoding="utf-8", newline="\n") as lines:
            yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason}); delete the file and run again") from None


def read_responses(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """The rows of response files (JSONL), in order, with the columns `RESPONSE_KEYS`.

    `UserError` as `responses`, and for a second answer to one question, which would vote twice.
    """
    rows: list[dict] = []
    first: dict[tuple, str] = {}
    for path in [paths] if isinstance(paths, str | Path) else paths:
        for number, row in _rows(path):
            key = tuple(row[name] for name in QUESTION)
            if key in first:
                raise UserError(
                    f"{path}: line {number} answers {'/'.join(map(str, key))} again, as {first[key]}; delete the file "
                    "and run again"
                )
            first[key] = f"line {number} of {path}"
            rows.append(row)
    return _table(rows)


def _table(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Rows of `responses` as a table."""
    return pd.DataFrame(rows, columns=list(RESPONSE_KEYS)).astype({"patient": str})


def texts_of(paths: Iterable[str | Path], positions: Collection[int]) -> dict[int, str]:
    """Position -> raw text of some rows of response files, counted from 0 through all files; others are not parsed."""
    wanted = set(positions)
    lines = (line for path in paths for _, line in _lines(path))
    return {position: json.loads(line)["text"] for position, line in enumerate(lines) if position in wanted}


def probability_of_hgg(logprobs: Mapping[str, float] | None, choices: Sequence[str] = LABELS) -> float:
    """p(HGG) / (p(LGG) + p(HGG)) from natural log probabilities of the choices; NaN where there are none.

    `choices` says which label each number has in the prompt.
    """
    if not logprobs:
        return float("nan")
    lgg, hgg = (logprobs[str(choices.index(label))] for label in ("LGG", "HGG"))
    return float(np.exp(hgg - np.logaddexp(lgg, hgg)))


def _likeliest(logprobs: Mapping[str, float] | None, choices: Sequence[str]) -> int | None:
    """The number in `LABELS` of the most likely choice; None where nothing is known of them."""
    return LABELS.index(choices[int(max(logprobs, key=logprobs.__getitem__))]) if logprobs else None


def answers_table(
    responses: pd.DataFrame, task: QueryTask, mode: str = "strict", limits: Limits | None = None
) -> pd.DataFrame:
    """Parse every response: a table with `COLUMNS`, one row per response, in the same order.

    `choice`, `p_hgg` and `likeliest` (the choice of the largest probability) mean the same for every prompt:
    `limits.choices` says what its numbers stand for.
    `points` is a JSON list of [row, col] (or missing), `choice` a nullable integer. An answer cut off at the token
    limit that cannot be parsed is "truncated", whatever else is wrong with it.
    """
    limits = limits or Limits()
    parsed = [task.parse(text, mode, limits) for text in responses["text"]]
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
    table["likeliest"] = pd.array(
        [_likeliest(logprobs, limits.choices) for logprobs in responses["logprobs"]], dtype="Int64"
    )
    table["text_length"] = responses["text"].str.len().to_numpy(dtype=int)
    return table[list(COLUMNS)]


def write_answers(
    rows: Iterable[Mapping],
    path: str | Path,
    task: QueryTask,
    mode: str = "strict",
    limits: Limits | None = None,
    at_once: int = AT_ONCE,
) -> dict[str, int]:
    """Write the `answers_table` of rows of responses as CSV, `at_once` rows at a time.

    Returns how many have each status, the commonest first.
    """
    rows, counts, first = iter(rows), Counter[str](), True
    with atomic_path(path) as temporary:
        # No rows at all are a table, too.
        while (part := list(islice(rows, at_once))) or first:
            table = answers_table(_table(part), task, mode, limits)
            table.to_csv(temporary, index=False, header=first, mode="a")
            counts.update(table["status"])
            first = False
    return dict(counts.most_common())


def read_answers(path: str | Path) -> pd.DataFrame:
    """An answers CSV as `answers_table` made it."""
    kinds = {"patient": str, "status": str, "choice": "Int64", "points": "string", "likeliest": "Int64"}
    return pd.read_csv(path, dtype=kinds)


def points_to_text(points: np.ndarray | None) -> str | None:
    """(N, 2) pixels as the JSON list of an answers table."""
    return None if points is None else json.dumps(np.asarray(points).tolist())


def points_from_text(text: str | None) -> np.ndarray | None:
    """The (N, 2) pixels of an answers table's cell; `None` for a missing one."""
    return None if pd.isna(text) else np.array(json.loads(text), dtype=int).reshape(-1, 2)
