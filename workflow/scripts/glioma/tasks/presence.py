"""Is there a tumour on this slice, yes or no?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from glioma.tasks import _free_text
from glioma.tasks._answer import Answer, Limits
from glioma.tasks._free_text import Statement
from glioma.tasks._task import LabelTask

_STRICT = re.compile(r"Answer: ?(yes|no)[.]?", re.IGNORECASE)
# "<yes or no>" is the prompt's own template repeated, not an answer.
_NO_TEMPLATE = r"(?!\s{0,3}(?:,|/|\||or\b)\s{0,3}(?:or\b\s{0,3})?(?:yes|no)\b)"
_STATED = re.compile(
    r"\b(?:answer|response|verdict|conclusion|choice|tumou?r|result|say)\b"
    rf"(?:[\s:=\"'<(\[{{?]|is|present|visible|would be){{0,6}}(yes|no)\b{_NO_TEMPLATE}",
    re.IGNORECASE,
)
# At the beginning of a line, "Yes, ...", "No."; a sentence such as "No mass effect" is none.
_FIRST = re.compile(
    rf"^\W{{0,3}}(yes|no(?=\s{{0,3}}(?:$|[.,;:!\"'}})\]–—-])))\b{_NO_TEMPLATE}", re.IGNORECASE | re.MULTILINE
)
# "There is no doubt: yes"
_LAST = re.compile(r":\s{0,3}(yes|no)\W{0,3}$", re.IGNORECASE | re.MULTILINE)
_THING = r"(?:gliomas?|tumou?rs?|lesions?|mass(?! effect)|masses|neoplasms?)"
_ABSENT = re.compile(
    rf"(?:n't|\b(?:no|not|without|neither|absence of))\b[^.;:,\n]{{0,60}}\b{_THING}\b|"
    rf"\b{_THING}\b[^.;:,\n]{{0,30}}(?:n't|\b(?:not|absent))\b|"
    r"\b(?:is|appears|looks|seems) (?:entirely |completely |within |to be )?normal\b",
    re.IGNORECASE,
)
_PRESENT = re.compile(
    r"\b(?:there is|there appears to be|shows?|showing|contains?|demonstrates?|reveals?|i (?:can )?see|consistent with|"
    rf"suggest\w{{0,4}}|indicat\w{{0,4}}|presence of)\b[^.;:,\n]{{0,60}}\b{_THING}\b|"
    rf"\b{_THING}\b[^.;:,\n]{{0,20}}\b(?:is|are) (?:clearly )?(?:present|visible|seen|identified)\b",
    re.IGNORECASE,
)
_UNSURE = re.compile(
    r"\b(?:may or may not|whether|unclear|hard to (?:say|tell)|cannot (?:say|tell)|possibl[ey])\b", re.I
)


@dataclass(frozen=True)
class Presence(LabelTask):
    """The answer is "Answer: yes" or "Answer: no"."""

    def legal(self, limits: Limits) -> str:
        return "Answer: (yes|no)"

    def interpret(self, text: str, mode: str, limits: Limits) -> Answer:
        if match := _STRICT.fullmatch(text):
            return Answer("ok", int(match[1].lower() == "yes"))
        if mode == "strict":
            return Answer("malformed")
        text = _free_text.visible(text)
        found = _free_text.last_stated(text, list(_statements(text)))
        return Answer("malformed") if found is None else Answer("ok", int(bool(found.value)))

    def true_answer(self, hgg: bool, tumour: bool, mask: np.ndarray, settings: Mapping) -> str:
        return f"Answer: {'yes' if tumour else 'no'}"

    def check_prompt(self, prompt: str, limits: Limits) -> str | None:
        missing = [word for word in ("yes", "no") if not re.search(rf"\b{word}\b", prompt, re.IGNORECASE)]
        return f"does not ask for {missing[0]!r}, and yes or no is what is parsed; ask for it" if missing else None


def _statements(text: str) -> Iterator[Statement]:
    """What the text states, in order: yes or no by that word, else sentences that say there is a tumour or none."""
    stated = [
        Statement(match.start(), match.end(), match[1].lower() == "yes", _free_text.is_final(text, match.start(1)))
        for pattern in (_STATED, _FIRST, _LAST)
        for match in pattern.finditer(text)
    ]
    if not stated:
        absent = [Statement(match.start(), match.end(), False) for match in _ABSENT.finditer(text)]
        present = [
            Statement(match.start(), match.end(), True)
            for match in _PRESENT.finditer(text)
            if not any(other.start < match.end() and match.start() < other.end for other in absent)
        ]
        stated = [] if _UNSURE.search(text) else absent + present
    yield from sorted(stated, key=lambda each: each.start)


TASK = Presence(name="presence", title="Presence of tumour", noun="presence", output="label", position=5)
