"""What a killed run leaves behind, and what a new one may take away."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from glioma.base import runs
from glioma.base.errors import UserError
from glioma.base.files import write_json


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a lock in it."""
    monkeypatch.chdir(tmp_path)
    runs.LOCKS.mkdir(parents=True)
    (runs.LOCKS / "0.output.lock").write_text("results/x\n")
    return tmp_path


def locked():
    return bool(list(runs.LOCKS.glob("*")))


def record(pid, since=0.0, host=None, local=True):
    content = {"host": host or socket.gethostname(), "pid": pid, "since": since, "local": local}
    write_json(content, runs.RECORDS / f"{pid}.json")


def dead():
    """The id of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_of_a_killed_run_goes(here):
    record(dead())
    assert "left its lock: removed" in runs.release(["--cores", "all"])
    assert not locked() and not list(runs.RECORDS.glob("*"))
    # Snakemake's own folder is as if nothing had been.
    assert runs.release(["--cores", "all"]) is None


@pytest.mark.parametrize("dry", ["-n", "--dry-run", "-np"])
def test_a_dry_run_takes_nothing_away(here, dry):
    record(dead())
    assert runs.release([dry]) is None and locked()


def test_the_lock_of_a_run_that_is_alive_stays(here):
    runs.began(local=True)
    record(dead())
    assert runs.release([]) is None and locked()
    runs.ended()
    assert runs.release([]) is not None and not locked()


def test_a_process_of_the_same_number_is_another_one(here):
    record(os.getpid(), since=psutil.Process().create_time() - 3600)
    assert runs.release([]) is not None and not locked()


def test_the_lock_of_another_machine_and_of_nobody_stays(here):
    assert runs.release([]) is None and locked()
    record(dead(), host="another")
    assert runs.release([]) is None and locked()


def test_jobs_on_a_cluster_may_be_alive(here):
    record(dead(), local=False)
    with pytest.raises(UserError, match="then type: snakemake --unlock"):
        runs.release(["--profile", "slurm"])
    assert locked()
    # What the line says to type works: nothing here stands in the way of Snakemake's own unlocking.
    assert runs.release(["--unlock"]) is None and not list(runs.RECORDS.glob("*"))


ON = "open('on', 'w').close(); time.sleep(60)"


def orphan(folder, code):
    script = folder / ".snakemake" / "scripts" / "tmp1.crop.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"import signal, time\n{code}\n")
    # A process that is nobody's child, as after its parent's end.
    quiet = "stdout=DEVNULL, stderr=DEVNULL"
    start = f"from subprocess import *; print(Popen([{sys.executable!r}, {str(script)!r}], {quiet}).pid)"
    found = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=True, cwd=folder)
    while not (folder / "on").exists():
        time.sleep(0.05)
    return int(found.stdout)


def test_jobs_that_a_killed_run_left_are_interrupted(here):
    record(dead())
    hears = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    pid = orphan(here, f"{hears}\ntry:\n    {ON}\nfinally:\n    open('tidied', 'w').close()")
    assert runs.release([]) is not None and not locked()
    assert not psutil.pid_exists(pid) and (here / "tidied").exists()


def test_jobs_that_hear_no_interrupt_are_told_to_end(here, monkeypatch):
    """As those of a run that a script has put into the background."""
    monkeypatch.setattr(runs, "PATIENCE", 2)
    record(dead())
    pid = orphan(here, f"signal.signal(signal.SIGINT, signal.SIG_IGN); {ON}")
    assert runs.release([]) is not None and not locked()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_jobs_that_do_not_end_are_named(here, monkeypatch):
    monkeypatch.setattr(runs, "PATIENCE", 0.5)
    record(dead())
    deaf = "; ".join(f"signal.signal(signal.{name}, signal.SIG_IGN)" for name in ("SIGINT", "SIGTERM"))
    pid = orphan(here, f"{deaf}; {ON}")
    try:
        with pytest.raises(UserError, match=f"type: kill -9 {pid}"):
            runs.release([])
        assert locked()
    finally:
        os.kill(pid, signal.SIGKILL)
