"""From prompts and slices to a model's input tensors.

Images of one size have features of one size, and a question about them has one length: a prompt is tokenised once for
each size, an image is preprocessed once, and no batch of one size needs padding to be answered. That is also why an
answer cannot depend on the rows it shares a batch with.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from glioma.base.errors import UserError
from glioma.vlm import prompts

Features = dict[str, torch.Tensor]
# Some templates write the day's date into every question, and answers would depend on the day: 26 July 2024 is what
# Llama 3's own writes where it is told none.
DATE = "26 Jul 2024"
_FIXED_DATE = f"{{%- macro strftime_now(format) -%}}{DATE}{{%- endmacro -%}}"


def chat(processor: ProcessorMixin, messages: Sequence[dict], answers: bool = False) -> str:
    """Messages as the model's chat template writes them, on any day alike; `answers` begins the model's next turn."""
    template = processor.chat_template
    if isinstance(template, Mapping):
        template = template.get("default")
    if not template:
        raise UserError("the model has no chat template; add its chat_template.jinja to the model's folder")
    if "strftime_now" in template:
        template = _FIXED_DATE + template
    told: dict[str, Any] = {"date_string": DATE} if "date_string" in template else {}
    return processor.apply_chat_template(
        list(messages), chat_template=template, add_generation_prompt=answers, tokenize=False, **told
    )


def image_features(processor: ProcessorMixin, images: Sequence[Image.Image]) -> list[Features]:
    """The image processor's tensors of each image, first axis kept, for images of one size."""
    # Nested lists say "one image for each text"; Mllama would take a flat list for one text with many images.
    features = processor.image_processor([[image] for image in images], return_tensors="pt")
    tensors = {name: value for name, value in features.items() if torch.is_tensor(value)}
    # Some models stack images, others concatenate their patches; either way each image has an equal share of axis 0.
    chunks = {name: value.chunk(len(images)) for name, value in tensors.items()}
    return [{name: parts[i].clone() for name, parts in chunks.items()} for i in range(len(images))]


def text_features(processor: ProcessorMixin, text: str, image: Image.Image) -> tuple[Features, set[str]]:
    """Token tensors, (1, length, ...), of a chat text about one image, and the names of the image's tensors."""
    # The chat template has written the special tokens already.
    features = processor(text=[text], images=[[image]], add_special_tokens=False, return_tensors="pt")
    shape = features["input_ids"].shape
    tokens = {name: value for name, value in features.items() if value.ndim >= 2 and value.shape[:2] == shape}
    return tokens, set(features) - set(tokens)


class Question:
    """A prompt, tokenised once for images of one size, (width, height)."""

    def __init__(
        self, processor: ProcessorMixin, prompt: str, size: tuple[int, int], image_first: bool = False
    ) -> None:
        self.processor = processor
        text = chat(processor, prompts.messages(prompt, image_first=image_first), answers=True)
        self.text, self.image_names = text_features(processor, text, Image.new("RGB", size))

    @property
    def length(self) -> int:
        """Number of tokens of the question, image tokens included."""
        return self.text["input_ids"].shape[1]

    def batch(
        self, images: Sequence[Features], suffix: Sequence[int] = (), like: PreTrainedModel | None = None
    ) -> Features:
        """Inputs for one row per image, on the device and in the precision of the model `like`.

        `suffix` tokens follow every question (a forced start of the answer).
        """
        text = extend(self.text, suffix)
        inputs = {name: value.expand(len(images), *value.shape[1:]).contiguous() for name, value in text.items()}
        inputs |= {name: torch.cat([image[name] for image in images]) for name in self.image_names}
        if like is None:
            return inputs
        return {
            name: value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)
            for name, value in inputs.items()
        }


def extend(text: Features, tokens: Sequence[int]) -> Features:
    """Token tensors (1, length, ...) with more text tokens; their masks and types are those of the last token."""
    if not tokens:
        return text
    extended = {}
    for name, value in text.items():
        tail = value[:, -1:].expand(-1, len(tokens), *value.shape[2:])
        if name == "input_ids":
            tail = torch.tensor([list(tokens)])
        extended[name] = torch.cat([value, tail], dim=1)
    return extended
