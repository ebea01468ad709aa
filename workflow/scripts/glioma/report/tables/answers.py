"""What models said: samples of their texts beside the truth, and how many answers could be read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from glioma import tasks
from glioma.cohort import crop_files
from glioma.geometry import slices
from glioma.report.html import UNDEFINED, Cell, Out, Table, write
from glioma.tasks import LABELS, STATUSES, read_answers, texts_of

LONGEST = 300
"""Characters of an answer that are shown."""


def sample_answers(
    responses: Mapping[str, Sequence[str | Path]],
    answers: Mapping[str, str | Path],
    tasks: Mapping[str, str],
    folds: str | Path,
    crops_folders: Mapping[str, str | Path],
    cohort_label: str,
    out: Out,
    rows: int = 8,
    side: int = slices.SIDE,
) -> None:
    """For each run some answers as given, as read, and the truth, a table per run.

    responses: run -> its response files (JSONL); answers: run -> its answers CSV, in the order of the responses;
    crops_folders: run -> the folder of the crops that it was asked about.
    """
    grades = pd.read_csv(folds, dtype=str).set_index("patient")["grade"]
    sections = []
    for run, table in answers.items():
        read = read_answers(table)
        chosen = choose(read["status"], rows)
        said = texts_of(responses[run], chosen)
        body = []
        for index in chosen:
            answer = read.iloc[index]
            truth = _truth(tasks[run], answer, grades, crops_folders[run], side)
            body.append(
                [
                    answer["patient"],
                    answer["orientation"],
                    Cell(str(answer["slice"]), key=int(answer["slice"])),
                    Cell(capped(said[index]), tone="text"),
                    Cell(answer["status"].replace("_", " "), tone="" if answer["status"] == "ok" else "bad"),
                    Cell(_parsed(answer), tone="text"),
                    Cell(truth, tone="text"),
                ]
            )
        columns = ("Patient", "Orientation", "Slice", "Answer", "Status", "Read as", "Truth")
        sections.append(Table(run, columns, body, numeric=frozenset({"Slice"})))
    notes = (
        f"Up to {rows} answers a run, evenly spaced in the order of asking, half of them unreadable ones where there "
        f"are any: not a random sample. Texts are cut after {LONGEST} characters. Points are (row, column) pixels.",
    )
    write(out, "Sample answers", cohort_label, sections, notes)


def answer_status(answers: Mapping[str, str | Path], cohort_label: str, out: Out) -> None:
    """How many answers of each run, orientation by orientation, could be read, and what was wrong with the others."""
    body = []
    for run, path in answers.items():
        for orientation, group in read_answers(path).groupby("orientation"):
            counts = group["status"].value_counts()
            share = counts.get("ok", 0) / len(group)
            numbers = [Cell(str(counts.get(status, 0)), key=int(counts.get(status, 0))) for status in STATUSES]
            body.append(
                [run, orientation, Cell(str(len(group)), key=len(group)), Cell(f"{share:.3f}", key=share), *numbers]
            )
    names = [status.replace("_", " ") for status in STATUSES]
    columns = ("Run", "Orientation", "Answers", "Share read", *names)
    table = Table("Answers by status", columns, body, numeric=frozenset(columns[2:]), tools=True)
    notes = (
        "ok: read. empty: no text. malformed: nothing legible in the format asked for. wrong count: too few or too "
        "many points. out of range: a class or coordinate that does not exist. degenerate: a shape without area. "
        "truncated: cut off at the token limit and not legible.",
    )
    write(out, "Could the answers be read?", cohort_label, [table], notes)


def choose(status: pd.Series, count: int) -> list[int]:
    """Positions of up to `count` answers: evenly spaced ones, half of them unreadable if there are as many."""
    ok, bad = np.flatnonzero(status == "ok"), np.flatnonzero(status != "ok")
    from_bad = min(len(bad), max(count // 2, count - len(ok)))
    return sorted([*_even(ok, count - from_bad), *_even(bad, from_bad)])


def capped(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning and how much is missing."""
    return text if len(text) <= longest else f"{text[:longest]} … ({len(text) - longest} more characters)"


def _even(positions: np.ndarray, count: int) -> list[int]:
    count = min(count, len(positions))
    return positions[np.linspace(0, len(positions) - 1, count).round().astype(int)].tolist() if count else []


def _parsed(answer: pd.Series) -> str:
    if pd.notna(answer["choice"]):
        return LABELS[answer["choice"]]
    return capped(answer["points"]) if pd.notna(answer["points"]) else UNDEFINED


def _truth(task: str, answer: pd.Series, grades: pd.Series, crops_folder: str | Path, side: int) -> str:
    """The grade and whether the slice shows tumour, or the true shape in the words of the answers."""
    mask = crop_files.load_mask(crops_folder, answer["patient"])
    shown = slices.render_mask(slices.take(mask, answer["orientation"], answer["slice"]), side) > 0
    own = tasks.get(task)
    if own.whole_slices:
        return f"{grades[answer['patient']]}, {'tumour' if shown.any() else 'no tumour'} in this slice"
    if not shown.any():
        return "no tumour in this slice"
    return own.write(own.of_mask(shown), {"scale": "pixels"}, side)
