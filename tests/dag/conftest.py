"""A workspace in which all of tests/everything.yaml is done: placeholders that Snakemake itself has recorded as made.

The graph, its params and its digests are the real ones; only the content of the files is not, so that a question about
what would run again takes seconds. `tests/workflow` runs the real thing.
"""

import os
import shutil
import subprocess

import pytest

from configuration import EVERYTHING
from workspace import Workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    workspace = Workspace.copy(tmp_path_factory.mktemp("finished"))
    shutil.copy(EVERYTHING, workspace.folder / "config/studies/everything.yaml")
    workspace.edit("config/config.yaml", "study: demo", "study: everything")
    listed = workspace.snakemake("--detailed-summary", "--quiet")
    assert listed.returncode == 0, listed.stderr
    outputs = [line.split("\t")[0] for line in listed.stdout.splitlines() if line.startswith("results/")]
    assert len(outputs) > 500
    for output in outputs:
        path = workspace.folder / output
        if path.name in ("images", "masks", "nifti", "single", "template", "everything"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(output)
    # Equal times first: whatever order the files were made in must not look like an update.
    for path in workspace.folder.rglob("*"):
        os.utime(path, (1e9, 1e9))
    done = workspace.snakemake("--touch", "--forceall", "--cores", "1", "--quiet")
    assert done.returncode == 0, done.stderr
    return workspace.folder


@pytest.fixture
def workspace(finished, tmp_path):
    """A private copy of the finished workspace, times and all."""
    folder = tmp_path / "workspace"
    subprocess.run(["cp", "-a", str(finished), str(folder)], check=True)
    return Workspace(folder)


@pytest.fixture
def empty(tmp_path):
    """A workspace in which nothing has run."""
    return Workspace.link(tmp_path)
