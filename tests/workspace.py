"""A copy of the project in which Snakemake can be run or asked what it would do."""

import multiprocessing
import os
import re
import runpy
import shutil
import subprocess
import sys
from multiprocessing.reduction import DupFd
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

REPOSITORY = Path(__file__).parents[1]
PARTS = ("Snakefile", "config", "profiles", "resources", "workflow")


# Only what Snakemake and its plugins import: the project's package is each workspace's own.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli", "snakemake.report", "pandas", "pydantic", "nibabel", "scipy.ndimage"])


def _sent(stream: IO) -> DupFd:
    """An open file as another process gets it."""
    return DupFd(stream.fileno())


def _snakemake(folder: Path, arguments: tuple[str, ...], environment: dict[str, str], out: DupFd, err: DupFd) -> None:
    """What a forked process does: as `python -m snakemake`, in a folder, with its output in two open files."""
    for stream, number in ((out, 1), (err, 2)):
        os.dup2(stream.detach(), number)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(sys.executable).parent / "snakemake"), *arguments]
    # What the parent found on its path is not there for a command of its own.
    sys.path[:] = [part for part in sys.path if "workflow/scripts" not in part and "tests" not in Path(part).parts]
    runpy.run_module("snakemake", run_name="__main__")


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
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.pyc"))
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
        """Snakemake in a process of its own, forked from one that has imported it: half of a dry-run are imports."""
        with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
            process = FORKS.Process(
                target=_snakemake, args=(self.folder, arguments, dict(os.environ), *map(_sent, (out, err)))
            )
            process.start()
            process.join()
            texts = []
            for stream in (out, err):
                stream.seek(0)
                texts.append(stream.read())
        return subprocess.CompletedProcess(["snakemake", *arguments], process.exitcode, *texts)

    def dry_run(self, *arguments: str) -> str:
        # Every job, whatever the profile leaves out.
        done = self.snakemake("--dry-run", *arguments, "--quiet", "host")
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
