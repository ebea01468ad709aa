"""Lists of coordinates in answers: strictly as a prompt demands them, or leniently from anywhere in the text."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from glioma.geometry import coordinates
from glioma.tasks import _free_text
from glioma.tasks._answer import Limits
from glioma.tasks._free_text import Statement

HUGE = 1e6
"""A coordinate from here on is out of any range and is not converted: an answer may hold thousands of digits."""

# Quantifiers are possessive and a number starts only where no number is under way, so that no text costs more than
# one pass: without either, 100,000 digits would be tried from each of their positions.
NUMBER = r"(?<![0-9.])[-+]?[0-9]++(?:\.[0-9]++)?"
STRICT_PAIR = rf"\(\s*+({NUMBER})\s*+,\s*+({NUMBER})\s*+\)"
STRICT_LIST = rf"\s*+{STRICT_PAIR}(?:\s*+,\s*+{STRICT_PAIR})*+\s*+"
_STRICT_PAIRS = re.compile(STRICT_PAIR)

_NAME = r"(?:(?<![A-Za-z])[\"']?[A-Za-z_]{1,12}[\"']?\s*+[=:]\s*+)?"
_UNIT = r"\s*+(%|px\b|pixels?\b|mm\b|cm\b)?"
_PAIR = re.compile(
    rf"[(\[{{<]\s*+({_NAME})[\"']?({NUMBER})[\"']?{_UNIT}\s*+[,;]\s*+({_NAME})[\"']?({NUMBER})[\"']?{_UNIT}\s*+[)\]}}>]"
)
_FLAT = re.compile(rf"[(\[{{<]\s*+{NUMBER}{_UNIT}(?:\s*+[,;]\s*+{NUMBER}{_UNIT}){{2,199}}+\s*+[)\]}}>]")
_BARE = re.compile(rf"\A\W{{0,3}}({NUMBER}){_UNIT}\s*+(?:[,;x×/]|and)?\s*+({NUMBER}){_UNIT}\W{{0,3}}\Z")
_STATED = re.compile(
    rf"\b(?:cent(?:er|re)|point|coordinates?|location|located|position|answer|is|at)\b\W{{0,4}}"
    rf"(?:(?:is|are|of|point|at|approximately|roughly|about|around|the|coordinates?|pixel)\W{{0,3}}){{0,4}}"
    rf"({NUMBER}){_UNIT}\s*+,\s*+({NUMBER}){_UNIT}(?!\s*+,\s*+[0-9])(?=\W{{0,2}}(?:\Z|\n|\s|[.;]))",
    re.IGNORECASE,
)
_NUMBERS = re.compile(rf"({NUMBER}){_UNIT}")

_AXIS = r"(?:x|y|rows?|col(?:umn)?s?|r|c|horizontal|vertical)"
# "(x, y)", "[x_min, y_min, ...]", "col/row", "(width, height)": what stands first in a pair.
_ORDER = re.compile(
    rf"(?<![A-Za-z])({_AXIS})(?:[ _-]?(?:min|max|coordinates?|[0-9]))?\s{{0,2}}[,/]\s{{0,2}}({_AXIS})(?![A-Za-z])"
    r"|\b(xyxy|bbox_2d|point_2d)\b|\b(yxyx)\b",
    re.IGNORECASE,
)
# "row 63", "x = 70", "y_min: 12", "column is 70", "top: 5": a number that says what it is.
_NAMED = re.compile(
    r"(?<![A-Za-z])[\"']?(?P<name>rows?|y|col(?:umn)?s?|x|r|c|top|bottom|left|right|upper|lower|vertical|horizontal)"
    r"(?:[ _-]?(?P<end>min(?:imum)?|max(?:imum)?|start|end|[0-9]|from|edge|side|boundary))?"
    r"(?:[ _-]?(?:coordinates?|positions?|index|position|value|axis))?[\"']?\s{0,2}"
    rf"(?:=|:|is|at|of|≈|~|from|between|approximately|about|around|\s){{0,4}}\s{{0,2}}[\"']?(?P<number>{NUMBER}){_UNIT}"
    rf"(?:\s{{0,2}}(?:(?:-|–|to|through|\.\.)\s{{0,2}}(?:(?:row|col(?:umn)?|y|x)\s{{1,2}})?|and\s{{1,2}})(?P<until>{NUMBER})(?![A-Za-z])|)",
    re.IGNORECASE,
)
# What ends a run of pairs: a word, the end of a sentence, an empty line.
_BETWEEN = re.compile(r"[^\W_]|\.\s|\n\s*+\n")
_LEGEND = re.compile(
    r"^[\s)]{0,3}(?:is |being |as |representing |represents |denotes |at |for |marks )?(?:at |in )?(?:the )?"
    r"(?:top[- ]left|upper[- ]left|bottom[- ]right|lower[- ]right|origin|image size|range|size of)",
    re.IGNORECASE,
)
_RANGE = re.compile(
    r"\b(?:between|range|ranges?|ranging|within|lie in|size|dimensions?|resolution|shape|origin)\b[^.;\n]{0,25}$", re.I
)
_MARKED = re.compile(r"\b(?:cent(?:er|re)|centroid|answer|final|output|point)\b", re.IGNORECASE)
_FOREIGN = re.compile(r"<(?:box|ref|point|loc|quad|poly)[ >0-9]|<loc[0-9]", re.IGNORECASE)
_SIZES = re.compile(r"\b(?:width|height|xywh|w|h)\b", re.IGNORECASE)

MOST_NAMED = 40
"""Numbers that say what they are: a text with more of them lists, and answers nothing."""

Pairs = Sequence[tuple[float, float]]


class Found(NamedTuple):
    """A list of coordinates in a text: where, its pairs in the order and scale of the model's convention, and whether
    words before it call it the answer."""

    start: int
    end: int
    pairs: tuple[tuple[float, float], ...]
    marked: bool


def strict(text: str, form: re.Pattern, limits: Limits) -> Pairs | None:
    """The pairs of a text that has exactly this form; None for any other. Fractions only where the model uses them."""
    fractions_allowed = str(limits.convention.get("scale")) in coordinates.DECIMALS
    if not form.fullmatch(text) or ("." in text and not fractions_allowed):
        return None
    return [(float(first), float(second)) for first, second in _STRICT_PAIRS.findall(text)]


def lenient(text: str, limits: Limits, counts: set[int]) -> Pairs | None:
    """The coordinate list that a free text gives as its answer, of one of these lengths where there is one.

    Lists are runs of bracketed pairs, all pairs together ("top-left: (3, 5), top-right: (3, 9) ..." are four runs of
    one pair; only together do they make a box), flat lists, and numbers that say what they are ("row 63, column 70",
    "x_min: 5"). Names of axes and units are honoured; lengths in mm, sizes in place of corners, and the tags of other
    conventions cannot be. None where nothing is an answer, or two contradict each other.
    """
    text = _free_text.visible(text)
    if _FOREIGN.search(text):
        return None
    lists = [each._replace(pairs=_once(each.pairs, counts)) for each in _lists(text, limits, counts)]
    fitting = [each for each in lists if len(each.pairs) in counts]
    # All pairs together are an answer only where no run by itself may be one.
    fitting = fitting[:-1] if len(fitting) > 1 and fitting[-1].start <= fitting[0].start else fitting
    if not fitting:
        return lists[0].pairs if lists else None
    marked = [each for each in fitting if each.marked]
    chosen = marked if 1 in counts and marked else fitting
    found = _free_text.last_stated(
        text, [Statement(each.start, each.end, each.pairs, _free_text.is_final(text, each.start)) for each in chosen]
    )
    return found.value if found else None  # type: ignore[return-value]


def _once(pairs: tuple[tuple[float, float], ...], counts: set[int]) -> tuple[tuple[float, float], ...]:
    """A list that only says the same answer several times, once; an outline that is too long is no answer."""
    for count in sorted(counts, reverse=True):
        if (
            count <= 4
            and len(pairs) > count
            and len(pairs) % count == 0
            and pairs == pairs[:count] * (len(pairs) // count)
        ):
            return pairs[:count]
    # A closed outline ends where it began.
    if len(pairs) not in counts and len(pairs) - 1 in counts and len(pairs) > 2 and pairs[0] == pairs[-1]:
        return pairs[:-1]
    return pairs


def _lists(text: str, limits: Limits, counts: set[int]) -> list[Found]:
    """All lists of a text, in order of what is more plainly one."""
    lists = _runs(text, list(_pairs(text, limits))) or _flat(text, limits)
    named = _named(text, limits, counts)
    if named and any(each.pairs == (named[0].pairs[0][::-1],) for each in lists):
        return named  # "(70, 63) where x = 70 and y = 63"
    if lists:
        # Numbers that say what they are beside a list that fits are its explanation.
        return lists if any(len(each.pairs) in counts for each in lists) or not named else named
    return named or _bare(text, limits, counts)


def _pairs(text: str, limits: Limits) -> Iterator[Found]:
    """Bracketed pairs, each in the convention's order and scale, without legends of the picture.

    What words say of the first pair of a run goes for all of it: a text may hold thousands.
    """
    end, said, marked = -1, None, False
    for match in _PAIR.finditer(text):
        begins = end < 0 or bool(_BETWEEN.search(text[end : match.start()]))
        end = match.end()
        first_name, first, unit, second_name, second, other_unit = match.groups()
        names = [name.strip(" \"'=:\t\n").lower()[:1] for name in (first_name, second_name)]
        if (
            "w" in names
            or "h" in names
            or (begins or text[end : end + 3].strip()[:1].isalpha())
            and _is_legend(text, match.start(), end)
        ):
            continue
        if begins:
            said, marked = _order(text, match.start(), end), _is_marked(text, match.start())
        x_first = {("x", "y"): True, ("c", "r"): True, ("y", "x"): False, ("r", "c"): False}.get(
            (names[0], names[1]), said
        )
        pair = _as_told([(float(first), float(second))], x_first, {unit, other_unit}, (first, second), limits)
        if pair is not None:
            yield Found(match.start(), end, tuple(pair), marked)


def _runs(text: str, pairs: Sequence[Found]) -> list[Found]:
    """Runs of pairs with nothing but punctuation between, and at last all pairs together."""
    groups: list[list[Found]] = []
    for pair in pairs:
        if groups and not _BETWEEN.search(text[groups[-1][-1].end : pair.start]):
            groups[-1].append(pair)
        else:
            groups.append([pair])
    if len(groups) > 1:
        groups.append(list(pairs))
    return [
        Found(group[0].start, group[-1].end, tuple(point for pair in group for point in pair.pairs), group[0].marked)
        for group in groups
    ]


def _flat(text: str, limits: Limits) -> list[Found]:
    """Flat lists of an even number of numbers: [3, 5, 7, 9]."""
    found = []
    for match in _FLAT.finditer(text):
        numbers = [number for number, _ in _NUMBERS.findall(match[0])]
        units = {unit for _, unit in _NUMBERS.findall(match[0])}
        values = [float(number) for number in numbers]
        if len(values) % 2 or _SIZES.search(text[max(0, match.start() - 60) : match.end() + 60]):
            continue
        pairs = list(zip(values[::2], values[1::2], strict=True))
        told = _as_told(pairs, _order(text, match.start(), match.end()), units, numbers, limits)
        if told is not None and not _is_legend(text, match.start(), match.end()):
            found.append(Found(match.start(), match.end(), tuple(told), _is_marked(text, match.start())))
    return found


def _named(text: str, limits: Limits, counts: set[int]) -> list[Found]:
    """What numbers make that say what they are: one row and one column, or the edges of a box."""
    if not counts & {1, 2}:
        return []
    rows, columns, units, raw, start, end = [], [], set(), [], len(text), 0
    for number, match in enumerate(_NAMED.finditer(text)):
        if number == MOST_NAMED:
            return []
        name = match["name"].lower()
        if _free_text.is_about(text, Statement(match.start(), match.end(), None)) or _RANGE.search(
            _free_text.before(text, match.start())
        ):
            continue
        axis = (
            rows
            if name[0] in "ry" and name != "right" or name in ("top", "bottom", "upper", "lower", "vertical")
            else columns
        )
        numbers = [number for number in (match["number"], match["until"]) if number]
        axis += [float(number) for number in numbers if float(number) not in axis]
        raw += numbers
        units.add(match[4])
        start, end = min(start, match.start()), max(end, match.end())
    if _SIZES.search(text) or not rows or not columns:
        return []
    if 1 in counts and len(rows) == len(columns) == 1:
        pairs = [(rows[0], columns[0])]
    elif 2 in counts and len(rows) == len(columns) == 2:
        pairs = [(min(rows), min(columns)), (max(rows), max(columns))]
    else:
        return []
    told = _as_told(pairs, False, units, raw, limits)
    return [Found(start, end, tuple(told), True)] if told is not None else []


def _bare(text: str, limits: Limits, counts: set[int]) -> list[Found]:
    """Two numbers without a bracket, where they are all there is or are said to be the point."""
    if 1 not in counts:
        return []
    matches = [match for match in (_BARE.match(text), *_STATED.finditer(text)) if match]
    found = []
    for match in matches:
        first, unit, second, other_unit = match.groups()
        order = _order(text, match.start(1), match.end())
        told = _as_told([(float(first), float(second))], order, {unit, other_unit}, (first, second), limits)
        if told is not None and not _is_legend(text, match.start(1), match.end()):
            found.append(Found(match.start(), match.end(), tuple(told), True))
    return found


def _order(text: str, start: int, end: int) -> bool | None:
    """Whether the words around a list say that x comes first; None where they say nothing."""
    for around in (_free_text.before(text, start), _free_text.behind(text, end)[:40]):
        said = [
            match
            for match in _ORDER.finditer(around)
            if match[3] or match[4] or match[1][0].lower() != match[2][0].lower()
        ]
        if said:
            match = said[-1]
            return bool(match[3]) or (not match[4] and match[1][0].lower() in "xch")
    return None


def _as_told(
    pairs: Pairs, x_first: bool | None, units: set, numbers: Sequence[str], limits: Limits
) -> list[tuple[float, float]] | None:
    """Pairs in the convention's own order and scale, from the order and units that a text names; None for mm and cm."""
    convention = limits.convention
    if units & {"mm", "cm"}:
        return None
    extent = None
    if "%" in units:
        extent = 100.0
    elif str(convention.get("scale")) not in coordinates.DECIMALS and _are_fractions(numbers):
        extent = 1.0
    if extent is not None:
        # To the convention's own numbers, as `coordinates.decode` takes them to pixels.
        size, is_grid = coordinates.extent(convention, limits.side)
        shift = 0.5 if is_grid else 0.0
        pairs = [
            (min(a / extent * size - shift, size - shift), min(b / extent * size - shift, size - shift))
            for a, b in pairs
        ]
        if is_grid:
            pairs = [(max(0.0, min(round(a), size - 1)), max(0.0, min(round(b), size - 1))) for a, b in pairs]
    own = convention.get("order") == "x_y"
    return [pair[::-1] for pair in pairs] if x_first is not None and x_first != own else list(pairs)


def _are_fractions(numbers: Sequence[str]) -> bool:
    """Whether all are from 0 to 1, and most are written with a point: positions, not pixels."""
    pointed = sum("." in number for number in numbers)
    return pointed * 2 > len(numbers) and all(0 <= float(number) <= 1 for number in numbers)


def _is_legend(text: str, start: int, end: int) -> bool:
    """Whether words around a list make it one of the corners of the picture or the range of values."""
    return bool(_LEGEND.match(_free_text.behind(text, end)) and text[start - 12 : start].rstrip()[-1:] != ":") or bool(
        _RANGE.search(_free_text.before(text, start))
    )


def _is_marked(text: str, start: int) -> bool:
    return bool(_MARKED.search(_free_text.before(text, start)[-40:]))
