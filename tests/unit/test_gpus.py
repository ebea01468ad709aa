"""Jobs beside each other on a machine with several GPUs: each has one of its own, and gives it back however it ends."""

import os
import subprocess
import sys

import pytest

from glioma.base import gpus

JOB = """
import os, sys
from glioma.base import gpus
gpus.claim(int(sys.argv[1]))
print("has", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose driver names four GPUs."""
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n3\\n'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", "workflow/scripts")
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    started = []

    def has(wanted=1):
        job = subprocess.Popen(
            [sys.executable, "-c", JOB, str(wanted)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(job)
        for line in job.stdout:
            if line.startswith("has "):
                return job, line.split()[1]
        raise AssertionError("it said nothing")

    yield has
    for job in started:
        job.kill()
        job.wait()


def test_every_job_has_a_gpu_of_its_own_and_gives_it_back(machine):
    jobs = [machine() for _ in range(4)]
    assert [device for _, device in jobs] == ["0", "1", "2", "3"]
    # A fifth shares.
    assert machine()[1] == "0"
    jobs[2][0].kill()
    jobs[2][0].wait()
    assert machine()[1] == "2"


def test_a_job_may_want_two(machine):
    assert machine(2)[1] == "0,1"
    assert machine()[1] == "2"
    # One is left, and it is not held by a job that cannot use it.
    assert machine(2)[1] == "0,1"
    assert machine()[1] == "3"


def test_what_a_cluster_gave_is_left_alone(machine, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "3")
    assert machine()[1] == "3" and machine()[1] == "3"
    monkeypatch.setenv(gpus.VISIBLE, "GPU-a,GPU-b")
    assert [machine()[1], machine()[1]] == ["GPU-a", "GPU-b"]


def test_without_a_driver_there_is_nothing_to_claim(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    assert gpus.devices() == []
    gpus.claim(1)
    assert gpus.VISIBLE not in os.environ
