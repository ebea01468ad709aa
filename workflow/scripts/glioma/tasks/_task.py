"""What all tasks have in common: the facts that tables and figures show, and the interface that the stages call."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A task of any method.

    name: as in the configuration and in the column `task`.
    title: as a heading ("Bounding box").
    noun: one answer, within a sentence ("box").
    output: what a method delivers: a "grade" of a patient, a "region" of pixels, a "point", or a "label" of a slice.
        Only methods of one output can be compared.
    position: where it stands among the others.
    """

    name: str
    title: str
    noun: str
    output: str
    position: int


@dataclass(frozen=True)
class QueryTask(Task):
    """A task that a vision-language model is asked about one slice.

    forced_start, choices: what the answer begins with when its choices are scored by their log-probabilities, and those
        choices; none for free answers.
    """

    forced_start: str | None = None
    choices: tuple[str, ...] = ()
