"""`make benchmark` at its smallest: every pair runs, is held against the other, and stands in the table."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path("benchmarks").resolve()))
from against import pairs


def test_ways_take_turns_and_the_first_time_does_not_count():
    order = []
    pair = pairs.compare(
        "sums", "two", lambda: order.append("ours"), "theirs", lambda: order.append("theirs"), lambda *_: "all", 4
    )
    assert order[:2] == ["ours", "theirs"] and len(order) == 2 + 2 * 4
    assert order[2:] == ["theirs", "ours", "ours", "theirs"] * 2
    assert len(pair.ours) == len(pair.theirs) == 4 and pair.row[-1] == "all"


def test_ratios_are_medians_of_rounds():
    pair = pairs.Pair("what", "work", "theirs", [1.0, 2.0, 1.0], [3.0, 4.0, 9.0], "all")
    assert pair.ratio == 3 and pair.row[5] == "3.00 (2.00 to 9.00)"


def test_what_differs_is_not_timed():
    def differ(one: object, other: object) -> str:
        raise AssertionError(f"{one} and {other}")

    times = []
    with pytest.raises(AssertionError, match="1 and 2"):
        pairs.compare("what", "work", lambda: times.append(0) or 1, "theirs", lambda: times.append(0) or 2, differ)
    assert len(times) == 2


@pytest.mark.parametrize(("section", "rows"), [("scoring", 3), ("answers", 3)])
def test_it_writes_a_table(tmp_path, section, rows):
    command = [sys.executable, "benchmarks/benchmark.py", "--only", section, "--rounds", "1"]
    subprocess.run([*command, "--out", str(tmp_path / "results.md")], check=True, capture_output=True)
    text = (tmp_path / "results.md").read_text()
    assert len(re.findall(r"\| \d+\.\d+ \(\d+\.\d+ to \d+\.\d+\) \|", text)) == rows and "Machine: " in text
