"""What a backend does: it answers prompts about images, scores given choices, and says what determines its answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glioma.vlm import prompts
from glioma.vlm.pictures import Pictures


class Example(NamedTuple):
    """A slice about which the same was asked before, and what was replied."""

    pictures: Pictures
    reply: str


@dataclass(frozen=True, eq=False)
class Prompt:
    """What is asked about every slice: one object, as long as it is the same question.

    image_first: whether the images of a question stand before its text. system: the system prompt. examples: what
    stands before the question (few-shot).
    """

    text: str
    image_first: bool = False
    system: str | None = None
    examples: tuple[Example, ...] = ()

    def messages(self, images: int) -> list[dict]:
        """The conversation that ends with the question about a slice of so many pictures."""
        replies = [example.reply for example in self.examples]
        return prompts.messages(self.text, None, self.image_first, images, self.system, replies)

    def row(self, pictures: Pictures) -> Pictures:
        """All images of the conversation about a slice, in their order."""
        return (*(image for example in self.examples for image in example.pictures), *pictures)


class Choices(NamedTuple):
    """Replies of which one is to be given, after a forced start of the answer."""

    forced_start: str
    options: tuple[str, ...]


class Decoding(NamedTuple):
    """How the tokens of an answer are chosen.

    max_new_tokens: after so many an answer ends.
    temperature: 0 is greedy, and the rest means nothing then.
    top_p: the most likely tokens with this probability together can be drawn; 1 is all.
    min_p: tokens with this share of the most likely one's probability can be drawn; 0 is all.
    seed: of the random numbers, together with each answer's name.
    legal: a regular expression that answers keep to, token by token; None leaves them free.
    stop: an answer ends with the first of these texts.
    choices: those that `logprobs` is asked about next; a backend may find them on the way.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    legal: str | None = None
    choices: Choices | None = None
    stop: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What a model answered: its raw text, "stop" or "length" (it was cut off), and its number of tokens."""

    text: str
    finish: str
    tokens: int


class Backend(ABC):
    """A model of one kind of runtime, with or without an adapter.

    `base` is a model entry: `name`, `path` (a `save_pretrained` folder) and `quantisation`; `adapter` is a PEFT folder
    or None. To build one is cheap: before `load`, only `fingerprint` works.

    The answer of a row depends on its own prompt, image, name and decoding alone, as far as the hardware allows, and
    never on the rows beside it: callers choose batches and shards, take up what a killed job left, and expect the same.
    Order, resuming, files, timing and the rendering of images are theirs. What a user can fix is a `UserError`.
    """

    def __init__(self, base: Mapping, adapter: str | Path | None = None) -> None:
        self.base = base
        self.adapter = None if adapter is None else Path(adapter)

    @abstractmethod
    def fingerprint(self) -> dict[str, str]:
        """All that determines the answers besides the questions, by name: digests of weights, quantisation, versions.

        Works without loading the model. What a killed job wrote is gone on with only if this has not changed.
        """

    @abstractmethod
    def load(self) -> None:
        """Get ready to answer, unless it is; `UserError` if the model is not there or not whole."""

    @abstractmethod
    def answer(
        self, prompt: Prompt, slices: Sequence[Pictures], names: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        """The answers to a prompt about each of the slices, in order.

        `names` are those of the rows, as many as slices: equal names and seeds draw equal random numbers, others
        independent ones. The pictures of a slice that is asked about several times may be the same object each time,
        and sizes may differ.
        """

    @abstractmethod
    def logprobs(self, prompt: Prompt, slices: Sequence[Pictures], choices: Choices) -> np.ndarray | None:
        """Natural log-probabilities (slices, options), float64, of each choice after the forced start of the answer.

        They are renormalised over the options: the exponentials of a row add up to 1. Slices are those of the last call
        of `answer`, or others. None where the backend knows none; NaN in a row that it knows none of.
        """
