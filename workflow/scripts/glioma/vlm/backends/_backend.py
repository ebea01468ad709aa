"""What a backend does: it answers prompts about images, scores given choices, and says what determines its answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image


class Prompt(NamedTuple):
    """What is asked about every image, and whether the image stands before it."""

    text: str
    image_first: bool = False


class Decoding(NamedTuple):
    """How the tokens of an answer are chosen.

    max_new_tokens: after so many an answer ends.
    temperature: 0 is greedy, and the rest means nothing then.
    top_p: the most likely tokens with this probability together can be drawn; 1 is all.
    min_p: tokens with this share of the most likely one's probability can be drawn; 0 is all.
    seed: of the random numbers, together with each answer's name.
    legal: a regular expression that answers keep to, token by token; None leaves them free.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    legal: str | None = None


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
        self, prompt: Prompt, images: Sequence[Image.Image], names: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        """The answers to a prompt about each of the RGB images, in order.

        `names` are those of the rows, as many as images: equal names and seeds draw equal random numbers, others
        independent ones. An image that is asked about several times may be the same object each time, and sizes may
        differ.
        """

    @abstractmethod
    def logprobs(
        self, prompt: Prompt, images: Sequence[Image.Image], forced_start: str, choices: Sequence[str]
    ) -> np.ndarray | None:
        """Natural log-probabilities (images, choices), float64, of each choice after a forced start of the answer.

        They are renormalised over the choices: the exponentials of a row add up to 1. Images are those of the last call
        of `answer`, or others. None where the backend knows none; NaN in a row that it knows none of.
        """
