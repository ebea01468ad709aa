"""Prompts are files: one file, one prompt, exactly as the model gets it, with one image."""

import re
from collections.abc import Mapping
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


def messages(prompt: str, reply: str | None = None, image_first: bool = False) -> list[dict]:
    """The conversation of one slice; without a reply it ends where the model is to answer."""
    question = [{"type": "text", "text": prompt}, {"type": "image"}]
    turns = [{"role": "user", "content": question[::-1] if image_first else question}]
    if reply is not None:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": reply}]})
    return turns
