"""What SLURM and the machine say of jobs: asked of scontrol, and seen in the processes themselves."""

import re
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

GPU_RULES = {"train_cnn", "predict_cnn_grade", "predict_cnn_mask", "predict_cnn_slices", "finetune", "respond"}


@dataclass(frozen=True)
class Job:
    """A job as `scontrol show job` tells it; memory in MB, time limit in minutes, times in seconds since 1970."""

    id: int
    run: str
    rule: str
    wildcards: str
    state: str
    reason: str
    memory: int
    limit: int
    gpus: int
    start: float
    end: float
    folder: Path


def jobs(folder: Path | None = None) -> list[Job]:
    """All jobs that SLURM knows, oldest first; those submitted from a folder if one is given."""
    done = subprocess.run(["scontrol", "--details", "show", "jobs"], capture_output=True, text=True, check=False)
    found = [parse(block) for block in done.stdout.split("\n\n") if block.startswith("JobId=")]
    return sorted((job for job in found if folder in (None, job.folder)), key=lambda job: job.id)


def parse(block: str) -> Job:
    # One field may follow another on a line; only a comment holds blanks.
    fields = dict(re.findall(r"(?:^|\s)([\w:/]+)=(\S*)", block))
    rule, _, wildcards = fields["Comment"].removeprefix("rule_").partition("_wildcards_")
    hours, minutes, _ = fields["TimeLimit"].rsplit("-")[-1].split(":")
    gpus = re.search(r"JOB_GRES=gpu(?::\w+)?:(\d+)", block)
    return Job(
        id=int(fields["JobId"]),
        run=fields["JobName"],
        rule=rule,
        wildcards=wildcards,
        state=fields["JobState"],
        reason=fields["Reason"],
        memory=int(re.search(r"MinMemoryNode=(\d+)M", block)[1]),
        limit=60 * int(hours) + int(minutes),
        gpus=int(gpus[1]) if gpus else 0,
        start=seconds(fields["StartTime"]),
        end=seconds(fields["EndTime"]),
        folder=Path(fields["WorkDir"]),
    )


def seconds(text: str) -> float:
    return float("nan") if text == "Unknown" else datetime.fromisoformat(text).timestamp()


def most_at_once(intervals: list[tuple[float, float]]) -> int:
    """The largest number of intervals that share a moment; one that ends as another starts shares none."""
    steps = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def wait_for(what, condition, patience: float = 120):
    """The first true answer of a condition; an error that names it if none comes within these seconds."""
    started = time.monotonic()
    while time.monotonic() - started < patience:
        if answer := condition():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen within {patience:.0f} seconds")


@dataclass(frozen=True)
class Script:
    """A process that runs a rule's script: of which SLURM job (None: of none), and which GPUs it was told to use."""

    process: int
    rule: str
    job: str | None
    gpus: str | None


def scripts(folder: Path) -> list[Script]:
    """The rules' scripts that now run in a folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().split(b"\0")
            # Snakemake writes a script with its preamble to .snakemake/scripts/tmp....<rule>.py
            name = (
                re.search(r"\.snakemake/scripts/tmp\w+\.(\w+)\.py$", command[1].decode()) if len(command) > 1 else None
            )
            if name is None or (path / "cwd").readlink() != folder:
                continue
            values = dict(re.findall(rb"(?:^|\0)(\w+)=([^\0]*)", (path / "environ").read_bytes()))
            parent = int(re.search(r"\) \w (\d+)", (path / "stat").read_text())[1])
        except (FileNotFoundError, ProcessLookupError, UnicodeDecodeError):
            continue
        job, gpus = (
            values[key].decode() if key in values else None for key in (b"SLURM_JOB_ID", b"CUDA_VISIBLE_DEVICES")
        )
        found[int(path.name)] = parent, Script(int(path.name), name[1], job, gpus)
    # Workers that load data are copies of the process that started them.
    return [script for parent, script in found.values() if parent not in found]


class Watch:
    """Looks at a folder's scripts several times a second, as long as the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[Script] = set()
        self.most_gpu_scripts = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.25):
            now = scripts(self.folder)
            self.seen.update(now)
            self.most_gpu_scripts = max(self.most_gpu_scripts, sum(script.rule in GPU_RULES for script in now))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()
