"""A grammar of prompts, so that the tiny model answers the task and not one wording of it.

A prompt is the paper's with a user's edits, or composed by the rules of `grammar`; then words are changed or misspelt.
"""

import re
from typing import NamedTuple

import numpy as np

from glioma.demo.tiny_vlm.grammar import RULES, SHARED, SYNONYMS
from glioma.demo.tiny_vlm.paper import PAPER

TASKS = ("classification", "center_point", "bounding_box", "polygon")


class Wording(NamedTuple):
    """A prompt, and whether its answer should give reasons (classification only)."""

    text: str
    reasoning: bool = True


def sample(rng: np.random.Generator, task: str) -> Wording:
    """Draw a prompt for a task: often the paper's with edits, mostly one composed by the grammar."""
    reasoning = True
    if rng.random() < 0.3:
        sentences = split(PAPER[task])
        if rng.random() < 0.7:
            sentences = _edit_sentences(rng, sentences, task)
    else:
        brief = task == "classification" and rng.random() < 0.3
        sentences, reasoning = _compose(rng, task, brief), not brief
    text = (" " if rng.random() < 0.85 else "\n").join(sentences)
    return Wording(_edit_words(rng, text), reasoning)


def split(text: str) -> list[str]:
    """Sentences of a prompt: cut after a full stop, question or exclamation mark that a capital letter follows."""
    return re.split(r"(?<=[.?!])\s+(?=[A-Z])", text)


def _pick(rng: np.random.Generator, options: list[str]) -> str:
    return options[rng.integers(len(options))]


def expand(rng: np.random.Generator, task: str, rule: str) -> str:
    """Expand a rule of the grammar to text."""
    rules = SHARED | RULES[task]
    text = f"${rule}"
    while "$" in text or "{" in text:
        text = re.sub(r"\{([^{}]*)\}", lambda match: _pick(rng, match[1].split("|")), text)
        text = re.sub(r"\$([a-z]+)", lambda match: _pick(rng, rules[match[1]]), text, count=1)
    text = re.sub(r"\s+", " ", text).strip()
    return text[0].upper() + text[1:]


def _compose(rng: np.random.Generator, task: str, brief: bool) -> list[str]:
    """Sentences of a new prompt; only the task itself is never left out."""
    parts = [
        (0.35, "role"), (0.4, "context"), (0.25, "chatter"), (1.0, "task"), (0.4, "detail"), (0.25, "detail"),
        (1.0 if brief else 0.75, "brief" if brief else "format"), (0.0 if task == "classification" else 0.6, "grid"),
        (0.4, "closing"), (0.3, "chatter"), (0.1, "chatter"),
    ]  # fmt: skip
    sentences = [expand(rng, task, rule) for chance, rule in parts if rng.random() < chance]
    if rng.random() < 0.35:
        rng.shuffle(sentences)
    return sentences


def _edit_sentences(rng: np.random.Generator, sentences: list[str], task: str) -> list[str]:
    """What a user might do to a prompt: drop, replace, add or reorder sentences, but never lose what is asked."""
    sentences = list(sentences)
    asked = next(i for i, s in enumerate(sentences) if re.search(r"^Classify|output (the|coord)", s))
    keep = [s for i, s in enumerate(sentences) if i == asked or rng.random() < 0.75]
    if rng.random() < 0.5:
        extra = _pick(rng, ["chatter", "role", "context", "closing", "detail"])
        keep.insert(rng.integers(len(keep) + 1), expand(rng, task, extra))
    if rng.random() < 0.3:
        keep = [expand(rng, task, "task") if s == sentences[asked] else s for s in keep]
    if rng.random() < 0.25:
        rng.shuffle(keep)
    return keep


def _edit_words(rng: np.random.Generator, text: str) -> str:
    """Synonyms, a typo, or another case."""
    for word, others in SYNONYMS.items():
        if rng.random() < 0.1:
            text = re.sub(rf"\b{word}\b", _pick(rng, others), text)
    if rng.random() < 0.2:
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(1, max(2, len(text) - 2)))
            if text[at].isalpha() and text[at + 1 : at + 2].isalpha():
                one, two = text[at], text[at + 1]
                text = text[:at] + _pick(rng, [two + one, one, two, one + one + two]) + text[at + 2 :]
    roll = rng.random()
    if roll < 0.08:
        text = text.lower()
    elif roll < 0.1:
        text = text.upper()
    elif roll < 0.2:
        text = text.rstrip(".")
    return text
