"""Jobs that share no file system: inputs come from a storage, outputs go there, and nothing else can be read."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest
from moto.server import ThreadedMotoServer

from workspace import REPOSITORY, Workspace

STUDY = REPOSITORY / "tests" / "storage" / "cut.yaml"
# What follows it on a command line is more of --config.
CUT = ("--cores", "2", "--config", f"study={STUDY}")
SCORES = re.compile(r"results/cut/(scores|answers)/.*\.(csv|json)")
BUCKET = "study"


class Storage(NamedTuple):
    """What is typed for a storage, and what lies in it: name -> bytes of the files that a pattern matches."""

    arguments: tuple[str, ...]
    files: Callable[[re.Pattern], dict[str, bytes]]


def matching(root: Path, pattern: re.Pattern) -> dict[str, bytes]:
    names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return {name: (root / name).read_bytes() for name in names if pattern.fullmatch(name)}


@pytest.fixture(scope="module")
def fs(tmp_path_factory) -> Storage:
    """A folder that Snakemake copies to and from."""
    if not shutil.which("rsync"):
        pytest.fail("Snakemake's plugin `fs` copies with rsync, which is not here; install it: apt-get install rsync")
    root = tmp_path_factory.mktemp("storage")
    arguments = ("--default-storage-provider", "fs", "--default-storage-prefix", str(root), "--shared-fs-usage", "none")
    return Storage(arguments, lambda pattern: matching(root, pattern))


@pytest.fixture(scope="module")
def s3() -> Iterator[Storage]:
    """A bucket on a server of S3's interface."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}
    bucket = boto3.resource("s3", endpoint_url=url, **keys).Bucket(BUCKET)

    def files(pattern: re.Pattern) -> dict[str, bytes]:
        return {found.key: found.get()["Body"].read() for found in bucket.objects.all() if pattern.fullmatch(found.key)}

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ENDPOINT_URL", url), ("ACCESS_KEY", "none"), ("SECRET_KEY", "none")):
            patch.setenv(f"SNAKEMAKE_STORAGE_S3_{name}", value)
        yield Storage(
            (
                "--default-storage-provider",
                "s3",
                "--default-storage-prefix",
                f"s3://{BUCKET}",
                "--shared-fs-usage",
                "none",
            ),
            files,
        )
    server.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Workspace:
    """The same study where jobs share the working directory."""
    workspace = Workspace.copy(tmp_path_factory.mktemp("shared"))
    ran = workspace.snakemake(*CUT)
    assert ran.returncode == 0, ran.stderr[-6000:]
    return workspace


@pytest.mark.parametrize("kind", ["fs", "s3"])
def test_the_scores_are_those_of_a_shared_file_system(kind, shared, tmp_path, request):
    storage = request.getfixturevalue(kind)
    workspace = Workspace.copy(tmp_path)
    ran = workspace.snakemake(*storage.arguments, *CUT)
    assert ran.returncode == 0, ran.stderr[-6000:]
    wanted = matching(shared.folder, SCORES)
    found = storage.files(SCORES)
    assert len(wanted) > 20 and {name for name in wanted if found.get(name) != wanted[name]} == set()
    assert set(found) == set(wanted)
    (page,) = storage.files(re.compile("results/cut/report/report.html")).values()
    assert b"Not for clinical use" in page
    # Answers are kept where they were asked for; of the results nothing is.
    left = {
        path.parts[1] for path in (p.relative_to(tmp_path) for p in (tmp_path / "results").rglob("*")) if path.parts[1:]
    }
    assert left <= {"store"}
    assert workspace.planned(*storage.arguments, *CUT) == {}


def test_a_cohort_in_the_storage_comes_as_a_table(fs, shared, tmp_path):
    (scans,) = (shared.folder / "results/cohorts").glob("*/scans")
    root = Path(fs.arguments[3])
    shutil.copytree(scans, root / "brats")
    workspace = Workspace.copy(tmp_path)
    table = (shared.folder / "results/cut/cohort/patients.csv").read_text()
    (tmp_path / "config/patients.csv").write_text(table.replace(str(scans.relative_to(shared.folder)), "brats"))
    cohort = "cohort={{{}, labels: {{1: necrosis, 2: oedema, 4: enhancing}}}}"
    ran = workspace.snakemake("crops", *fs.arguments, *CUT, cohort.format("table: config/patients.csv"))
    assert ran.returncode == 0, ran.stderr[-6000:]
    pattern = re.compile(r"results/cohorts/(?:brats|patients)-[^/]*/crops-95x128x128/brain/([^/]*)\.npy")
    crops = {pattern.fullmatch(name)[1]: data for name, data in fs.files(pattern).items()}
    (folder,) = (shared.folder / "results/cohorts").glob("*/crops-95x128x128/brain")
    assert len(crops) == 16 and all((folder / f"{name}.npy").read_bytes() == data for name, data in crops.items())
    refused = workspace.snakemake("-n", *fs.arguments, *CUT, f"cohort={{root: {scans}}}")
    lines = [line for line in refused.stderr.splitlines() if line.startswith("Error: ")]
    assert refused.returncode != 0 and len(lines) == 1 and "cohort.table" in lines[0]
