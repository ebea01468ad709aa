"""Every command that the documentation prints, run as printed or, where it would compute, as a dry-run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from workspace import REPOSITORY, Workspace

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "Makefile")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    REPOSITORY / "resources/tiny-mllama/README.md",
    *sorted((REPOSITORY / "config").rglob("*.md")),
    *sorted((REPOSITORY / "config").rglob("*.yaml")),
    *sorted((REPOSITORY / "profiles").rglob("*.yaml")),
]
TOOLS = ("snakemake", "make", "python", "PYTHONPATH=workflow/scripts python")
# A block of commands is indented; in a YAML file it is a comment.
LINE = re.compile(r"^(?:# ?)?    (\S.*)$", re.MULTILINE)
INLINE = re.compile(r"`((?:PYTHONPATH=\S+ )?(?:snakemake|make|python) [^`]+)`")
# Nothing of ours: a terminal that stays, the environment, the queue of a cluster.
OTHERS = ("tmux new", "source .venv/bin/activate", "squeue --me")


def commands() -> list[str]:
    """What the pages print, without comments, each once."""
    found: dict[str, None] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for line in [*LINE.findall(text), *INLINE.findall(text)]:
            for part in line.split("  #")[0].split(" && "):
                if "..." in part:
                    continue
                if part.split()[0] in TOOLS or part.startswith(TOOLS) or part.startswith(OTHERS):
                    found[part.strip()] = None
    return list(found)


COMMANDS = commands()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A small folder with BraTS 2020's names and headers."""
    root = tmp_path_factory.mktemp("data") / "MICCAI_BraTS2020_TrainingData"
    tree = [sys.executable, str(REPOSITORY / "benchmarks" / "brats_tree.py"), str(root), "--cases", "40"]
    subprocess.run(tree, check=True, capture_output=True)
    return root


def typed(command: str, folder: Path) -> subprocess.CompletedProcess:
    """A command in a shell, with the environment of these tests."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_pages_print_commands():
    assert sum(command.startswith("snakemake") for command in COMMANDS) >= 8
    assert {"make demo", "make test", "make lint"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make")])
def test_make_has_the_target(command):
    done = typed(f"make --dry-run {command.removeprefix('make')}", REPOSITORY)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("snakemake")])
def test_snakemake_accepts_what_is_printed(command, cohort, tmp_path):
    workspace = Workspace.link(tmp_path)
    (tmp_path / "slurm").symlink_to("profiles/slurm")
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "study.yaml").write_text("extends: demo\nseed: 7\n")
    (tmp_path / "tree").symlink_to(cohort)
    words = shlex.split(command)
    # A dry-run needs no cores, what is printed does.
    needed = ("-n", "--dry-run", "--cores", "--profile", "--lint", "--unlock", "--rulegraph", "--version")
    assert any(word in needed for word in words), f"{command}: Snakemake asks for --cores"
    command = re.sub(r"/data/\w+", str(cohort), command)
    dry = command if {"-n", "--dry-run", "--lint", "--unlock"} & set(words) else f"{command} --dry-run"
    done = typed(dry, workspace.folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize("command", [command for command in COMMANDS if re.match(r"(PYTHONPATH=\S+ )?python", command)])
def test_python_finds_what_is_printed(command, tmp_path):
    """In a copy: what takes no `--help` writes."""
    Workspace.copy(tmp_path)
    (tmp_path / "benchmarks").symlink_to(REPOSITORY / "benchmarks")
    done = typed(f"{command} --help", tmp_path)
    assert done.returncode == 0, done.stderr
