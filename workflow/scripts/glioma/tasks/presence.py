"""Is there a tumour on this slice, yes or no?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from glioma.tasks._answer import Answer, Limits
from glioma.tasks._task import LabelTask

_STRICT = re.compile(r"Answer: ?(yes|no)[.]?", re.IGNORECASE)
# "<yes or no>" is the prompt's own template repeated, not an answer.
_LENIENT = re.compile(r"\b(yes|no)\b(?!\s*+(?:,|/|or\b)\s*+(?:or\b\s*+)?(?:yes|no)\b)(?!\s*+>)", re.IGNORECASE)


@dataclass(frozen=True)
class Presence(LabelTask):
    """The answer is "Answer: yes" or "Answer: no"."""

    def interpret(self, text: str, mode: str, limits: Limits) -> Answer:
        match = _STRICT.fullmatch(text) if mode == "strict" else _LENIENT.search(text)
        return Answer("ok", int(match[1].lower() == "yes")) if match else Answer("malformed")

    def true_answer(self, hgg: bool, tumour: bool, mask: np.ndarray, settings: Mapping) -> str:
        return f"Answer: {'yes' if tumour else 'no'}"

    def check_prompt(self, prompt: str, limits: Limits) -> str | None:
        missing = [word for word in ("yes", "no") if not re.search(rf"\b{word}\b", prompt, re.IGNORECASE)]
        return f"does not ask for {missing[0]!r}, and yes or no is what is parsed; ask for it" if missing else None


TASK = Presence(name="presence", title="Presence of tumour", noun="presence", output="label", position=5)
