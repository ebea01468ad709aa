"""The project as a user has it, with the cut of the demo to be run in it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import observe

from workspace import REPOSITORY, Workspace

# What follows it on a command line is more of --config.
CUT = ("--config", "study=tests/slurm/cut.yaml")
RESULTS = Path("results/cut")
# Jobs here take seconds: they are asked about sooner than the profile has it, first 2 s after they were submitted, and
# then 12 s, 22 s, ... later.
SLURM = ("--profile", "slurm", "--slurm-init-seconds-before-status-checks", "2", *CUT)


class Project(Workspace):
    """The files that a clone has, and Snakemake typed in it."""

    @classmethod
    def clone(cls, folder: Path) -> "Project":
        cls.copy(folder)
        shutil.copy(REPOSITORY / "slurm", folder / "slurm", follow_symlinks=False)
        (folder / "tests" / "slurm").mkdir(parents=True)
        for study in ("everything.yaml", "slurm/cut.yaml"):
            shutil.copy(REPOSITORY / "tests" / study, folder / "tests" / study)
        return cls(folder)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Snakemake under way; what it says goes to said.log."""
        path = Path(sys.executable).parent
        with (self.folder / "said.log").open("w") as said:
            return subprocess.Popen(
                [path / "snakemake", *arguments],
                cwd=self.folder,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PATH": f"{path}:{os.environ['PATH']}"},
            )

    def finish(self, running: subprocess.Popen, patience: float = 1500) -> str:
        """What Snakemake has said, which must have succeeded."""
        try:
            code = running.wait(patience)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            running.wait(60)
            code = f"nothing for {patience:.0f} seconds"
        said = (self.folder / "said.log").read_text()
        assert code == 0, f"Snakemake ended with {code}:\n{said[-6000:]}"
        return said

    def run(self, *arguments: str) -> str:
        return self.finish(self.start(*arguments))

    def scores(self) -> dict[str, bytes]:
        """All tables of scores, by name."""
        root = self.folder / RESULTS / "scores"
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.csv"))}

    def times(self, kind: str = "") -> dict[str, int]:
        """When each result was written, in nanoseconds."""
        return {
            str(path.relative_to(self.folder)): path.stat().st_mtime_ns
            for path in sorted((self.folder / RESULTS / kind).rglob("*"))
            if path.is_file()
        }

    def remove(self, *patterns: str) -> None:
        """Take results away, so that exactly they have to be made again."""
        for pattern in patterns:
            found = list((self.folder / RESULTS).glob(pattern))
            assert found, f"nothing matches {pattern}"
            for path in found:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


class Ran:
    """A project in which the cut has been run: how long it took, what was planned, what was seen on the way, and the
    jobs that SLURM had of it at its end (the drills submit more from the same folder).
    """

    def __init__(self, project: Project, *arguments: str) -> None:
        self.project = project
        self.planned = project.planned(*arguments)
        started = time.monotonic()
        with observe.Watch(project.folder) as self.watch:
            self.said = project.run(*arguments)
        self.seconds = time.monotonic() - started
        self.jobs = observe.jobs(project.folder)
