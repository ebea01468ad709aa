"""A model's processor (tokenizer, image processor, chat template), and what it writes of a conversation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from transformers import AutoProcessor, ProcessorMixin
from transformers.utils import is_torchvision_available

from glioma.base.errors import UserError
from glioma.base.files import find

# Some templates write the day's date into every question, and answers would depend on the day: 26 July 2024 is what
# Llama 3's own writes where it is told none.
DATE = "26 Jul 2024"
_FIXED_DATE = f"{{%- macro strftime_now(format) -%}}{DATE}{{%- endmacro -%}}"
_REPLY = "@reply@"
_REMEDY = "; take the key system or examples out, or give the model's entry another chat.template"
_VIDEOS = "video_processor"


def _without_videos() -> None:
    """Load processors without the part that is for videos: it needs torchvision, and no video is ever shown."""
    attributes, make = (getattr(ProcessorMixin, name).__func__ for name in ("get_attributes", "from_args_and_dict"))

    def still(cls: type) -> list[str]:
        return [name for name in attributes(cls) if name != _VIDEOS]

    def made(cls: type, parts: list, settings: dict, **more: Any) -> ProcessorMixin:
        none = {_VIDEOS: None} if _VIDEOS in signature(cls).parameters else {}
        return make(cls, parts, settings | none, **more)

    ProcessorMixin.get_attributes = classmethod(still)  # type: ignore[assignment, method-assign]
    ProcessorMixin.from_args_and_dict = classmethod(made)  # type: ignore[assignment, method-assign]


if not is_torchvision_available():
    _without_videos()


def load(base: Mapping) -> ProcessorMixin:
    """The processor of a model entry (`name`, `path`), see `prepare`."""
    path, name = Path(base["path"]).expanduser(), base["name"]
    try:
        processor = AutoProcessor.from_pretrained(path, trust_remote_code=False)
    except Exception as error:
        raise UserError(f"model {name}: no usable processor in {path} ({reason(error)})") from error
    if not isinstance(processor, ProcessorMixin):
        raise UserError(f"model {name}: {path} has no processor of images and text; name a model that sees")
    return processor


def prepare(processor: ProcessorMixin, base: Mapping) -> None:
    """Tell a processor what its model's entry says of templates and images; give it a padding token if it has none."""
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    chat = base.get("chat", {})
    if template := chat.get("template"):
        processor.chat_template = Path(find(template)).read_text(encoding="utf-8")
    vars(processor).update(chat_arguments=chat.get("arguments", {}), image_settings=base.get("processor", {}))


def reason(error: Exception) -> str:
    """The first line of what a library says."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


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
    told |= getattr(processor, "chat_arguments", {})
    try:
        # The tokenizer's: processors' own add settings of videos.
        text = processor.tokenizer.apply_chat_template(
            list(messages), chat_template=template, add_generation_prompt=answers, tokenize=False, **told
        )
    except jinja2.TemplateError as error:
        if messages[0]["role"] == "user" and not messages[2:]:
            raise
        raise UserError(f"the model's chat template refuses what is asked: {reason(error)}{_REMEDY}") from None
    if messages[0]["role"] == "system" and messages[0]["content"][0]["text"] not in text:
        raise UserError(f"the model's chat template leaves the system prompt out{_REMEDY}")
    return text


class Turn(NamedTuple):
    """A conversation as text, cut where the model begins: `question`, then `lead`, the reply and `tail` of its turn.

    `lead` is what the template writes before a reply, such as the space after "Assistant:" or the end of an empty block
    of thoughts; `tail` what it writes after one. A reply in training, the choices that are scored, and what a model
    without an adapter writes by itself begin alike.
    """

    question: str
    lead: str
    tail: str


def turn(processor: ProcessorMixin, question: Sequence[dict]) -> Turn:
    """What the chat template writes around a reply to messages that end with a question."""
    start = chat(processor, question, answers=True)
    reply = {"role": "assistant", "content": [{"type": "text", "text": _REPLY}]}
    whole = chat(processor, [*question, reply])
    before, found, tail = whole.rpartition(_REPLY)
    if not found:
        raise UserError("the model's chat template leaves the answer out; look at its chat_template.jinja")
    # Where a reply that is known begins otherwise than one that is asked for, what is asked for is what is answered.
    return Turn(start, before[len(start) :] if before.startswith(start) else "", tail)


def takes_suffix(processor: ProcessorMixin) -> bool:
    """Whether the processor wants answers apart from questions, because they are masked differently (PaliGemma)."""
    return "suffix" in signature(type(processor).__call__).parameters


def image_tokens(processor: ProcessorMixin, text: str, tokens: Sequence[int]) -> set[int]:
    """The tokens that stand for an image, among those that the processor made of a chat text.

    What it adds to the text's own is an image's: placeholders, tiles and what frames them. `processor.image_token_id`
    alone is not enough: it may be the token that begins an image.
    """
    tokenizer = processor.tokenizer
    own = Counter(tokenizer(text, add_special_tokens=False).input_ids)
    added = set(Counter(tokens) - own) & set(tokenizer.added_tokens_decoder)
    return added | {processor.image_token_id} if hasattr(processor, "image_token_id") else added
