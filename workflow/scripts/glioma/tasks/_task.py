"""What all tasks have in common: the facts that tables and figures show, and the interface that the stages call."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glioma.geometry import coordinates
from glioma.tasks._answer import LONGEST, MODES, Answer, Limits

THOUGHT = "</think>"
"""What ends the thoughts of thinking models (Qwen3, DeepSeek-R1 and those like them)."""


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

    whole_slices: it is about a slice as it is, in any orientation and frame, with tumour or without; else it locates
        the tumour of an axial slice, in pixels of a square.
    forced_start, choices: what the answer begins with when its choices are scored by their log-probabilities, and those
        choices; none for free answers.
    """

    whole_slices: bool = False
    forced_start: str | None = None
    choices: tuple[str, ...] = ()

    def parse(self, text: str, mode: str = "strict", limits: Limits | None = None) -> Answer:
        """Parse one answer. Any string is legal; an unknown mode is a `ValueError`."""
        if mode not in MODES:
            raise ValueError(f"parsing {mode!r} must be one of {MODES}")
        # What a thinking model thought is no part of its answer.
        if THOUGHT in text:
            text = text.rpartition(THOUGHT)[2].lstrip()
        # Strictly, what stands before the answer makes it an error, line breaks too (the study's Figure 6, slice 4).
        text = text[:LONGEST].rstrip() if mode == "strict" else text[:LONGEST].strip()
        return self.interpret(text, mode, limits or Limits()) if text else Answer("empty")

    @abstractmethod
    def interpret(self, text: str, mode: str, limits: Limits) -> Answer:
        """`parse` of a text that is neither empty nor too long."""

    @abstractmethod
    def true_answer(self, hgg: bool, tumour: bool, mask: np.ndarray, settings: Mapping) -> str:
        """The true answer's text for training.

        `hgg` is the patient's grade, `tumour` whether the slice counts as one with tumour, `mask` the rendered slice
        (side, side), `settings` those of conversations.
        """

    @abstractmethod
    def generation_score(
        self, found: Sequence[Answer], wanted: Sequence[Answer], rows: Sequence[Mapping], limits: Limits
    ) -> float:
        """What answers to validation conversations are worth, 0 to 1; one that cannot be parsed is wrong."""

    def wording(self, limits: Limits) -> dict[str, str]:
        """What the fields of a prompt stand for, {field: words}."""
        return {"size": coordinates.words(limits.convention, limits.side)["size"]}

    @abstractmethod
    def legal(self, limits: Limits) -> str:
        """The regular expression of the answers that strict parsing accepts, see `_legal`."""

    def check_prompt(self, prompt: str, limits: Limits) -> str | None:
        """What a prompt asks for that the parser does not accept, in words; None where they agree."""
        return None


@dataclass(frozen=True)
class LabelTask(QueryTask):
    """A task whose answer is one of two labels of a slice as a whole, `choice` 1 for the positive one and 0 else.

    positive: the label that says there is something, within a sentence.
    """

    whole_slices: bool = True
    positive: str = "yes"

    def generation_score(
        self, found: Sequence[Answer], wanted: Sequence[Answer], rows: Sequence[Mapping], limits: Limits
    ) -> float:
        """Balanced accuracy over the labels."""
        return balanced_score(found, wanted)


def balanced_score(found: Sequence[Answer], wanted: Sequence[Answer]) -> float:
    """Mean over the true choices of the share answered right, as balanced accuracy."""
    truth = np.array([answer.choice for answer in wanted])
    right = np.array([one.choice == other.choice for one, other in zip(found, wanted, strict=True)])
    return float(np.mean([right[truth == choice].mean() for choice in np.unique(truth)]))
