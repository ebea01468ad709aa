"""What a script's result depends on in the code: a digest of it and of every project module it reaches.

Snakemake compares a script by its modification time and does not see the modules it imports, so a checkout re-runs
everything and an edited helper nothing. A digest among the params mends both. It is taken over the syntax tree without
docstrings: comments, layout and documentation may change freely.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
# What only logs, names faults or computes this digest changes no result.
WITHOUT_EFFECT = {"glioma", "glioma.errors", "glioma.job", "glioma.provenance"}


def code(script: str) -> str:
    """Digest (16 hex digits) of `<scripts>/<script>.py` and all project modules it imports, directly or not.

    Imports inside functions count: a module that is imported late still makes the result.
    """
    return _digest(frozenset(reached(script)))


def reached(script: str) -> set[Path]:
    """The files that `code` covers."""
    found: set[Path] = set()
    queue = [SCRIPTS / f"{script}.py"]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue.extend(_imports(path))
    return found


def content(path: str | Path) -> str:
    """Digest (16 hex digits) of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


@cache
def _digest(files: frozenset[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(SCRIPTS)}\n{ast.dump(_bare(path))}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _bare(path: Path) -> ast.Module:
    """The module's tree without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Files of the project's own modules that one file imports (packages count with their `__init__`)."""
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path)
            # `from package import name`: the name may be a module of it.
            names.update((base, *(f"{base}.{alias.name}" for alias in node.names)))
    return frozenset(file for name in names - WITHOUT_EFFECT for file in _files(name))


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(SCRIPTS).parent.parts
    package = package[: len(package) - node.level + 1]
    return ".".join((*package, node.module) if node.module else package)


def _files(name: str) -> list[Path]:
    """The module's file and the `__init__` of every package above it; nothing for foreign modules."""
    parts = name.split(".")
    if parts[0] != "glioma":
        return []
    packages = [SCRIPTS.joinpath(*parts[:n], "__init__.py") for n in range(2, len(parts) + 1)]
    module = SCRIPTS.joinpath(*parts).with_suffix(".py")
    return [file for file in (*packages, module) if file.is_file()]
