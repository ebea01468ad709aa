import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glioma.base import provenance
from glioma.base.errors import UserError

OTHERS = [
    str(path)
    for version in ("3.11", "3.12", "3.13", "3.14")
    for path in [
        *(Path(folder, f"python{version}") for folder in os.get_exec_path()),
        *Path.home().glob(f".pyenv/versions/{version}.*/bin/python"),
    ]
    if path.is_file() and "shims" not in path.parts
]


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A small package: a.py -> glioma.one -> glioma.two (imported late), and glioma.three that nothing reaches."""
    package = tmp_path / "glioma"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep" / "__init__.py").write_text("VALUE = 1\n")
    (package / "deep" / "leaf.py").write_text("from glioma import two\n")
    (package / "one.py").write_text('"""Doc."""\n\n\ndef f():\n    from glioma import two\n    return two.x\n')
    (package / "two.py").write_text("x = 1  # comment\n")
    (package / "three.py").write_text("y = 1\n")
    (tmp_path / "a.py").write_text("from glioma.one import f\nimport numpy\n\nf()\n")
    (tmp_path / "b.py").write_text("import glioma.deep.leaf\n")
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)
    return tmp_path


def fresh(script):
    provenance._module.cache_clear()
    return provenance.digest(script)


def test_reaches_late_imports_and_packages_above(scripts):
    names = {path.relative_to(scripts).as_posix() for path in provenance.reached("a")}
    assert names == {"a.py", "glioma/one.py", "glioma/two.py"}
    names = {path.relative_to(scripts).as_posix() for path in provenance.reached("b")}
    assert names == {"b.py", "glioma/deep/__init__.py", "glioma/deep/leaf.py", "glioma/two.py"}


def test_a_module_that_scripts_share_is_read_once(scripts):
    fresh("a")
    provenance.digest("b")
    provenance.digest("a")
    files = provenance.reached("a") | provenance.reached("b")
    assert provenance._module.cache_info().misses == len(files)


@pytest.mark.parametrize(
    ("file", "content", "changes"),
    [
        ("glioma/two.py", "x = 2\n", True),
        ("glioma/two.py", "\n\nx = 1  # another comment\n", False),
        (
            "glioma/one.py",
            '"""Other words."""\n\n\ndef f():\n    """New."""\n    from glioma import two\n    return two.x\n',
            False,
        ),
        ("glioma/one.py", "def f():\n    from glioma import two\n    return two.x + 1\n", True),
        ("glioma/three.py", "y = 2\n", False),
        ("a.py", "from glioma.one import f\nimport numpy\n\nf()\nf()\n", True),
    ],
)
def test_digest_changes_with_the_code_alone(scripts, file, content, changes):
    before = fresh("a")
    (scripts / file).write_text(content)
    assert (fresh("a") != before) is changes


def test_digest_does_not_depend_on_the_python():
    """Neither the digests of real scripts nor the text behind them; other Pythons are those found on this machine."""
    # What one Python has kept would tell of no other.
    code = (
        "from glioma.base import provenance as p; p.KEPT = 'nowhere'; "
        "print(*(p.digest(s) for s in ('crop', 'respond', 'score_run')), len(p._kept(p.SCRIPTS)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(provenance.SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1"}
    here = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(here.stdout.split()[-1]) > 50
    for python in OTHERS:
        there = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert there.stdout == here.stdout, python
    # By this text digests agree between versions; another text here would be another digest for everybody.
    tree = ast.parse("x = [None]")
    assert provenance._written_out(tree)[0] == (
        "Module(body=[Assign(targets=[Name(id='x', ctx=Store())], value=List(elts=[Constant()], ctx=Load()))])"
    )


@pytest.fixture
def again(monkeypatch):
    """A digest as another process takes it, and the names of the files that it parsed for it."""
    names, parse = [], provenance._parsed
    monkeypatch.setattr(provenance, "_parsed", lambda text, path: names.append(path.name) or parse(text, path))

    def again(script):
        provenance._kept.cache_clear()
        names.clear()
        return fresh(script), names.copy()

    return again


def test_modules_are_parsed_once_for_all_processes(scripts, again, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    kept = scripts / provenance.KEPT
    first, parsed = again("a")
    assert sorted(parsed) == ["a.py", "one.py", "two.py"] and kept.is_file()
    assert again("a") == (first, [])
    assert sorted(again("b")[1]) == ["__init__.py", "b.py", "leaf.py"] and again("a") == (first, [])
    # By its content, whatever its time says.
    file = scripts / "glioma/two.py"
    stat = file.stat()
    file.write_text("x = 2  # comment\n")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other, parsed = again("a")
    assert other != first and parsed == ["two.py"]
    # A module that came to be is found, though what imports it was not edited.
    (scripts / "glioma/one").mkdir()
    (scripts / "glioma/one/__init__.py").write_text("f = 1\n")
    assert again("a")[1] == ["__init__.py"]
    # Of another version of the digest, or broken: as if it were not there.
    kept.write_text(kept.read_text().replace('"by": "', '"by": "0'))
    assert len(again("a")[1]) == 4
    kept.write_text("{")
    assert len(again("a")[1]) == 4 and again("a")[1] == []


def test_where_nothing_can_be_kept_all_is_parsed(scripts, again, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    (scripts / "__pycache__").write_text("")
    found = again("a")
    assert len(found[1]) == 3 and again("a") == found
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    (scripts / "__pycache__").unlink()
    assert again("a") == found and not (scripts / provenance.KEPT).exists()


def test_digest_does_not_depend_on_the_place(scripts, tmp_path_factory, monkeypatch):
    before = fresh("a")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "scripts"
    shutil.copytree(scripts, elsewhere)
    monkeypatch.setattr(provenance, "SCRIPTS", elsewhere)
    assert fresh("a") == before


def test_a_job_is_told_the_digest_of_the_start(scripts, monkeypatch):
    """A process that was started later inherits what the first one found, whatever the files are by then."""
    # Set and removed by monkeypatch: the variable that `code` leaves behind goes with the test.
    monkeypatch.setenv("GLIOMA_CODE_a", "")
    monkeypatch.delenv("GLIOMA_CODE_a")
    started = provenance.code("a")
    assert started == f"{fresh('a')} a"
    (scripts / "glioma/two.py").write_text("x = 2\n")
    assert provenance.code("a") == started != f"{fresh('a')} a"


def test_a_job_refuses_another_configuration_than_that_of_the_start(monkeypatch):
    monkeypatch.setenv("GLIOMA_CONFIGURATION", "")
    provenance.configuration({"seed": 1, "folds": {"count": 2}}, job=False)
    provenance.configuration({"folds": {"count": 2}, "seed": 1}, job=True)
    with pytest.raises(UserError, match="the configuration was edited"):
        provenance.configuration({"seed": 1, "folds": {"count": 3}}, job=True)
    # The next start is asked nothing: it brings its own.
    provenance.configuration({"seed": 1, "folds": {"count": 3}}, job=False)
    provenance.configuration({"seed": 1, "folds": {"count": 3}}, job=True)


def test_modules_that_are_imported_by_name_count_where_a_rule_names_them(scripts, monkeypatch):
    for name in ("GLIOMA_CODE_b", "GLIOMA_CODE_b_glioma_three"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    plain, named = provenance.code("b"), provenance.code("b", "glioma.three")
    assert provenance.is_current(plain) and provenance.is_current(named)
    (scripts / "glioma/three.py").write_text("y = 2\n")
    provenance._module.cache_clear()
    assert provenance.is_current(plain) and not provenance.is_current(named)
