"""What `glioma.base.job` does around a script, tried in processes of their own, which it ends at a fault."""

import os
import subprocess
import sys

import pytest

from glioma.base import job

# Sockets end the process at once and by a code of their own: no exception handler can hide an attempt.
PROLOGUE = """
import os, socket, sys
from types import SimpleNamespace

def leave(*arguments, **options):
    os._exit(77)

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, leave)
socket.getaddrinfo = leave

class Params(dict):
    pass

from glioma.base.job import job
from glioma.base.provenance import digest

DIGEST = f"{digest('respond')} respond"
files = {"log": ["job.log"], "output": ["out.csv"], "input": ["prompt.txt"]}
snakemake = SimpleNamespace(rule="respond", threads=1, params=Params({params}), resources={}, **files)
"""


def run(body, folder, online=False, params=""):
    (folder / "prompt.txt").write_text("Where is it?")
    code = PROLOGUE.replace("{params}", params) + f"with job(snakemake, online={online}):\n"
    code += "".join(f"    {line}\n" for line in body.splitlines())
    environment = {key: value for key, value in os.environ.items() if key not in job.OFFLINE}
    # A cache of its own: what this machine has fetched before must not answer.
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "HF_HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


ATTEMPTS = {
    "the hub": "from huggingface_hub import HfApi\nHfApi().model_info('owner/name')",
    "a file": "from huggingface_hub import hf_hub_download\nhf_hub_download('owner/name', 'config.json')",
    "a data set": "from datasets import load_dataset\nload_dataset('owner/name')",
    "a model": "from transformers import AutoConfig\nAutoConfig.from_pretrained('owner/name')",
}


@pytest.mark.parametrize("what", ATTEMPTS)
def test_an_offline_job_that_asks_for_the_network_fails_without_opening_a_socket(tmp_path, what):
    done = run(ATTEMPTS[what], tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("respond: asked for the network")
    assert done.stderr.count("\n") == 1 and "snakemake --cores 1 fetch_models" in done.stderr
    assert "asked for the network" in (tmp_path / "job.log").read_text()


def test_the_one_online_job_does_open_a_socket(tmp_path):
    assert run(ATTEMPTS["the hub"], tmp_path, online=True).returncode == 77


def test_edited_code_is_refused_before_anything_runs(tmp_path):
    done = run("open('ran', 'w')", tmp_path, params="code='another respond'")
    assert done.returncode == 1 and "respond.py or a module it uses was edited" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("edit", ["open('prompt.txt', 'a').write('!')", "os.remove('prompt.txt')"])
def test_an_input_edited_under_way_is_refused(tmp_path, edit):
    done = run(edit, tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "respond: prompt.txt was edited while the job was reading it; start snakemake again\n",
    )


def test_a_job_that_is_left_alone_succeeds(tmp_path):
    done = run("print('in the log')", tmp_path, params="code=DIGEST")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "job.log").read_text().startswith("in the log\nfinished in ")


@pytest.mark.parametrize(
    "body",
    [
        "raise OSError(28, 'No space left on device', 'results/x.npy')",
        "raise RuntimeError('PytorchStreamWriter failed') from OSError(28, 'No space left on device')",
        "raise ValueError('Error while serializing: I/O error: No space left on device (os error 28)')",
    ],
)
def test_a_full_disk_is_one_line_with_what_is_left(tmp_path, body):
    done = run(body, tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "the disk (or the quota) is full" in done.stderr and "MB are left on it; make room" in done.stderr


def test_a_disk_that_is_really_full(tmp_path):
    """/dev/full says so to whoever writes, in Python's own words."""
    done = run("open('/dev/full', 'w').write('x' * 100_000)", tmp_path)
    assert done.returncode == 1 and "respond: " in done.stderr and "is full" in done.stderr
