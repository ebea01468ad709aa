"""Low- or high-grade glioma: a choice about each slice, put to the vote of a patient."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glioma.base.answers import LABELS
from glioma.tasks import _free_text
from glioma.tasks._answer import Answer, Limits
from glioma.tasks._free_text import Statement
from glioma.tasks._task import QueryTask, balanced_score

# As the study's Figure 6 has it: the choice comes first, and one space before the reasoning. Line breaks before or
# between them make an answer an error there, however plain its choice is.
# Another choice behind the first is a contradiction, or an answer that never ended.
_STRICT = re.compile(r"Choice: ([0-9]++)(?: Reasoning:(?!.*Choice: ?[0-9]).*+)?", re.DOTALL)

# "<0, 1, or 2>" is the prompt's own template repeated, "0 or possibly 1" none, "1/3" and "1 of 3" are counts, "0.8",
# "80%" and "0 (50%)" shares.
_NUMBER = (
    r"([0-9]{1,9})(?![0-9]|\.[0-9]|\s{0,3}\(?\d{0,3}\s?%|\s{0,3}out of)"
    r"(?!\s{0,3}(?:,|/|\||and\b|or\b|of\b|to\b|-)\s{0,3}(?:or\b|possibly|maybe|perhaps|even)?\s{0,3}[0-9])"
)
_SEEN = r"(?:visible|obvious|definite|apparent|clear|discernible|detectable)"
_SIGN = r"(?:evidence|signs?|indications?|presence)"
_LABELS = {
    "lgg": r"low[- ]{0,2}grade(?: (?:gliomas?|tumou?rs?))?|lgg",
    "hgg": r"high[- ]{0,2}grade(?: (?:gliomas?|tumou?rs?))?|hgg|glioblastomas?|gbm",
    "none": rf"no (?:{_SEEN} )?(?:{_SIGN} (?:of (?:an? |any )?)?)?(?:gliomas?|tumou?rs?)|no-gliomas?|non-gliomas?",
}
"""How texts name `LABELS`, in their order."""
_NAMED = rf"(?:{'|'.join(f'(?P<{name}>{words})' for name, words in _LABELS.items())})\b"
_ANY = rf"\b(?:{'|'.join(_LABELS.values())})\b"
_SEPARATOR = (
    r"(?:[\s:=\"'<(\[{,–—#-]|is|as|be|would|should|must|to|an?|the|class|option|choice|number|category|label|"
    r"grade (?=[0-9]\b)){0,8}"
)
_KEY = (
    r"\b(?:choices?|answer|label|class(?:ification)?|category|prediction|diagnosis|option|verdict|response)\b|"
    r"\b(?:i|we)(?:'d|'ll)? (?:would |will |must |have to )?(?:choose|select|pick|go with|go for|opt for|say|answer|"
    r"classify (?:it|(?:this|the)(?: \w{1,12}){0,3})) |"
    r"\bclassif(?:y|ied|ies) (?:it |(?:this|the)(?: \w{1,12}){0,3} )?as"
)
_STATED = re.compile(rf"(?:{_KEY}){_SEPARATOR}(?:{_NUMBER}|{_NAMED})", re.IGNORECASE)
# A line that is nothing but a number, or begins with one and its meaning: "1", "<1>", "(1) High grade", "2. Normal".
_LINE = re.compile(r"^[ \t]{0,9}[<(\[{\"']?([0-9]{1,9})([>)\]}\"']?(?:[.:)]|\s{0,3}[-–—])?)[ \t]*+(.*+)$", re.MULTILINE)
_COUNTED = re.compile(r"\s{0,3}(?:,|/|\||or\b|of\b|to\b|%|[a-z]{1,2}\b|[0-9])", re.IGNORECASE)
_MENTION = re.compile(rf"\b{_NAMED}", re.IGNORECASE)
_EITHER = re.compile(rf"{_ANY}[^.;:,\n]{{0,25}}(?:\bor\b|\bvs\b|\bversus\b|/)[^.;:,\n]{{0,25}}{_ANY}", re.IGNORECASE)
# The question itself: "Low Grade Glioma (0), High Grade Glioma (1), or No Glioma (2)"
_LEGEND = re.compile(rf"{_ANY}\s{{0,2}}\([0-9]\),?\s{{0,2}}(?:or |and )?{_ANY}", re.IGNORECASE)
_NOT = re.compile(r"\bnot\b|n't\b", re.IGNORECASE)
_CITED = re.compile(r"\w\s{1,2}\[$")
_NUMBERED = re.compile(rf"\b{_NAMED}\s{{0,2}}[(\[]\s{{0,2}}([0-9])\s{{0,2}}[)\]]", re.IGNORECASE)
_ATTACHED = re.compile(
    rf"\s{{0,2}}[)\]>\"'}}]?\s{{0,2}}(?:[-–—:=,(\[]|is|means|for|->|→)?\s{{0,2}}[(\[]?{_NAMED}", re.IGNORECASE
)
# What stands before or behind a label that a text denies, compares with or only speaks of.
_NEGATED = re.compile(
    r"(?:n't\b|\b(?:not|no|neither|nor|without|rather than|instead of|unlike|rul\w{1,4} out|exclud\w{1,4}|unlikely|"
    r"less (?:likely|typical|consistent|suggestive)|against|absen(?:ce|t)|lack\w{0,3}|never|cannot|versus|vs|than|"
    r"compared (?:to|with)|differentiat\w{1,4}|distinguish\w{0,4}|could (?:progress|become|turn)|opposed to|"
    r"(?:probability|likelihood|chance|risk) of)\b)[^.;:,\n]{0,60}$",
    re.IGNORECASE,
)
_NEGATED_LATER = re.compile(
    r"^\s{0,2}[:=(]?\s{0,2}(?:[01]?\.[0-9]|[0-9]{1,3}\s?%)|"
    r"^[^.;:,\n]{0,25}\b(?:unlikely|excluded|ruled out|less likely|not (?:likely|supported|seen|present|typical)|"
    r"is absent|would (?:show|have|be|present|display|typically)|typically|usually|generally|tend to|often)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Classification(QueryTask):
    """The answer is "Choice: <number>", with or without reasoning behind it."""

    def legal(self, limits: Limits) -> str:
        """The choice alone: what follows it is never scored."""
        return f"{self.forced_start}({'|'.join(self.choices)})"

    def interpret(self, text: str, mode: str, limits: Limits) -> Answer:
        if match := _STRICT.fullmatch(text):
            return self._choice(match[1], limits)
        if mode == "strict":
            return Answer("malformed")
        text = _free_text.visible(text)
        statements = list(self._statements(text, limits))
        found = _free_text.last_stated(text, statements)
        if found is None:
            # Without a stated choice the one label that the text says there is.
            unclear = statements or _EITHER.search(text) or self._has_other_number(text, limits)
            named = set() if unclear else set(_mentions(text))
            return Answer("ok", named.pop()) if len(named) == 1 else Answer("malformed")
        if found.value is None:
            return Answer("out_of_range")
        attached = _ATTACHED.match(text, found.end)
        if attached and _label(attached) != found.value:
            return Answer("malformed")
        choice = int(str(found.value))
        others = set(_mentions(text[found.end :])) - {choice}
        return Answer("malformed") if others and choice not in set(_mentions(text)) else Answer("ok", choice)

    def _choice(self, digits: str, limits: Limits) -> Answer:
        digits = digits.lstrip("0") or "0"
        if digits not in self.choices:
            return Answer("out_of_range")
        return Answer("ok", LABELS.index(limits.choices[int(digits)]))

    def _statements(self, text: str, limits: Limits) -> Iterator[Statement]:
        """What the text states to be the choice, in order; the value is None for a number that is no choice."""
        found = []
        for match in _STATED.finditer(text):
            inner = match.start(1) if match[1] else match.start(_name(match))
            value = self._choice(match[1], limits).choice if match[1] else _label(match)
            words = text[match.start() : inner]
            # "the answer is not 1"; "the WHO classification [1]", a citation
            if _NOT.search(_free_text.before(text, match.start())[-12:] + words) or _CITED.search(words):
                continue
            # "Answer: low grade or high grade": the question again
            if not match[1] and (_EITHER.match(text, inner) or _LEGEND.match(text, inner)):
                continue
            number = None if match[1] else _NUMBERED.match(text, inner)
            if number and self._choice(number[4], limits).choice != value:
                found.append(Statement(match.start(), match.end(), None))
                continue
            found.append(Statement(match.start(), match.end(), value, _free_text.is_final(text, inner)))
        if not found:
            found = list(self._lines(text, limits))
        yield from sorted(found, key=lambda each: each.start)

    def _has_other_number(self, text: str, limits: Limits) -> bool:
        """Whether a label stands with the number of another one: "High Grade Glioma (0)"."""
        return any(self._choice(match[4], limits).choice != _label(match) for match in _NUMBERED.finditer(text))

    def _lines(self, text: str, limits: Limits) -> Iterator[Statement]:
        """A number that stands for itself on its line; none of a numbered list."""
        lines = list(_LINE.finditer(text))
        if len(lines) > 1 and any(match[3] for match in lines):
            return
        for match in lines:
            alone = not match[3] or (match.start() == 0 and match[2])
            if alone and not _COUNTED.match(match[3]):
                yield Statement(match.start(1), match.end(1), self._choice(match[1], limits).choice)

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


def _name(match: re.Match) -> str:
    """The name in `_LABELS` of what a match of `_NAMED` names."""
    return next(name for name in _LABELS if match[name])


def _label(match: re.Match) -> int:
    """The number in `LABELS` of what a match of `_NAMED` names."""
    return list(_LABELS).index(_name(match))


def _mentions(text: str) -> Iterator[int]:
    """The labels that a text says there are: none that it denies, asks about or gives as examples."""
    for match in _MENTION.finditer(text):
        earlier = _free_text.before(text, match.start())
        if _NEGATED.search(earlier) or _NEGATED_LATER.match(_free_text.behind(text, match.end())):
            continue
        if not _free_text.is_about(text, Statement(match.start(), match.end(), None)):
            yield _label(match)


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
