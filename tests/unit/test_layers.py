"""The house: packages depend downwards only, modules and functions stay small."""

import ast

import pytest

from workspace import REPOSITORY

PACKAGE = REPOSITORY / "workflow" / "scripts" / "glioma"
BELOW = [
    {"base"},
    {"geometry"},
    {"metrics"},
    {"stats", "cohort", "tasks"},
    {"cnn", "radiomics", "sam", "vlm"},
    {"scoring"},
    {"compare"},
    {"report", "demo"},
    {"config", "workbench"},
    {"planning"},
]
"""Packages from the ground up: those of a floor know nothing of each other and of what is above."""
FLOOR = {name: number for number, floor in enumerate(BELOW) for name in floor}
MODULES = sorted(PACKAGE.rglob("*.py"))


def own(path):
    return path.relative_to(PACKAGE).parts[0]


def imported(tree: ast.Module) -> set[str]:
    """The project's packages that a module imports, late imports included."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "glioma":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glioma."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("glioma.")}
    return names


def lines(node) -> int:
    """Lines without the docstring."""
    body = getattr(node, "body", [])
    documented = ast.get_docstring(node, clean=False) is not None
    first = 1 if isinstance(node, ast.Module) else node.lineno
    last = max((each.end_lineno for each in body), default=first)
    return last - first + 1 - (body[0].end_lineno - body[0].lineno + 1 if documented else 0)


def test_every_package_has_a_floor():
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} == set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_depends_downwards_and_is_small(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.parent != PACKAGE:
        above = {name for name in imported(tree) - {own(path)} if FLOOR[name] >= FLOOR[own(path)]}
        assert not above, f"imports {', '.join(sorted(above))}"
    assert lines(tree) <= 400
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {node.name: lines(node) for node in functions if lines(node) > 60} == {}
