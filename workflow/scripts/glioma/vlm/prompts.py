"""Prompts are files: one file, one prompt, exactly as the model gets it, with one image."""

from pathlib import Path

from glioma.base.errors import UserError


def read(path: str | Path) -> str:
    """The prompt in a UTF-8 file, without white space around it."""
    try:
        prompt = Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise UserError(f"{path}: no such prompt file; write it or name another one in the config") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save the prompt as UTF-8") from None
    if not prompt:
        raise UserError(f"{path}: the prompt is empty; write the question the model is to answer")
    return prompt


def messages(prompt: str, reply: str | None = None, image_first: bool = False) -> list[dict]:
    """The conversation of one slice; without a reply it ends where the model is to answer."""
    question = [{"type": "text", "text": prompt}, {"type": "image"}]
    turns = [{"role": "user", "content": question[::-1] if image_first else question}]
    if reply is not None:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": reply}]})
    return turns
