"""A single-node SLURM for the session, and the cut of the demo run through it and, beside it, without it."""

import cluster
import pytest
from project import CUT, SLURM, Project, Ran


@pytest.fixture(scope="session")
def local(tmp_path_factory) -> Ran:
    return Ran(Project.clone(tmp_path_factory.mktemp("local")), "--cores", "all", *CUT)


@pytest.fixture(scope="session")
def slurm():
    cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def done(slurm, tmp_path_factory) -> Ran:
    return Ran(Project.clone(tmp_path_factory.mktemp("slurm")), *SLURM)
