"""A workspace in which everything is done: placeholder outputs that Snakemake itself has recorded as made.

The graph, its params and its digests are the real ones; only the content of the files is not, so that a question about
what would run again takes seconds. `tests/workflow` runs the real thing.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PARTS = ("Snakefile", "config", "profiles", "resources", "workflow")


class Workspace:
    """A copy of the project in which Snakemake can be asked what it would do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def planned(self, *arguments: str) -> dict[str, int]:
        """rule -> number of jobs that a dry-run announces."""
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stderr
        found = re.search(r"^job\s+count\n-+\s+-+\n(.*?)^total", done.stdout + done.stderr, re.MULTILINE | re.DOTALL)
        return (
            {} if found is None else {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", found[1], re.MULTILINE)}
        )

    def jobs(self, *arguments: str) -> set[tuple[str, str]]:
        """(rule, wildcards) of every job that a dry-run announces."""
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stderr
        text = done.stdout + done.stderr
        blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", text, re.MULTILINE)
        wildcards = (re.search(r"wildcards: (.*)", body) for _, body in blocks)
        return {(rule, found[1] if found else "") for (rule, _), found in zip(blocks, wildcards, strict=True)}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    workspace = Workspace(folder)
    listed = workspace.snakemake("--detailed-summary", "--quiet")
    assert listed.returncode == 0, listed.stderr
    outputs = [line.split("\t")[0] for line in listed.stdout.splitlines() if line.startswith("results/")]
    assert len(outputs) > 500
    for output in outputs:
        path = folder / output
        if path.name == "images":
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(output)
    # Equal times first: whatever order the files were made in must not look like an update.
    for path in folder.rglob("*"):
        os.utime(path, (1e9, 1e9))
    done = workspace.snakemake("--touch", "--forceall", "--cores", "1", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def workspace(finished, tmp_path):
    """A private copy of the finished workspace, times and all."""
    folder = tmp_path / "workspace"
    subprocess.run(["cp", "-a", str(finished), str(folder)], check=True)
    return Workspace(folder)


@pytest.fixture
def empty(tmp_path):
    """A workspace in which nothing has run."""
    for part in PARTS:
        os.symlink(REPOSITORY / part, tmp_path / part)
    return Workspace(tmp_path)
