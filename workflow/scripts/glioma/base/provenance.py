"""What a script's result depends on in the code: a digest of it and of every project module it reaches.

Snakemake compares a script by its modification time and does not see the modules it imports, so a checkout re-runs
everything and an edited helper nothing. A digest among the params mends both. It is taken over the syntax tree without
docstrings: comments, layout and documentation may change freely.

On a cluster every job is a process that reads the Snakefile again, while the one that submitted it records the params
that it knew. So the param is the digest of when the workflow was started, and a job compares it with the files.
"""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from glioma.base.errors import UserError

SCRIPTS = Path(__file__).resolve().parents[2]
# What only logs, names faults or computes this digest changes no result.
WITHOUT_EFFECT = {"glioma", *(f"glioma.base{name}" for name in ("", ".errors", ".job", ".provenance"))}
KEPT = Path("__pycache__/modules.json")
"""Where below the scripts it is kept what was read of modules, as Python keeps their bytecode: to read them all is a
seventh of every start of Snakemake."""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """What one file contributes: a digest of its tree without docstrings, and the project files that it imports."""

    digest: str
    imports: frozenset[Path]


def code(script: str, *modules: str) -> str:
    """The `digest` of a script as the workflow was started with it: the param of a rule.

    `modules` (such as "glioma.tasks.polygon") are those that the script imports by a name it is given, which no import
    statement shows; they stand behind the digest and the script, for `is_current` to find. The first process to ask is
    the one that the user started; its jobs, on whatever machine, inherit its environment.
    """
    name = "GLIOMA_CODE_" + "_".join((script, *(module.replace(".", "_") for module in modules)))
    if name not in os.environ:  # a job is spared reading all modules of all rules
        os.environ[name] = digest(script, *modules)
    return " ".join((os.environ[name], script, *modules))


def is_current(known: str) -> bool:
    """Whether a script and its modules are still those of the param that `code` gave."""
    wanted, script, *modules = known.split()
    return wanted == digest(script, *modules)


def configuration(config: dict, job: bool) -> None:
    """Tell the configuration's digest to the jobs' processes; there (`job`), refuse another one."""
    found = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    if not job:
        os.environ["GLIOMA_CONFIGURATION"] = found
    elif os.environ.get("GLIOMA_CONFIGURATION", found) != found:
        raise UserError("the configuration was edited while the workflow was running; start snakemake again")


def digest(script: str, *modules: str) -> str:
    """Digest (16 hex digits) of `<scripts>/<script>.py`, of `modules`, and of all project modules that these import.

    Imports inside functions count: a module that is imported late still makes the result.
    """
    found = hashlib.sha256()
    kept = _kept(SCRIPTS)
    known = kept.copy()
    for path in sorted(reached(script, *modules)):
        found.update(f"{path.relative_to(SCRIPTS)}\n{_module(path).digest}\n".encode())
    if kept != known:
        _keep(kept)
    return found.hexdigest()[:16]


def reached(script: str, *modules: str) -> set[Path]:
    """The files that `digest` covers."""
    found: set[Path] = set()
    queue = [SCRIPTS / f"{script}.py", *(path for module in modules for path in _files(module))]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue.extend(_module(path).imports)
    return found


def content(path: str | Path) -> str:
    """Digest (16 hex digits) of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


@cache
def _module(path: Path) -> Module:
    """What one file contributes. It is parsed once, because most scripts share most modules, and starts share all."""
    text = path.read_bytes()
    now, kept = hashlib.sha256(text).hexdigest(), _kept(SCRIPTS)
    name = str(path.relative_to(SCRIPTS))
    if kept.get(name, [""])[0] != now:
        kept[name] = [now, *_parsed(text, path)]
    _, digest, names = kept[name]
    return Module(digest, frozenset(file for name in names for file in _files(name)))


@cache
def _kept(folder: Path) -> dict[str, list]:
    """name -> digest of a file's bytes, that of its tree, and what it imports, by this very module."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        if found["by"] == content(__file__):
            return found["modules"]
    return {}


def _keep(modules: dict[str, list]) -> None:
    """Write down what is kept, where that can be written."""
    if not sys.dont_write_bytecode:
        from glioma.base.files import write_json  # NumPy and all, of which a digest needs nothing

        with suppress(OSError):
            write_json({"by": content(__file__), "modules": modules}, SCRIPTS / KEPT)


def _parsed(source: bytes, path: Path) -> tuple[str, list[str]]:
    """The digest of a file's tree without docstrings, and the modules that it may import."""
    text, imported = _written_out(ast.parse(source))
    names: set[str] = set()
    for node in imported:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        else:
            base = _absolute(node, path)
            # `from package import name`: the name may be a module of it.
            names.update((base, *(f"{base}.{alias.name}" for alias in node.names)))
    own = {name for name in names if name.split(".")[0] == "glioma"}
    return hashlib.sha256(text.encode()).hexdigest(), sorted(own - WITHOUT_EFFECT)


def _written_out(tree: ast.AST) -> tuple[str, list[ast.Import | ast.ImportFrom]]:
    """A syntax tree without docstrings as text that is the same in every Python, and its import statements.

    The text of `ast.dump` shows or hides fields without a value, and versions have other such fields.
    """
    text: list[str] = []
    imports: list[ast.Import | ast.ImportFrom] = []
    _write(tree, text.append, imports.append)
    return "".join(text), imports


def _write(node: Any, add: Callable[[str], None], imports: Callable[[Any], None]) -> None:
    """Add a part of a tree piece by piece: trees have thousands of nodes, and every start of Snakemake reads all."""
    if isinstance(node, ast.AST):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports(node)
        add(f"{node.__class__.__name__}(")
        between = ""
        for name, value in ast.iter_fields(node):
            if value not in (None, []):
                add(f"{between}{name}=")
                _write(value, add, imports)
                between = ", "
        add(")")
    elif isinstance(node, list):
        add("[")
        for number, value in enumerate(node):
            if number:
                add(", ")
            _write(value, add, imports)
        add("]")
    else:
        add(repr(node))


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
