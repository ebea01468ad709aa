"""What of a free text is its answer: lenient parsing, whatever the task.

The last stated answer counts; text about answers (thinking, examples, templates, questions, conditions) is none; two
answers that contradict each other, with no word that takes the first one back, cannot be parsed. Where in doubt nothing
is read: an answer that could not be parsed is counted as such, one that was misread passes as the model's.

All of it is linear in the length of the text: quantifiers are possessive or bounded, and what stands around a match is
looked for in a window.
"""

import re
from collections.abc import Hashable, Sequence
from typing import NamedTuple

WINDOW = 90
"""Characters before or behind a statement that are taken to speak of it."""

_TAG = re.compile(
    r"<(/?)(?:think|thinking|thought|thoughts|reasoning|analysis|scratchpad|reflection|reason)>|◁(/?)think▷",
    re.IGNORECASE,
)
_ANSWER_TAG = re.compile(r"<(?:final_?)?answer>", re.IGNORECASE)
_END_TAG = re.compile(r"</(?:final_?)?answer>", re.IGNORECASE)
_SPECIAL = re.compile(r"<\|[a-z0-9_]{1,40}\|>", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}]{0,80})\}")
_EMPHASIS = re.compile(r"[*`]++|(?<![A-Za-z0-9])_{1,2}(?=[A-Za-z0-9(\[])|(?<=[A-Za-z0-9)\]])_{1,2}(?![A-Za-z0-9])|\$")

_EXAMPLE = re.compile(
    r"\b(?:e\.g|for example|for instance|examples?|such as|(?<!\) )formats?|formatted|template|in the form|schema|"
    r"placeholder|would look like|looks like this|something like)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:if|unless|whether|when asked|suppose|assuming|had (?:it|this|there))\b", re.IGNORECASE)
_REVISION = re.compile(
    r"\b(?:wait|actually|correct(?:ion|ed|ing)|sorry|instead|on second thoughts?|on reflection|re-?consider\w*+|"
    r"re-?evaluat\w*+|re-?examin\w*+|revis\w++|re-?check\w*+|changed? my|final(?:ly)?|therefore|thus|hence|"
    r"in conclusion|in summary|to conclude|conclusion|overall|however|after (?:review|closer)|looking (?:again|closer)|"
    r"so (?:the|my)|apologi[sz]e\w*+|mistake)\b",
    re.IGNORECASE,
)
_FINAL = re.compile(r"\b(?:final(?:ly)?|in conclusion|conclusion|therefore|thus|hence|in summary|to conclude)\b", re.I)


class Statement(NamedTuple):
    """An answer that a text states: from where to where, what it says, and whether a word marks it as the final one."""

    start: int
    end: int
    value: Hashable
    final: bool = False


def visible(text: str) -> str:
    """The text without thinking, special tokens and emphasis; tags and boxes around an answer become words."""
    kept, depth, end = [], 0, 0
    for match in _TAG.finditer(text):
        closes = bool(match[1] or match[2])
        if not depth:
            # A closing tag that nothing opened: chat templates begin the thinking themselves.
            kept = [] if closes else [*kept, text[end : match.start()]]
        depth = max(0, depth + (-1 if closes else 1))
        end = match.end()
    text = " ".join([*kept, text[end:]] if not depth else kept)
    text = _END_TAG.sub("\n", _ANSWER_TAG.sub("\nFinal answer: ", text))
    text = _BOXED.sub(r"Final answer: \1", _SPECIAL.sub(" ", text))
    return _EMPHASIS.sub("", text).strip()


def before(text: str, position: int) -> str:
    """What stands in the same sentence before a position, at most `WINDOW` characters of it."""
    window = text[max(0, position - WINDOW) : position]
    # A point within a number or an abbreviation ends no sentence.
    cut = max((match.end() for match in re.finditer(r"[.!?](?=\s)(?<!e\.g\.)(?<!i\.e\.)|\n|;", window)), default=0)
    return window[cut:]


def behind(text: str, position: int) -> str:
    """What stands in the same sentence behind a position, at most `WINDOW` characters of it and its end."""
    window = text[position : position + WINDOW]
    end = re.search(r"[.!](?=\s|$)|\n|;", window)
    question = window.find("?")
    stop = len(window) if end is None else end.end()
    return window[: stop if question < 0 or question > stop else question + 1]


def is_about(text: str, statement: Statement) -> bool:
    """Whether a statement is no answer but about answers: an example, the template, a condition, a question."""
    earlier, later = before(text, statement.start), behind(text, statement.end)
    return bool(_EXAMPLE.search(earlier) or _CONDITION.search(earlier) or later.rstrip().endswith("?"))


def last_stated(text: str, statements: Sequence[Statement]) -> Statement | None:
    """The statement that counts; None where there is none, or where they contradict each other.

    Of different answers the last one counts where something between it and the one before takes that one back, or where
    it alone is called the final one.
    """
    found = [each for each in statements if not is_about(text, each)]
    if not found:
        return None
    last = found[-1]
    others = [each for each in found if each.value != last.value]
    if not others:
        return last
    first_of_last = next(each for each in found if each.value == last.value and each.start > others[-1].start)
    between = text[others[-1].end : first_of_last.start][-4 * WINDOW :] + (" final" if last.final else "")
    if any(each.final for each in others) and not re.search(r"\b(?:wait|sorry|correction|mistake)\b", between, re.I):
        return None
    return last if _REVISION.search(between) else None


def is_final(text: str, position: int) -> bool:
    """Whether the words before a position call what follows the final answer."""
    return bool(_FINAL.search(before(text, position)))
