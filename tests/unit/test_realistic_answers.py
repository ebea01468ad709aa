"""Answers as vision-language models give them, each with its right reading by a person: none is misread.

The files of tests/unit/answers hold a reading and an answer a line ("-": nothing can be read; line breaks as \\n). They
were written for this, in the manner of models that explain, think aloud, format, repeat the question or refuse.
"""

from pathlib import Path

import pytest

from glioma import tasks
from glioma.geometry import shapes

FOLDER = Path(__file__).parent / "answers"
ANSWERS = {path.stem: path for path in sorted(FOLDER.glob("*.tsv"))}


def answers(task):
    for line in ANSWERS[task].read_text(encoding="utf-8").splitlines():
        reading, text = line.split("\t")
        yield reading, text.replace("\\n", "\n").replace("\\\\", "\\")


def read(task, text, mode):
    """The reading of a parsed answer, written as in the files."""
    answer = tasks.get(task).parse(text, mode)
    if answer.status != "ok":
        return "-"
    if task == "presence":
        return ("no", "yes")[answer.choice]
    if answer.points is None:
        return str(answer.choice)
    if task == "bounding_box":
        return ",".join(map(str, shapes.box_from_corners(answer.points)))
    return ";".join(f"{row},{column}" for row, column in answer.points.tolist())


def test_there_are_answers_to_every_task():
    assert set(ANSWERS) == set(tasks.queries())
    texts = [(task, text) for task in ANSWERS for _, text in answers(task)]
    assert len(texts) == len(set(texts)) >= 500


@pytest.mark.parametrize("mode", tasks.MODES)
@pytest.mark.parametrize("task", ANSWERS)
def test_none_is_misread(task, mode):
    found = [(text, reading, read(task, text, mode)) for reading, text in answers(task)]
    assert [each for each in found if each[2] not in (each[1], "-")] == []


@pytest.mark.parametrize("task", ANSWERS)
def test_nearly_all_that_can_be_read_are(task):
    readable = [(text, reading, read(task, text, "lenient")) for reading, text in answers(task) if reading != "-"]
    missed = [text for text, _, got in readable if got == "-"]
    assert len(missed) <= 0.1 * len(readable), missed
