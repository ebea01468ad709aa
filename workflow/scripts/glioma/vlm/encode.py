"""From prompts and slices to a model's input tensors.

A row is one question with all its images, those of its examples included. Images of one size have features of one size,
and a question about them has one length: a prompt is tokenised once for the sizes of a row's images, a row is
preprocessed once, and no batch of such rows needs padding to be answered. That is also why an answer cannot depend on
the rows it shares a batch with.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from glioma.vlm import processors, prompts
from glioma.vlm.pictures import Pictures

Features = dict[str, torch.Tensor]
Sizes = tuple[tuple[int, int], ...]
"""(width, height) of each image of a row."""


def sizes(row: Pictures) -> Sizes:
    """The sizes of a row's images."""
    return tuple(image.size for image in row)


def alike(slices: Sequence[Pictures]) -> Iterator[tuple[Sizes, list[int]]]:
    """Sizes that slices have, and the numbers of those that have them, in the order of the first ones."""
    shapes = [sizes(pictures) for pictures in slices]
    for shape in dict.fromkeys(shapes):
        yield shape, [row for row, own in enumerate(shapes) if own == shape]


def image_features(processor: ProcessorMixin, rows: Sequence[Pictures]) -> list[Features]:
    """The processor's tensors of each row's images, first axis kept, for rows of the same sizes.

    The processor as a whole is asked, because what it tells its image processor (InternVL: to cut tiles) is its own.
    """
    # What a question is about matters nothing to its images.
    text = processors.chat(processor, prompts.messages("?", images=len(rows[0])), answers=True)
    features = _process(processor, [text] * len(rows), rows)
    names = set(features) - set(_of_tokens(features))
    # Some models stack images, others concatenate their patches; either way each row has an equal share of axis 0.
    chunks = {name: features[name].chunk(len(rows)) for name in names}
    return [{name: parts[i].clone() for name, parts in chunks.items()} for i in range(len(rows))]


def text_features(processor: ProcessorMixin, text: str, images: Pictures) -> tuple[Features, set[str]]:
    """Token tensors, (1, length, ...), of a chat text about images, and the names of the images' tensors."""
    features = _process(processor, [text], [images])
    tokens = _of_tokens(features)
    return tokens, set(features) - set(tokens)


def _process(processor: ProcessorMixin, texts: Sequence[str], rows: Sequence[Pictures]) -> Features:
    """All tensors of chat texts with a row of images each, but for labels, which are ours to make."""
    # The chat template has written the special tokens already. Nested lists say which images are each text's: Mllama
    # would take a flat list for one text with many images.
    nested = [list(images) for images in rows]
    told = {"images_kwargs": dict(own)} if (own := getattr(processor, "image_settings", {})) else {}
    features = processor(text=list(texts), images=nested, add_special_tokens=False, return_tensors="pt", **told)
    return {name: value for name, value in features.items() if torch.is_tensor(value) and name != "labels"}


def _of_tokens(features: Features) -> Features:
    """The tensors that have a place for every token."""
    shape = features["input_ids"].shape
    return {name: value for name, value in features.items() if value.ndim >= 2 and value.shape[:2] == shape}


class Question:
    """Messages that end with a question, tokenised once for images of these sizes."""

    def __init__(self, processor: ProcessorMixin, messages: Sequence[dict], sizes: Sizes) -> None:
        self.processor = processor
        self.turn = processors.turn(processor, messages)
        blank = tuple(Image.new("RGB", size) for size in sizes)
        self.text, self.image_names = text_features(processor, self.turn.question, blank)
        self.replies: dict[str, list[int]] = {}

    @cached_property
    def written(self) -> list[int]:
        """The tokens of the question's own text, before images take the places of theirs."""
        return self._tokens(self.turn.question)

    @property
    def length(self) -> int:
        """Number of tokens of the question, image tokens included."""
        return self.text["input_ids"].shape[1]

    def reply(self, text: str) -> list[int]:
        """The tokens of a reply that begins with `text`, `turn.lead` included, as in training it follows a question."""
        if text not in self.replies:
            self.replies[text] = self._reply(self.turn.lead + text)
        return self.replies[text]

    def _reply(self, text: str) -> list[int]:
        whole = self._tokens(self.turn.question + text)
        # Where the two would be joined (two line breaks are one token), a reply begins anew: the question was asked as
        # it is. So it does for a processor that wants the two apart.
        if whole[: len(self.written)] != self.written or processors.takes_suffix(self.processor):
            return self._tokens(text)
        return whole[len(self.written) :]

    def _tokens(self, text: str) -> list[int]:
        return self.processor.tokenizer(text, add_special_tokens=False).input_ids

    def batch(
        self, rows: Sequence[Features], suffix: Sequence[int] = (), like: PreTrainedModel | None = None
    ) -> Features:
        """Inputs for rows of image features, on the device and in the precision of the model `like`.

        `suffix` tokens follow every question (a forced start of the answer).
        """
        text = extend(self.text, suffix, processors.takes_suffix(self.processor))
        inputs = {name: value.expand(len(rows), *value.shape[1:]).contiguous() for name, value in text.items()}
        inputs |= {name: torch.cat([row[name] for row in rows]) for name in self.image_names}
        if like is None:
            return inputs
        return {
            name: value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)
            for name, value in inputs.items()
        }


def extend(text: Features, tokens: Sequence[int], answers: bool = False) -> Features:
    """Token tensors (1, length, ...) with more text tokens; their masks and types are those of the last token.

    `answers`: the model tells tokens of an answer from those of a question by their type, 1.
    """
    if not tokens:
        return text
    extended = {}
    for name, value in text.items():
        tail = value[:, -1:].expand(-1, len(tokens), *value.shape[2:])
        if name == "input_ids":
            tail = torch.tensor([list(tokens)])
        elif name == "token_type_ids" and answers:
            tail = torch.ones_like(tail)
        extended[name] = torch.cat([value, tail], dim=1)
    return extended
