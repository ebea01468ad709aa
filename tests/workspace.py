"""A copy of the project in which Snakemake can be run or asked what it would do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PARTS = ("Snakefile", "config", "profiles", "resources", "workflow")


class Workspace:
    """A folder with the project's files, as after a checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def copy(cls, folder: Path) -> "Workspace":
        """The project's files as copies that a test may edit."""
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        return cls(folder)

    @classmethod
    def link(cls, folder: Path) -> "Workspace":
        """The project's files as links, for tests that edit none."""
        for part in PARTS:
            os.symlink(REPOSITORY / part, folder / part)
        return cls(folder)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def dry_run(self, *arguments: str) -> str:
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def planned(self, *arguments: str) -> dict[str, int]:
        """rule -> number of jobs that a dry-run announces."""
        found = re.search(r"^job +count\n-+ +-+\n(.*?)^total", self.dry_run(*arguments), re.MULTILINE | re.DOTALL)
        return (
            {} if found is None else {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", found[1], re.MULTILINE)}
        )

    def jobs(self, rule: str, *arguments: str) -> set[str]:
        """The wildcards of every job of a rule that a dry-run announces."""
        blocks = re.findall(rf"^(?:local)?rule {rule}:\n((?:    .*\n)*)", self.dry_run(*arguments), re.MULTILINE)
        return {re.search(r"wildcards: (.*)", body)[1] for body in blocks}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))
