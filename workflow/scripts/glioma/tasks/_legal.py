"""Regular expressions of legal answers, for decoding that allows no others: of what all grammar engines understand.

No lookaround, no flags, no classes but plain ones. Ranges are those that the parser accepts, so that what is decoded
under them is always parsed, but for what is not regular: corners that agree, an outline with an area.
"""

import re
from collections.abc import Mapping, Sequence

from glioma.geometry import coordinates
from glioma.tasks import _forms

_SPECIAL = re.compile(r"([\\^$.|?*+()\[\]{}])")
_HOLE = "@"


def literal(text: str) -> str:
    """Text as a pattern of itself."""
    return _SPECIAL.sub(r"\\\1", text)


def whole(last: int) -> str:
    """Whole numbers from 0 to `last`, without leading zeros."""
    digits, parts = str(last), []
    for position, digit in enumerate(digits):
        lowest = 1 if position == 0 and len(digits) > 1 else 0
        smaller = int(digit) - 1
        if smaller >= lowest:
            rest = "[0-9]" * (len(digits) - position - 1)
            parts.append(f"{digits[:position]}[{lowest}-{smaller}]{rest}")
    shorter = [f"[1-9]{'[0-9]' * (length - 1)}" for length in range(2, len(digits))]
    return f"({'|'.join(dict.fromkeys([digits, *parts, *shorter, *(['[0-9]'] if len(digits) > 1 else [])]))})"


def number(convention: Mapping, side: int) -> str:
    """One number of a convention."""
    scale = str(convention.get("scale", "128"))
    last = coordinates.largest(convention, side)
    if convention.get("form") == "loc":
        return "(" + "|".join(f"{value:04d}" for value in range(last + 1)) + ")"
    if scale in coordinates.DECIMALS:
        places = coordinates.DECIMALS[scale]
        return rf"({whole(last - 1)}(\.[0-9]{{1,{places}}})?|{last}(\.0{{1,{places}}})?)"
    return whole(last)


def listed(form: str, kind: str, pattern: str, counts: Sequence[int], convention: Mapping, side: int) -> str:
    """Answers of one of these numbers of points, which have no gap between them.

    `pattern` is the list of pairs, `{}` standing for them, where the form is that.
    """
    one = number(convention, side)
    if form == "pairs":
        pair = rf"\({one}, {one}\)"
        more = f"{{{min(counts) - 1},{max(counts) - 1}}}" if max(counts) > 1 else "{0}"
        return literal(pattern).replace(r"\{\}", f"({pair}, ){more}{pair}")
    texts = [literal(_forms.write(form, kind, [(_HOLE, _HOLE)] * count)).replace(_HOLE, one) for count in counts]
    return "|".join(f"({text})" for text in texts) if len(texts) > 1 else texts[0]
