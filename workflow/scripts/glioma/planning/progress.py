"""What is seen while jobs run: a line for every finished stage, how much of all is done, and about what is left.

Snakemake tells its log handlers when jobs begin and end; this is one of them, and takes the place of the three lines a
job that its own one writes to the terminal.
"""

import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from glioma.planning import costs
from glioma.planning.units import ONE_PATIENT

ALL = "all"
STREAM = "DefaultStreamHandler"


def expected(path: str | Path, device: str, patients: int) -> dict[str, float]:
    """Seconds of a job by rule, from the table of unit costs, where jobs and patients alone decide them.

    How long a network trains or a VLM answers depends on more: there is no figure before the first of them has ended.
    """
    table = costs.read(path)
    found = {}
    for rule, units in table[table["device"].isin([device, "cpu"]) & table["model"].eq("")].groupby("rule"):
        counts = units["unit"].map({"job": 1, "patient": 1 if rule in ONE_PATIENT else patients})
        if counts.notna().all():
            found[str(rule)] = float((counts * units["seconds"]).sum())
    return found


class Stages(logging.Handler):
    """Prints a line when the last job of a rule has ended.

    jobs: id -> rule, of all jobs that are to run. known: rule -> seconds of a job, before any has ended here.
    """

    def __init__(
        self,
        jobs: Mapping[int, str],
        known: Mapping[str, float],
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.jobs = {number: rule for number, rule in jobs.items() if rule != ALL}
        self.known, self.out, self.clock = dict(known), out, clock
        self.begun = clock()
        self.started: dict[int, float] = {}
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.todo = Counter(self.jobs.values())

    def emit(self, record: logging.LogRecord) -> None:
        event: Any = getattr(record, "event", None)
        name = getattr(event, "value", event)
        if name == "job_started":
            self.started |= dict.fromkeys(getattr(record, "jobs", ()), self.clock())
        elif name == "job_finished":
            self.ended(record.job_id)  # type: ignore[attr-defined]
        elif name == "job_error":
            logs = ", ".join(map(str, getattr(record, "log", None) or ())) or "no log"
            self.say(f"{record.rule_name} failed; what it said: {logs}")  # type: ignore[attr-defined]

    def ended(self, number: int) -> None:
        """A job has ended; where it was the last of its rule, that is printed."""
        rule, now = self.jobs.pop(number, None), self.clock()
        if rule is None:
            return
        self.seconds[rule].append(now - self.started.get(number, now))
        self.todo[rule] -= 1
        if not self.todo[rule]:
            self.say(self.line(rule, now))

    def say(self, line: str) -> None:
        print(line, file=self.out or sys.stderr, flush=True)

    def line(self, rule: str, now: float) -> str:
        done = sum(map(len, self.seconds.values()))
        total, count = done + len(self.jobs), len(self.seconds[rule])
        jobs = "1 job" if count == 1 else f"{count} jobs"
        text = f"{_clock(now - self.begun):>7}  {rule} ({jobs}) · {done} of {total} jobs, {100 * done // total} %"
        return text + (f" · {self.left(now)} left" if self.jobs else "")

    def left(self, now: float) -> str:
        """What the other jobs take, from what such jobs took here or else elsewhere, as many at a time as so far."""
        spent = {rule: sum(own) / len(own) for rule, own in self.seconds.items() if own}
        means = self.known | spent
        still = {rule: count for rule, count in self.todo.items() if count}
        side_by_side = max(sum(map(sum, self.seconds.values())) / max(now - self.begun, 1e-9), 1.0)
        seconds = sum(count * means.get(rule, 0) for rule, count in still.items()) / side_by_side
        about = "about" if set(still) <= set(means) else "at least"
        if seconds < 90:
            return f"{about} {10 * max(round(seconds / 10), 1)} s"
        return f"{about} {seconds / 60:.0f} min" if seconds < 5400 else f"{about} {seconds / 3600:.1f} h"


def watch(logger: logging.Logger, jobs: Iterable[Any], known: Mapping[str, float]) -> None:
    """Add a `Stages` of these jobs to Snakemake's logger, and leave out what its terminal handler says of each job."""
    stages = Stages({job.jobid: job.rule.name for job in jobs}, known)
    for handler in logger.handlers:
        if handler.name == STREAM:
            handler.addFilter(_no_job)
    logger.addHandler(stages)


def _no_job(record: logging.LogRecord) -> bool:
    """Whether a record is about something else than the going of single jobs."""
    event: Any = getattr(record, "event", None)
    said = str(record.msg)
    selecting = said == "Select jobs to execute..." or (said.startswith("Execute ") and said.endswith(" jobs..."))
    return getattr(event, "value", event) not in ("job_finished", "progress") and not selecting


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
