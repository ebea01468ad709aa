"""How a reply goes on from a question, for backends that write tokens themselves: its choices, and where it stops."""

import os
from collections.abc import Sequence

from glioma.vlm.backends._backend import Choices
from glioma.vlm.encode import Question


def candidates(question: Question, choices: Choices) -> list[list[int]]:
    """The tokens of each choice, the forced start included."""
    return [question.reply(choices.forced_start + option) for option in choices.options]


def split(tokens: Sequence[Sequence[int]]) -> tuple[list[int], list[int] | None]:
    """The tokens that candidates share, and the one of each that follows; None where it is not one."""
    shared: list[int] = list(os.path.commonprefix(tokens))  # type: ignore[arg-type]
    rests = [candidate[len(shared) :] for candidate in tokens]
    return shared, [rest[0] for rest in rests] if all(len(rest) == 1 for rest in rests) else None


def begin(question: Question, pattern: str) -> tuple[list[int], str]:
    """Tokens that begin every answer, and the pattern that the rest of it keeps to.

    What a template writes before an answer is no part of the pattern: a space may be chosen, the end of a block of
    thoughts is written.
    """
    lead = question.turn.lead
    if lead.strip():
        return question.reply(""), f"({pattern})"
    return [], f"({lead})?({pattern})" if lead else f"({pattern})"


def until(text: str, stop: Sequence[str]) -> str | None:
    """A text up to the end of the first of these that is in it; None where none is."""
    ends = [text.index(each) + len(each) for each in stop if each in text]
    return text[: min(ends)] if ends else None
