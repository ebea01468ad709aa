"""Runs that were killed: whether the lock that one left behind may go.

Snakemake removes its lock when a run ends, whatever the reason but SIGKILL or a crash of the machine. After those it
asks for `--unlock`, which forgets that another run may be going. Here each run writes down who it is; a lock goes by
itself once all that were written down were on this machine and none of them is alive.
"""

import os
import re
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from glioma.base.errors import UserError
from glioma.base.files import read_json, write_json

PATIENCE = 10
"""Seconds for a job to end once it is interrupted, and again once it is told to end."""
RECORDS, LOCKS = Path(".snakemake/glioma-runs"), Path(".snakemake/locks")


def began(local: bool) -> None:
    """Write down the run of this process in the working directory. `local`: its jobs run on this machine."""
    own = psutil.Process()
    record = {"host": socket.gethostname(), "pid": own.pid, "since": own.create_time(), "local": local}
    write_json(record, RECORDS / f"{own.pid}.json")


def ended() -> None:
    """Forget the run of this process."""
    (RECORDS / f"{os.getpid()}.json").unlink(missing_ok=True)


def release(arguments: Sequence[str]) -> str | None:
    """Remove the lock of killed runs; a line on it for the user, None where nothing is to be said.

    Left alone where a run is alive, or on another machine, or not known: Snakemake then says what it says. Jobs that
    the killed run left behind are interrupted, for a new run would do the same work; `UserError` where they stay.
    `arguments` are those of the command line.
    """
    # A dry-run locks nothing, and touches nothing.
    if any(word in ("--dry-run", "--dryrun") or re.fullmatch(r"-[A-Za-z]*n[A-Za-z]*", word) for word in arguments):
        return None
    records = {path: read_json(path) for path in RECORDS.glob("*.json")}
    if "--unlock" in arguments:
        # The user says that nothing is alive, and Snakemake takes the lock away.
        for path in records:
            path.unlink(missing_ok=True)
        return None
    locks = list(LOCKS.glob("*.lock"))
    if not records:
        return None
    if any(record["host"] != socket.gethostname() or _is_alive(record) for record in records.values()):
        return None
    if locks and not all(record["local"] for record in records.values()):
        raise UserError(
            "a run on the cluster was killed here, and its jobs may still be going; cancel them (docs/cluster.md), "
            "then type: snakemake --unlock"
        )
    alive = list(_jobs())
    # As Ctrl-C, so that files that are half written are taken away. What a script began with & does not hear it.
    for way in (signal.SIGINT, signal.SIGTERM):
        for orphan in alive:
            with suppress(psutil.NoSuchProcess):
                orphan.send_signal(way)
        _, alive = psutil.wait_procs(alive, timeout=PATIENCE)
        alive = [orphan for orphan in alive if not _is_zombie(orphan)]
    if alive:
        pids = " ".join(str(orphan.pid) for orphan in alive)
        raise UserError(f"a run was killed here, and jobs of it do not end ({pids}); type: kill -9 {pids}")
    for path in (*locks, *records):
        path.unlink(missing_ok=True)
    return (
        "A run was killed here and left its lock: removed, and what it had half done is done again." if locks else None
    )


def _is_alive(record: dict) -> bool:
    try:
        return abs(psutil.Process(record["pid"]).create_time() - record["since"]) < 1
    except psutil.NoSuchProcess:
        return False


def _is_zombie(process: psutil.Process) -> bool:
    """Whether a process has ended and only its parent has not taken notice."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _jobs() -> Iterator[psutil.Process]:
    """Snakemake's processes in this working directory but for this one and those that it came from or began."""
    here, own = str(Path.cwd()), psutil.Process()
    family = {own.pid, *(each.pid for each in (*own.parents(), *own.children(recursive=True)))}
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = " ".join(process.info["cmdline"] or ())
        if process.info["pid"] not in family and process.info["cwd"] == here and _is_job(words):
            yield process


def _is_job(command: str) -> bool:
    """Whether a command line is that of a job: Snakemake's own process for it, or the script that this runs."""
    return "--mode subprocess" in command or "--mode remote" in command or ".snakemake/scripts/" in command
