"""The lines that are seen while jobs run, from the events that Snakemake sends."""

import io
import logging

import pytest

from glioma.base.files import PROJECT
from glioma.planning import progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def send(stages: progress.Stages, event: str, **facts) -> None:
    record = logging.makeLogRecord({"msg": None, "event": event, **facts})
    stages.handle(record)


@pytest.fixture
def run():
    clock, out = Clock(), io.StringIO()
    jobs = {0: "all", 1: "crop", 2: "crop", 3: "train_cnn", 4: "summary"}
    stages = progress.Stages(jobs, {"crop": 3.0, "summary": 20.0}, out, clock)

    def job(number: int, begin: float, end: float) -> str:
        clock.now = begin
        send(stages, "job_started", jobs=[number])
        clock.now = end
        before = len(out.getvalue())
        send(stages, "job_finished", job_id=number)
        return out.getvalue()[before:]

    return job


def test_a_line_a_finished_stage_with_what_is_left(run):
    assert run(1, 0, 10) == "", "one of two crops is no finished stage"
    # A training has no figure before the first has ended: so long it is at least the summary's 20 s.
    assert run(2, 10, 22) == "   0:22  crop (2 jobs) · 2 of 4 jobs, 50 % · at least 20 s left\n"
    assert run(3, 22, 7200) == "2:00:00  train_cnn (1 job) · 3 of 4 jobs, 75 % · about 20 s left\n"
    assert run(4, 7200, 7210) == "2:00:10  summary (1 job) · 4 of 4 jobs, 100 %\n"
    assert run(0, 7210, 7211) == "", "the target is no stage"


def test_jobs_side_by_side_halve_what_is_left():
    clock, out = Clock(), io.StringIO()
    stages = progress.Stages(dict(enumerate(["a", "a", "b", "b", "b", "b"])), {"b": 300.0}, out, clock)
    send(stages, "job_started", jobs=[0, 1])
    clock.now = 100
    for number in (0, 1):
        send(stages, "job_finished", job_id=number)
    assert "about 10 min left" in out.getvalue()


def test_a_failed_job_names_its_log():
    out = io.StringIO()
    stages = progress.Stages({1: "crop"}, {}, out)
    send(stages, "job_error", rule_name="crop", log=["results/demo/logs/crop/a.log"])
    assert out.getvalue() == "crop failed; what it said: results/demo/logs/crop/a.log\n"


def test_expected_seconds_are_those_of_jobs_and_patients(tmp_path):
    table = tmp_path / "unit_costs.csv"
    table.write_text(
        "rule,device,model,unit,seconds,bytes,basis\n"
        "crop,cpu,,job,2.0,0,x\ncrop,cpu,,patient,0.5,0,x\n"
        "crop_set,cpu,,job,3.0,0,x\ncrop_set,cpu,,patient,0.25,0,x\n"
        "respond,cpu,,job,4.0,0,x\nrespond,cpu,,slice,0.1,0,x\nsummary,cuda,,job,9.0,0,x\n"
    )
    # `crop` is a job of one patient, `crop_set` one of all; answers take as long as there are slices.
    assert progress.expected(table, "cpu", 40) == {"crop": 2.5, "crop_set": 3 + 40 * 0.25}


def test_expected_seconds_of_the_shipped_table():
    found = progress.expected(PROJECT / "resources/unit_costs.csv", "cpu", 40)
    assert found["crop"] < 5 and found["folds"] > 0
    assert found["crop_set"] > progress.expected(PROJECT / "resources/unit_costs.csv", "cpu", 4)["crop_set"]
    assert not {"train_cnn", "respond", "finetune"} & set(found)


def test_the_terminal_handler_leaves_single_jobs_out():
    logger = logging.getLogger("progress-of-a-test")
    logger.propagate = False
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.name = progress.STREAM
    logger.addHandler(handler)
    progress.watch(logger, [], {})
    for message, facts in (
        ("Select jobs to execute...", {}), ("Execute 2 jobs...", {}), ("x", {"event": "progress"}),
        ("x", {"event": "job_finished", "job_id": 9}), ("Complete log(s): a", {}),
    ):  # fmt: skip
        logger.error(message, extra=facts)
    assert out.getvalue() == "Complete log(s): a\n"
