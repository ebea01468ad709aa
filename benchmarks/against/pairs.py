"""Two ways to one result, timed in turns: what `make benchmark` is made of.

Neither way runs twice in a row, so that a drift of the machine's speed hits both; the first round warms up and is not
counted. What may be quoted is the ratio, not the seconds.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """The seconds that `ours` took and those that `theirs` did, round by round, for the same `work`."""

    what: str
    work: str
    theirs_is: str
    ours: Sequence[float]
    theirs: Sequence[float]
    same: str

    @property
    def ratio(self) -> float:
        """How many times as long theirs takes: the median over rounds of their quotient."""
        return statistics.median(self._quotients)

    @property
    def _quotients(self) -> list[float]:
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def row(self) -> list[str]:
        """For the table: what, the work, both medians, the ratio with its least and largest, and what was equal."""
        ours, theirs = map(statistics.median, (self.ours, self.theirs))
        least, most = min(self._quotients), max(self._quotients)
        ratio = f"{self.ratio:.2f} ({least:.2f} to {most:.2f})"
        return [self.what, self.work, _seconds(ours), self.theirs_is, _seconds(theirs), ratio, self.same]


HEAD = ["what", "work", "ours", "against", "theirs", "theirs / ours", "the same in both"]


def compare(
    what: str,
    work: str,
    ours: Callable[[], object],
    theirs_is: str,
    theirs: Callable[[], object],
    same: Callable[[object, object], str],
    rounds: int = 5,
) -> Pair:
    """Time both, in turns. `same(ours, theirs)` holds the first results against each other: it raises, or says how."""
    agreed = same(ours(), theirs())
    found: tuple[list[float], list[float]] = [], []
    for number in range(rounds):
        ways = list(enumerate((ours, theirs)))
        for place, way in ways if number % 2 else ways[::-1]:
            start = time.perf_counter()
            way()
            found[place].append(time.perf_counter() - start)
    pair = Pair(what, work, theirs_is, *found, agreed)
    print(" | ".join(pair.row), flush=True)
    return pair


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.3g} ms"
