"""What the sections of a configuration are made of: typed, complete, and without keys that nobody knows.

Each stage declares its settings as a `Section` beside its code, with the defaults in it and nowhere else; `config`
puts them together to a study. A job gets a section as a plain mapping and validates it again, which is how a test may
leave out what it does not care about.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

import pydantic
from pydantic import BeforeValidator, Field

from glioma.base.errors import UserError

NULL = ("null", "Null", "NULL", "~")
"""How YAML spells that there is no value, where it arrives as text (inside `--config 'key={...}'`)."""


def number(value: Any) -> Any:
    """A number that is one: `true` is none to us, and text such as 1e3 is one (to YAML 1.1 it is text)."""
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Whole = Annotated[int, Field(ge=0), BeforeValidator(number)]
Count = Annotated[int, Field(ge=1), BeforeValidator(number)]
Number = Annotated[float, Field(ge=0), BeforeValidator(number)]
Rate = Annotated[float, Field(gt=0), BeforeValidator(number)]
Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(number)]


class Section(pydantic.BaseModel):
    """A part of the configuration; immutable, every key known."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=False, use_attribute_docstrings=True
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _read_null(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {key: None if isinstance(value, str) and value in NULL else value for key, value in values.items()}

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """The section that these keys make; `UserError` names the first key that is wrong, and what may stand there."""
        try:
            return cls.model_validate(dict(values))
        except pydantic.ValidationError as error:
            raise UserError(explain(error, cls)) from None

    def plain(self) -> dict[str, Any]:
        """The complete section as a mapping of plain values, ordered by key: what Snakemake compares as a param."""
        return ordered(self.model_dump(mode="json"))


def ordered(value: Any) -> Any:
    """The same value with every mapping sorted by key: Snakemake compares params by their text."""
    if isinstance(value, Mapping):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list | tuple) else value


def explain(error: pydantic.ValidationError, section: type[pydantic.BaseModel]) -> str:
    """The first thing that is wrong, in one line: key, value, and what may stand there."""
    first = max(error.errors(include_url=False), key=lambda found: (found["type"] == "extra_forbidden", 0))
    location = [part for part in first["loc"] if not (isinstance(part, str) and _KIND.search(part))]
    key = ".".join(map(str, location)) or "(top level)"
    value = first.get("input")
    if first["type"] == "extra_forbidden":
        return f"key {key}: unknown key {location[-1]!r}{nearest(str(location[-1]), _keys(section, location[:-1]))}"
    if first["type"] == "missing":
        return f"key {key}: missing; add it"
    if first["type"] == "too_short":
        return f"key {key}: {value!r} is too short; name at least {first['ctx']['min_length']}"
    if first["type"] == "value_error":
        return f"key {key}: {first['ctx']['error']}"
    message = _MAPPING.sub("a section (its keys on lines below it)", first["msg"].replace("Input should be", "must be"))
    shown = "an empty section" if value is None else repr(value)
    return f"key {key}: {shown if len(shown) < 80 else shown[:77] + '...'} {message[0].lower()}{message[1:]}"


# What pydantic adds to a location to say which of several types was tried.
_KIND = re.compile(r"\[|^(?:int|float|str|bool|dict|none|constrained-\w+|literal)$")
_MAPPING = re.compile(r"a valid dictionary(?: or instance of \w+)?")


def _keys(section: Any, location: list) -> list[str]:
    """The keys that a section knows at a location."""
    for part in location:
        field = getattr(section, "model_fields", {}).get(part)
        section = inner_section(field.annotation) if field is not None else section
    return list(getattr(section, "model_fields", {}))


def inner_section(annotation: Any) -> Any:
    """The section within a field's type: itself, or that of a mapping's values or of an optional one."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    for part in reversed(getattr(annotation, "__args__", ())):
        if (found := inner_section(part)) is not None:
            return found
    return None


def nearest(word: str, known: list[str]) -> str:
    """What to add to an error about an unknown name: the one that was probably meant, or all there are."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; the keys are {', '.join(sorted(known))}" if known else ""
