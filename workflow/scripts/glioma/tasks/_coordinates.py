"""Lists of coordinates in answers: strictly as a prompt demands them, or leniently from anywhere in the text."""

import re
from collections.abc import Sequence

from glioma.tasks._answer import Limits

HUGE = 1e6
"""A coordinate from here on is out of any range and is not converted: an answer may hold thousands of digits."""

# Quantifiers are possessive and a number starts only where no number is under way, so that no text costs more than
# one pass: without either, 100,000 digits would be tried from each of their positions.
NUMBER = r"(?<![0-9.])[-+]?[0-9]++(?:\.[0-9]++)?"
_LABEL = r"(?:(?<![a-z])[a-z_]{1,12}\s*+[=:]\s*+)?"
STRICT_PAIR = rf"\(\s*+({NUMBER})\s*+,\s*+({NUMBER})\s*+\)"
STRICT_LIST = rf"\s*+{STRICT_PAIR}(?:\s*+,\s*+{STRICT_PAIR})*+\s*+"
_STRICT_PAIRS = re.compile(STRICT_PAIR)
_LENIENT_PAIRS = re.compile(
    rf"[(\[{{<]\s*+({_LABEL})({NUMBER})\s*+[,;]\s*+({_LABEL})({NUMBER})\s*+[)\]}}>]", re.IGNORECASE
)
_FLAT_LIST = re.compile(rf"[(\[{{<]\s*+{NUMBER}(?:\s*+[,;]\s*+{NUMBER})++\s*+[)\]}}>]")
_NUMBERS = re.compile(NUMBER)
_COLUMN_FIRST = re.compile(r"\s*(?:x|col|column)\b", re.IGNORECASE)
_ROW_FIRST = re.compile(r"\s*(?:y|row)\b", re.IGNORECASE)

Pairs = Sequence[tuple[float, float]]


def strict(text: str, form: re.Pattern, limits: Limits) -> Pairs | None:
    """The pairs of a text that has exactly this form; None for any other. Fractions only where the model uses them."""
    fractions_allowed = str(limits.convention.get("scale")) == "unit"
    if not form.fullmatch(text) or ("." in text and not fractions_allowed):
        return None
    return [(float(first), float(second)) for first, second in _STRICT_PAIRS.findall(text)]


def lenient(text: str, limits: Limits, bare_pair: bool) -> list[Pairs]:
    """Coordinate lists of a text in order: runs of bracketed pairs, all pairs together, else bare numbers in pairs.

    "top-left: (3, 5), top-right: (3, 9) ..." is four runs of one pair; only together do they make a box. `bare_pair`:
    two numbers without any bracket are a pair.
    """
    x_first = limits.convention.get("order") == "x_y"
    runs, everything, end = [], [], None
    for match in _LENIENT_PAIRS.finditer(text):
        first_label, first, second_label, second = match.groups()
        pair = float(first), float(second)
        says_x_first = bool(_COLUMN_FIRST.match(first_label)) and not _COLUMN_FIRST.match(second_label)
        says_row_first = bool(_ROW_FIRST.match(first_label)) and not _ROW_FIRST.match(second_label)
        if (says_x_first and not x_first) or (says_row_first and x_first):
            pair = pair[::-1]
        if end is None or re.search(r"[^\W_]", text[end : match.start()]):
            runs.append([])
        runs[-1].append(pair)
        everything.append(pair)
        end = match.end()
    if everything:
        return [*runs, everything]
    flat = _FLAT_LIST.search(text)
    numbers = [float(number) for number in _NUMBERS.findall(flat[0] if flat else text)]
    if len(numbers) % 2 or not numbers or (not flat and (not bare_pair or len(numbers) != 2)):
        return []
    return [list(zip(numbers[::2], numbers[1::2], strict=True))]
