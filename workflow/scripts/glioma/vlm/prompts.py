"""Prompts are files: one file, one prompt, exactly as the model gets it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from glioma.base.errors import UserError
from glioma.base.section import nearest

LONGEST = 20_000
"""Characters of a prompt; the study's longest has some 700."""
_FIELD = re.compile(r"\{([a-z_]+)\}")
_SPECIAL = re.compile(r"<\|[^|<>\s]{1,40}\|>|<(?:image|img|bos|eos|pad|s|/s)>|\[/?INST\]", re.IGNORECASE)


def read(path: str | Path, fields: Mapping[str, str] | None = None) -> str:
    """The prompt in a UTF-8 file, without white space (and a byte-order mark) around it.

    `fields` are what {size}, {range}, {format} and their like in it stand for, see the `wording` of a task; with them,
    any other is a `UserError`.

    `UserError` for a prompt that is none: empty, far too long, or with tokens that steer a chat template: those are the
    template's to write, and a second image token asks for an image that is not there.
    """
    try:
        prompt = Path(path).read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        raise UserError(f"{path}: no such prompt file; write it or name another one in the config") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save the prompt as UTF-8") from None
    if not prompt:
        raise UserError(f"{path}: the prompt is empty; write the question the model is to answer")
    if len(prompt) > LONGEST:
        raise UserError(f"{path}: the prompt has {len(prompt)} characters; keep it to {LONGEST}")
    if found := _SPECIAL.search(prompt):
        raise UserError(f"{path}: {found[0]!r} steers a model's chat template; write the question without it")
    if fields is None:
        return prompt
    for name in _FIELD.findall(prompt):
        if name not in fields:
            raise UserError(f"{path}: unknown field {{{name}}}{nearest(name, list(fields))}")
    return _FIELD.sub(lambda match: fields[match[1]], prompt)


def read_optional(files: Sequence[str], fields: Mapping[str, str]) -> str | None:
    """The prompt in the one file that may be there."""
    return read(files[0], fields) if files else None


def messages(
    prompt: str,
    reply: str | None = None,
    image_first: bool = False,
    images: int = 1,
    system: str | None = None,
    examples: Sequence[str] = (),
) -> list[dict]:
    """The conversation of one slice; without a reply it ends where the model is to answer.

    A question has so many `images`. Before it may stand a `system` prompt, and `examples`: what was replied to the same
    question about other slices.
    """
    question = [_text(prompt), *[{"type": "image"}] * images]
    turn = {"role": "user", "content": question[::-1] if image_first else question}
    turns = [] if system is None else [{"role": "system", "content": [_text(system)]}]
    for said in examples:
        turns += [turn, _reply(said)]
    return [*turns, turn, *([] if reply is None else [_reply(reply)])]


def _text(text: str) -> dict:
    return {"type": "text", "text": text}


def _reply(text: str) -> dict:
    return {"role": "assistant", "content": [_text(text)]}


def reply_of(turns: Sequence[Mapping]) -> str:
    """What is replied at the end of a conversation; KeyError, IndexError or TypeError where nothing is."""
    if turns[-1]["role"] != "assistant":
        raise KeyError("assistant")
    return turns[-1]["content"][0]["text"]
