"""The forms in which models of different makers write points, boxes and outlines, beside the study's list of pairs.

A model entry names the one that its model was trained to write (`coordinates.form`):

- json: `{"bbox_2d": [a, b, c, d]}`, `{"point_2d": [a, b]}`, `{"polygon_2d": [[a, b], ...]}`, in a list and in a code
  block or not, labels beside it or not (Qwen-VL);
- tags: `<box>[[a, b, c, d]]</box>`, `<point>[[a, b]]</point>`, `<poly>[[a, b], ...]</poly>` (InternVL);
- loc: `<loc0012><loc0345>...`, a token a number, four digits each (PaliGemma);
- points: `<point x="12.5" y="40.0">`, `<points x1="..." y1="..." x2="..." y2="...">` (Molmo).

A box is two corners in all of them. Numbers and their order are the convention's own, see `geometry.coordinates`.
"""

import json
import re
from collections.abc import Sequence

FORMS = ("pairs", "json", "tags", "loc", "points")
Pairs = Sequence[tuple[float, float]]

_KEYS = {"marker": "point_2d", "box": "bbox_2d", "polygon": "polygon_2d"}
_TAGS = {"marker": "point", "box": "box", "polygon": "poly"}
_FENCE = re.compile(r"\A```(?:json)?\s*+(.*?)\s*+```\Z", re.DOTALL)
_REFERENCE = re.compile(r"\A<ref>[^<]{0,80}</ref>")
_LOC = re.compile(r"<loc([0-9]{4})>")
_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_ONE = re.compile(rf'<point x="({_NUMBER})" y="({_NUMBER})"[^<>]{{0,80}}>(?:[^<>]{{0,80}}</point>)?')
_MANY = re.compile(rf'<points((?: [xy][0-9]{{1,3}}="{_NUMBER}")+)[^<>]{{0,80}}>(?:[^<>]{{0,80}}</points>)?')
_NAMED = re.compile(rf' ([xy])([0-9]{{1,3}})="({_NUMBER})"')


def write(form: str, kind: str, pairs: Sequence[Sequence]) -> str:
    """Pairs of numbers, or of what stands for them in a prompt, as an answer of one kind: marker, box or polygon."""
    flat = [number for pair in pairs for number in pair]
    listed = ", ".join(f"[{', '.join(map(str, pair))}]" for pair in pairs)
    if form == "json":
        value = f"[{listed}]" if kind == "polygon" else f"[{', '.join(map(str, flat))}]"
        return f'[{{"{_KEYS[kind]}": {value}, "label": "tumor"}}]'
    if form == "tags":
        inner = listed if kind == "polygon" else f"[{', '.join(map(str, flat))}]"
        return f"<{_TAGS[kind]}>[{inner}]</{_TAGS[kind]}>"
    if form == "loc":
        return "".join(f"<loc{number:04d}>" if isinstance(number, int) else f"<loc{number}>" for number in flat)
    if kind == "marker":
        return f'<point x="{flat[0]}" y="{flat[1]}">'
    named = " ".join(f'x{number}="{a}" y{number}="{b}"' for number, (a, b) in enumerate(pairs, start=1))
    return f"<points {named}>"


def read(form: str, kind: str, text: str) -> Pairs | None:
    """The pairs of a text that is exactly an answer in this form; None for any other, and for the list of pairs."""
    if form == "pairs":
        return None
    try:
        numbers = _numbers(form, kind, text.strip())
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not numbers or len(numbers) % 2:
        return None
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _numbers(form: str, kind: str, text: str) -> list[float] | None:
    if form == "json":
        fenced = _FENCE.match(text)
        found = json.loads(fenced[1] if fenced else text)
        entries = found if isinstance(found, list) else [found]
        if len(entries) != 1:
            return None
        return _flat(entries[0][_KEYS[kind]])
    if form == "tags":
        text = _REFERENCE.sub("", text)
        opened, closed = f"<{_TAGS[kind]}>", f"</{_TAGS[kind]}>"
        if not text.startswith(opened) or not text.endswith(closed):
            return None
        return _flat(json.loads(text[len(opened) : -len(closed)]))
    if form == "loc":
        numbers = _LOC.findall(text)
        # A label may follow ("<loc...> tumor"), nothing else.
        rest = _LOC.sub("", text).strip()
        return [float(number) for number in numbers] if not rest or rest.isalpha() else None
    if one := _ONE.fullmatch(text):
        return [float(one[1]), float(one[2])]
    many = _MANY.fullmatch(text)
    named = [(int(number), axis, float(value)) for axis, number, value in _NAMED.findall(many[1] if many else "")]
    ordered = sorted(named)
    if [axis for _, axis, _ in ordered] != ["x", "y"] * (len(ordered) // 2):
        return None
    return [value for *_, value in ordered]


def _flat(value: object) -> list[float]:
    """Numbers of a list, or of a list of lists."""
    if isinstance(value, list):
        return [number for each in value for number in _flat(each)]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    return [float(value)]
