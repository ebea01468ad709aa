"""Editing while a run is going: what Snakemake records afterwards is what the results were made by, or there are none.

A small workflow in a copy of the project: real Snakemake, real digests, jobs that wait to be told.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workspace import Workspace

SNAKEFILE = """
import sys
sys.path.insert(0, f"{workflow.basedir}/workflow/scripts")
from glioma.base.provenance import code

rule all:
    input: "second.txt"

rule first:
    input: "prompt.txt"
    output: "first.txt"
    log: "first.log"
    params: code=code("first")
    script: "workflow/scripts/first.py"

rule second:
    input: "first.txt", "prompt.txt"
    output: "second.txt"
    log: "second.log"
    params: code=code("second")
    script: "workflow/scripts/second.py"
"""
FIRST = """
import time
from pathlib import Path
from glioma.base.job import job

with job(snakemake):
    answer = Path("prompt.txt").read_text()
    Path("started").touch()
    while not Path("go").exists():
        time.sleep(0.05)
    Path(snakemake.output[0]).write_text(answer)
"""
SECOND = """
from pathlib import Path
from glioma.base.job import job

with job(snakemake):
    from glioma.wording import WORD
    Path(snakemake.output[0]).write_text(WORD + Path("prompt.txt").read_text())
"""


@pytest.fixture
def small(tmp_path):
    workspace = Workspace.copy(tmp_path)
    scripts = tmp_path / "workflow" / "scripts"
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (scripts / "first.py").write_text(FIRST)
    (scripts / "second.py").write_text(SECOND)
    (scripts / "glioma" / "wording.py").write_text('WORD = "old code, "\n')
    (tmp_path / "prompt.txt").write_text("old prompt")
    return workspace


def run_and_edit(workspace: Workspace, edits: dict[str, str]) -> tuple[int, str]:
    """Start a run, edit files (name -> content) while its first job is under way, and let it end."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    with (workspace.folder / "run.log").open("w") as log:
        process = subprocess.Popen(command, cwd=workspace.folder, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not (workspace.folder / "started").exists() and process.poll() is None:
                assert time.monotonic() < deadline, "the first job has not started"
                time.sleep(0.05)
            for name, content in edits.items():
                (workspace.folder / name).write_text(content)
            (workspace.folder / "go").touch()
            returned = process.wait(60)
        finally:
            process.kill()
            process.wait()
    return returned, Path(log.name).read_text()


def digest(workspace: Workspace, script: str) -> str:
    """The digest of a script of a workspace, found by a process that has read nothing before."""
    command = [sys.executable, "-c", f"from glioma.base.provenance import digest; print(digest({script!r}))"]
    environment = {**os.environ, "PYTHONPATH": str(workspace.folder / "workflow/scripts")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def finish(workspace: Workspace) -> None:
    done = workspace.snakemake("--cores", "1")
    assert done.returncode == 0, done.stderr
    assert workspace.planned() == {}


def test_a_job_does_not_start_with_code_edited_after_the_run_was(small):
    returned, said = run_and_edit(small, {"workflow/scripts/glioma/wording.py": 'WORD = "new code, "\n'})
    assert returned == 1
    line = "second: second.py or a module it uses was edited while the workflow was running; start snakemake again"
    assert line in said.splitlines()
    # The job under way had loaded its own code, which is unchanged, and is not made again.
    assert (small.folder / "first.txt").exists() and not (small.folder / "second.txt").exists()
    assert small.planned() == {"second": 1, "all": 1}
    finish(small)
    assert (small.folder / "second.txt").read_text() == "new code, old prompt"


def test_a_process_that_reads_the_snakefile_again_does_not_run_edited_code(small):
    """As every job's does on a cluster, with the environment of the one that submitted it.

    If the edit is taken back before the job ends, nothing else would tell: the digests before and after are equal.
    """
    (small.folder / "go").touch()
    assert small.snakemake("--cores", "1", "first.txt").returncode == 0
    started_with = digest(small, "second")
    wording = small.folder / "workflow/scripts/glioma/wording.py"
    wording.write_text('WORD = "new code, "\n')
    assert digest(small, "second") != started_with
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--target-jobs", "second:", "--mode", "remote"]
    environment = {**os.environ, "GLIOMA_CODE_second": started_with}
    done = subprocess.run(command, cwd=small.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "second.py or a module it uses was edited while the workflow was running" in done.stderr
    assert not (small.folder / "second.txt").exists()
    wording.write_text('WORD = "old code, "\n')
    done = subprocess.run(command, cwd=small.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (small.folder / "second.txt").read_text() == "old code, old prompt"


def test_editing_comments_and_code_nobody_reaches_disturbs_nothing(small):
    edits = {
        "workflow/scripts/glioma/wording.py": '"""Words."""\n\nWORD = "old code, "  # kept\n',
        "workflow/scripts/glioma/elsewhere.py": "X = 1\n",
        "Snakefile": SNAKEFILE + "\n# a comment\n",
    }
    returned, said = run_and_edit(small, edits)
    assert returned == 0, said
    assert small.planned() == {}


def test_results_of_an_input_edited_while_it_is_read_are_not_kept(small):
    returned, said = run_and_edit(small, {"prompt.txt": "new prompt"})
    assert returned == 1
    assert "first: prompt.txt was edited while the job was reading it; start snakemake again" in said.splitlines()
    assert not (small.folder / "first.txt").exists()
    finish(small)
    assert (small.folder / "first.txt").read_text() == "new prompt"
    assert (small.folder / "second.txt").read_text() == "old code, new prompt"


def test_code_of_a_job_under_way_makes_it_again_at_the_next_start(small):
    edited = FIRST.replace("write_text(answer)", "write_text(answer.upper())")
    returned, said = run_and_edit(small, {"workflow/scripts/first.py": edited})
    assert returned == 0, said
    # It ran as it was when it started, and is recorded as such.
    assert (small.folder / "first.txt").read_text() == "old prompt"
    assert small.planned()["first"] == 1
    finish(small)
    assert (small.folder / "first.txt").read_text() == "OLD PROMPT"
