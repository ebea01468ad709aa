"""What goes wrong on clusters, done on purpose: nothing is lost or done twice, and the scores stay."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager

import observe
import pytest
from project import SLURM, Project

SCORES = ("scores", *SLURM)
# Snakemake makes a missing file again only for the sake of one further on that is missing too.
PREDICTED = ("cnn/monai-unet/masks", "scores/cnn/monai-unet", "scores/summary.csv")
RESPONDED = (
    "responses/bounding_box-finetuned/test-0.jsonl",
    "answers/bounding_box-finetuned.csv",
    "scores/bounding_box-finetuned",
    "scores/summary.csv",
)


class Drill:
    """Some results are taken away and made again, with a fault on the way."""

    def __init__(self, project: Project, local: Project) -> None:
        self.project, self.local = project, local

    @contextmanager
    def of(self, *removed: str, redone: tuple[str, ...]):
        """Take results away; after the block all is there again, and only files of these names were written again."""
        self.project.remove(*removed)
        before = self.project.times()
        self.known = max((job.id for job in observe.jobs()), default=0)
        yield
        after = self.project.times()
        assert before.keys() <= after.keys()
        assert [
            name for name in before if before[name] != after[name] and not any(part in name for part in redone)
        ] == []
        assert self.project.scores() == self.local.scores()
        assert self.project.planned(*SCORES) == {}

    def jobs(self, rule: str) -> list[observe.Job]:
        """What this drill submitted of a rule, in order."""
        return [job for job in observe.jobs(self.project.folder) if job.id > self.known and job.rule == rule]

    def submitted(self) -> list[str]:
        return sorted(job.rule for job in observe.jobs(self.project.folder) if job.id > self.known)

    def script(self, rule: str) -> observe.Script:
        """The rule's script, once it runs."""
        return observe.wait_for(
            f"{rule} in SLURM",
            lambda: next((found for found in observe.scripts(self.project.folder) if found.rule == rule), None),
        )


@pytest.fixture
def drill(done, local) -> Drill:
    """The report is made from scores: what it needs is not the drills' concern."""
    return Drill(done.project, local.project)


def states(jobs: list[observe.Job]) -> list[str]:
    return [job.state for job in jobs]


def test_a_cancelled_job_is_submitted_again_with_more_of_everything(drill):
    with drill.of("cnn/monai-unet/fold1", *PREDICTED, redone=("monai-unet", "/summary.log", "/summary.tsv")):
        fold0 = drill.project.times("cnn/monai-unet/fold0")
        running = drill.project.start(*SCORES)
        subprocess.run(["scancel", drill.script("train_cnn").job], check=True)
        drill.project.finish(running)
        assert drill.project.times("cnn/monai-unet/fold0") == fold0
    first, second = drill.jobs("train_cnn")
    assert (first.state, second.state) == ("CANCELLED", "COMPLETED")
    assert (second.memory, second.limit, second.gpus) == (2 * first.memory, 2 * first.limit, 1)
    assert drill.submitted() == ["predict_cnn_mask", "score_segmenter", "summary", "train_cnn", "train_cnn"]


def test_a_job_out_of_memory_is_submitted_again(drill):
    with drill.of(*PREDICTED, redone=("monai-unet", "/summary.log", "/summary.tsv")):
        drill.project.run(*SCORES, "--set-resources", "predict_cnn_mask:mem_mb=400*10**(attempt-1)")
    first, second = drill.jobs("predict_cnn_mask")
    assert (first.memory, second.memory) == (400, 4000)
    assert (first.state, second.state) in {("FAILED", "COMPLETED"), ("OUT_OF_MEMORY", "COMPLETED")}
    logs = drill.project.folder / ".snakemake" / "slurm_logs" / "rule_predict_cnn_mask"
    said = "".join(path.read_text() for path in logs.rglob(f"{first.id}.log"))
    assert "exceeded memory limit" in said.lower() or "oom" in said.lower()
    assert drill.submitted() == ["predict_cnn_mask", "predict_cnn_mask", "score_segmenter", "summary"]


def test_a_job_past_its_time_limit_is_submitted_again(drill):
    with drill.of(*RESPONDED, redone=("bounding_box-finetuned", "/summary.log", "/summary.tsv")):
        running = drill.project.start(*SCORES, "--set-resources", "respond:runtime=attempt**6")
        # It hangs until SLURM ends it.
        os.kill(drill.script("respond").process, signal.SIGSTOP)
        drill.project.finish(running)
    first, second = drill.jobs("respond")
    assert (first.state, second.state) == ("TIMEOUT", "COMPLETED")
    assert (first.limit, second.limit) == (1, 64)
    assert drill.submitted() == ["answers", "respond", "respond", "score_run", "summary"]


def test_a_restarted_controller_loses_no_job(drill, slurm):
    with drill.of("cnn/monai-unet/fold0", *PREDICTED, redone=("monai-unet", "/summary.log", "/summary.tsv")):
        running = drill.project.start(*SCORES)
        drill.script("train_cnn")
        # Snakemake asks about a job 2 s after it was submitted, 12 s later, and 22 s after that. Should it ask while
        # nobody answers, its plugin turns to sacct, which on a cluster without accounting leaves it waiting for good.
        (job,) = drill.jobs("train_cnn")
        time.sleep(max(0.0, job.start + 17 - time.time()))
        slurm.stop("slurmctld")
        assert subprocess.run(["timeout", "3", "scontrol", "ping"], capture_output=True, check=False).returncode != 0
        time.sleep(5)
        slurm.start_controller()
        drill.project.finish(running)
    assert states(drill.jobs("train_cnn")) == ["COMPLETED"]
    assert drill.submitted() == ["predict_cnn_mask", "score_segmenter", "summary", "train_cnn"]


def test_a_configuration_edited_under_way_starts_no_job(drill):
    cut = drill.project.folder / "tests" / "slurm" / "cut.yaml"
    before = cut.read_text()
    with drill.of("cnn/monai-unet/fold1", *PREDICTED, redone=("monai-unet", "/summary.log", "/summary.tsv")):
        running = drill.project.start(*SCORES, "--retries", "0")
        drill.script("train_cnn")
        cut.write_text(before + "seed: 77\n")
        assert running.wait(600) == 1
        # Taken back: nothing made by the other configuration is there to be mistaken for a result.
        cut.write_text(before)
        drill.project.run(*SCORES)
    assert states(drill.jobs("predict_cnn_mask")) == ["FAILED", "COMPLETED"]
    assert states(drill.jobs("train_cnn")) == ["COMPLETED"]


def test_a_killed_snakemake_goes_on_where_it_was(drill):
    with drill.of("cnn/monai-unet/fold1", *PREDICTED, redone=("monai-unet", "/summary.log", "/summary.tsv")):
        running = drill.project.start(*SCORES)
        drill.script("predict_cnn_mask")
        trained = drill.project.times("cnn/monai-unet/fold1")
        running.send_signal(signal.SIGKILL)
        running.wait()
        # As docs/cluster.md says: cancel what runs on, unlock, start again.
        (left,) = drill.jobs("predict_cnn_mask")
        subprocess.run(["scancel", f"--name={left.run}"], check=True)
        observe.wait_for("the end of the job left over", lambda: drill.jobs("predict_cnn_mask")[0].state == "CANCELLED")
        drill.project.run("--unlock", *SLURM)
        drill.project.run(*SCORES)
        assert drill.project.times("cnn/monai-unet/fold1") == trained
    assert states(drill.jobs("predict_cnn_mask")) == ["CANCELLED", "COMPLETED"]
    assert drill.submitted() == ["predict_cnn_mask", "predict_cnn_mask", "score_segmenter", "summary", "train_cnn"]
