"""The jobs that Snakemake would run, read off its dry-run: the graph itself counts, not a copy of its rules."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from glioma.base.errors import UserError

_HEADING = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")
_LINE = re.compile(r"    (\w[\w ]*): (.*)$")


@dataclass(frozen=True)
class Job:
    """One job: its rule and wildcards, the files it writes, and what it asks for."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    benchmark: str = ""
    threads: int = 1
    gpu: int = 0
    memory_mb: int = 0


def dry_run(arguments: Sequence[str]) -> list[Job]:
    """The jobs of `snakemake --dry-run` with these arguments, in the order of its listing.

    Raises `UserError` with Snakemake's last line where it fails.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nolock", "--nocolor", "--quiet", "host", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines() or ["no output"]
        raise UserError(f"snakemake --dry-run failed: {lines[-1]}")
    return parse(done.stdout + "\n" + done.stderr)


def parse(listing: str) -> list[Job]:
    """The jobs in the text of a dry-run."""
    jobs, found = [], None
    for line in [*listing.splitlines(), ""]:
        heading, entry = _HEADING.match(line), _LINE.match(line)
        if entry and found is not None:
            found[entry[1]] = entry[2]
            continue
        if found is not None:
            jobs.append(_job(found))
            found = None
        if heading:
            found = {"rule": heading[1]}
    return jobs


def _job(found: dict[str, str]) -> Job:
    resources = _pairs(found.get("resources", ""))
    return Job(
        rule=found["rule"],
        wildcards=_pairs(found.get("wildcards", "")),
        outputs=tuple(found["output"].split(", ")) if "output" in found else (),
        benchmark=found.get("benchmark", ""),
        threads=int(found.get("threads", 1)),
        gpu=int(resources.get("gpu", 0)),
        memory_mb=int(resources.get("mem_mb", 0)),
    )


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(", ") if "=" in pair)


def written(job: Job, root: str | Path = ".") -> int:
    """Bytes of a finished job's outputs, those in folders included; of a file with two names each is half."""
    paths = [Path(root) / output for output in job.outputs]
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    found = [file.lstat() for file in files if file.is_file()]
    return round(sum(each.st_size / each.st_nlink for each in found))
