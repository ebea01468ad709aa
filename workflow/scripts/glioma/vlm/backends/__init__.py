"""How a vision-language model is run, a module a backend: `get("transformers")` is that of `backends/transformers.py`.

A module here that does not begin with an underscore is a backend, its class is the module's `BACKEND`, and nothing
else says which there are: another one costs its module, and its name as the `backend` of a model. It is imported by its
name, so that what stands above needs no library of any of them, and a rule depends on the code of the one that it uses:
such a rule names it to `provenance.code` by `module`.
"""

from collections.abc import Mapping
from pathlib import Path
from pkgutil import iter_modules

from glioma.base.imports import lean
from glioma.vlm import OPTIONAL
from glioma.vlm.backends._backend import Answer, Backend, Choices, Decoding, Example, Prompt

__all__ = [
    "DEFAULT",
    "Answer",
    "Backend",
    "Choices",
    "Decoding",
    "Example",
    "Prompt",
    "build",
    "get",
    "module",
    "names",
]

DEFAULT = "transformers"


def names() -> tuple[str, ...]:
    """The names of all backends, in order; none is imported to know them."""
    return tuple(sorted(found.name for found in iter_modules(__path__) if not found.name.startswith("_")))


def module(name: str) -> str:
    """The dotted name of a backend's module."""
    return f"{__name__}.{name}"


def get(name: str) -> type[Backend]:
    """A backend by its name; `ValueError` for an unknown one."""
    if name not in names():
        raise ValueError(f"{name!r} is no backend; use one of {', '.join(names())}")
    # Others bring libraries of their own, which may need what transformers does not.
    return lean(module(name), *(OPTIONAL if name == DEFAULT else ())).BACKEND


def build(base: Mapping, adapter: str | Path | None = None) -> Backend:
    """The backend that a model entry names, not loaded yet."""
    return get(base.get("backend", DEFAULT))(base, adapter)
