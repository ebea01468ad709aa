"""Low- or high-grade glioma: a choice about each slice, put to the vote of a patient."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glioma.base.answers import LABELS
from glioma.tasks._answer import Answer, Limits
from glioma.tasks._task import QueryTask, balanced_score

# As the study's Figure 6 has it: the choice comes first, and one space before the reasoning. Line breaks before or
# between them make an answer an error there, however plain its choice is.
# Another choice behind the first is a contradiction, or an answer that never ended.
_STRICT = re.compile(r"Choice: ([0-9]++)(?: Reasoning:(?!.*Choice: ?[0-9]).*+)?", re.DOTALL)
# "<0, 1, or 2>" is the prompt's own template repeated, not a choice.
_NOT_TEMPLATE = r"(?!\s*+(?:,|/|or\b)\s*+(?:or\b\s*+)?[0-9])"
_LENIENT = (
    re.compile(
        r"\b(?:choice|answer|label|class|classification)\b"
        r"(?:\s{0,3}(?:is|would be|:|=|\*|\"|'|<|\(|\[)){0,6}\s{0,3}"
        rf"([0-9]++){_NOT_TEMPLATE}",
        re.IGNORECASE,
    ),
    re.compile(rf"[<(\[{{]\s*+([0-9]++){_NOT_TEMPLATE}\s*+[>)\]}}]"),
    re.compile(r"\A\s*+([0-9]++)\s*+(?:\Z|[.:;\n])"),
)
_NAMES = (
    re.compile(r"\blow[- ]grade|\blgg\b", re.IGNORECASE),
    re.compile(r"\bhigh[- ]grade|\bhgg\b", re.IGNORECASE),
    re.compile(r"\bno[- ](?:glioma|tumou?r)\b", re.IGNORECASE),
)


@dataclass(frozen=True)
class Classification(QueryTask):
    """The answer is "Choice: <number>", with or without reasoning behind it."""

    def interpret(self, text: str, mode: str, limits: Limits) -> Answer:
        if mode == "strict":
            match = _STRICT.fullmatch(text)
        else:
            match = next(filter(None, (pattern.search(text) for pattern in _LENIENT)), None)
        if match:
            digits = match[1].lstrip("0") or "0"
            if digits not in self.choices:
                return Answer("out_of_range")
            return Answer("ok", LABELS.index(limits.choices[int(digits)]))
        if mode == "lenient":
            named = [choice for choice, pattern in enumerate(_NAMES) if pattern.search(text)]
            if len(named) == 1:
                return Answer("ok", named[0])
        return Answer("malformed")

    def true_answer(self, hgg: bool, tumour: bool, mask: np.ndarray, settings: Mapping) -> str:
        return f"{self.forced_start}{LABELS.index('HGG' if hgg else 'LGG') if tumour else LABELS.index('no glioma')}"

    def generation_score(
        self, found: Sequence[Answer], wanted: Sequence[Answer], rows: Sequence[Mapping], limits: Limits
    ) -> float:
        """Balanced accuracy over the choices."""
        return balanced_score(found, wanted)

    def check_prompt(self, prompt: str, limits: Limits) -> str | None:
        missing = [choice for choice in self.choices if not re.search(rf"(?<!\d){choice}(?!\d)", prompt)]
        if not missing:
            return None
        return f"names no choice {missing[0]}, and 0, 1 and 2 are what is parsed; say what each stands for"


TASK = Classification(
    name="classification",
    title="Grade",
    noun="grade",
    output="grade",
    position=0,
    whole_slices=True,
    forced_start="Choice: ",
    choices=("0", "1", "2"),
)
