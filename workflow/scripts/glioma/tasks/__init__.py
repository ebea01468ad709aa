"""What a method can be given to do, a module a task: `get("polygon")` is that of `tasks/polygon.py`.

A module here that does not begin with an underscore is a task, and nothing else says which there are. It is imported by
its name, so that a rule depends on the code of the tasks that it works on and of no other: such a rule names them to
`provenance.code` by `module`.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from glioma.base.answers import COLUMNS, LABELS
from glioma.tasks._answer import MODES, STATUSES, UNREADABLE, Answer, Limits, kinds
from glioma.tasks._located import Drawing, LocatedTask, RegionTask
from glioma.tasks._responses import (
    answers_table,
    points_from_text,
    points_to_text,
    read_answers,
    read_responses,
    responses,
    texts_of,
    write_answers,
)
from glioma.tasks._task import LabelTask, QueryTask, Task

__all__ = [
    "COLUMNS",
    "LABELS",
    "MODES",
    "STATUSES",
    "UNREADABLE",
    "Answer",
    "Drawing",
    "LabelTask",
    "Limits",
    "LocatedTask",
    "QueryTask",
    "RegionTask",
    "Task",
    "answers_table",
    "get",
    "kinds",
    "labelling",
    "located",
    "module",
    "names",
    "points_from_text",
    "points_to_text",
    "queries",
    "read_answers",
    "read_responses",
    "responses",
    "texts_of",
    "write_answers",
]


@cache
def names() -> tuple[str, ...]:
    """The names of all tasks, in the order in which they are shown."""
    found = [path.stem for path in Path(__file__).parent.glob("[!_]*.py")]
    return tuple(sorted(found, key=lambda name: (get(name).position, name)))


def labelling() -> tuple[str, ...]:
    """The names of the tasks that label whole slices, in order."""
    return tuple(name for name in names() if isinstance(get(name), LabelTask))


def located() -> tuple[str, ...]:
    """The names of the tasks that locate the tumour on a slice, in order."""
    return tuple(name for name in names() if isinstance(get(name), LocatedTask))


def queries() -> tuple[str, ...]:
    """The names of the tasks that a vision-language model can be asked, in order."""
    return tuple(name for name in names() if isinstance(get(name), QueryTask))


def module(name: str) -> str:
    """The dotted name of a task's module."""
    return f"{__name__}.{name}"


@cache
def get(name: str) -> Any:
    """A task by its name; `ValueError` for an unknown one."""
    if not (Path(__file__).parent / f"{name}.py").is_file() or name.startswith("_"):
        raise ValueError(f"task {name!r}: there is none of that name")
    return import_module(module(name)).TASK
