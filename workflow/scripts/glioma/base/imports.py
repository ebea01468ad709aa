"""What is imported, where a library would import more than it is used for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Within, packages are not found, as if they were not installed; what has them already keeps them."""
    known = {package: sys.modules.get(package) for package in packages}
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package, module in known.items():
            if module is None:
                del sys.modules[package]
            else:
                sys.modules[package] = module
