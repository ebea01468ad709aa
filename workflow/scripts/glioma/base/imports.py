"""What is imported, where a library would import more than it is used for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType


def lean(module: str, *optional: str) -> ModuleType:
    """A module by its dotted name, imported as if packages that it can do without were not installed.

    Where something does need one of them (a library that a user has, and that the module imports if it is there), all
    is imported as it is.
    """
    try:
        with _hidden(*optional):
            return import_module(module)
    except ImportError:
        return import_module(module)


@contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Within, packages are not found; what has them already keeps them."""
    known = {package: sys.modules.get(package) for package in packages}
    sys.modules.update(dict.fromkeys(packages))
    try:
        yield
    finally:
        for package, module in known.items():
            if module is None:
                del sys.modules[package]
            else:
                sys.modules[package] = module
