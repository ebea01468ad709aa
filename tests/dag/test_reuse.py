"""The workflow from elsewhere: as a module, with --directory, in odd folders; and files that are older than before."""

import os
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from workspace import REPOSITORY, Workspace


def snakemake(folder, *arguments, python=sys.executable):
    command = [str(python), "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_workflow_is_a_module_of_another(tmp_path):
    """Its rules under other names, with nothing of it in the other's folder; and a job that knows its own code."""
    (tmp_path / "Snakefile").write_text(
        f"""
configfile: "{REPOSITORY}/config/config.yaml"
config["cohort"] = {{"layout": "phantom", "hgg": 7, "lgg": 7}}

module glioma:
    snakefile: "{REPOSITORY}/Snakefile"
    config: config

use rule * from glioma as glioma_*

rule mine:
    default_target: True
    input: "results/cohorts/phantom-7-7-2020/scans/name_mapping.csv"
"""
    )
    planned = snakemake(tmp_path, "--dry-run", "glioma_all", "--quiet", "rules")
    assert planned.returncode == 0 and "glioma_train_cnn" in planned.stdout + planned.stderr, planned.stderr
    done = snakemake(tmp_path, "--cores", "1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results/cohorts/phantom-7-7-2020/scans/name_mapping.csv").exists()


def test_results_may_lie_in_another_folder(tmp_path):
    """--directory: studies, models and prompts are those of the folder, the project's own where it has none."""
    done = snakemake(REPOSITORY, "--dry-run", "--quiet", "rules", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (tmp_path / "config/prompts").mkdir(parents=True)
    (tmp_path / "config/prompts/polygon.txt").write_text("Where is it?<|image|>")
    done = snakemake(REPOSITORY, "--dry-run", "--directory", str(tmp_path))
    assert (
        done.returncode != 0 and "config/prompts/polygon.txt: '<|image|>' steers a model's chat template" in done.stderr
    )


def test_a_folder_that_snakemake_cannot_work_in_is_named(tmp_path):
    braces = tmp_path / "a{b}"
    braces.mkdir()
    done = snakemake(REPOSITORY, "--dry-run", "--directory", str(braces))
    assert done.returncode != 0 and "has '{' in its path" in done.stderr and "Traceback" not in done.stderr
    blank = tmp_path / "My Study (v1)"
    (blank / "bin").mkdir(parents=True)
    # A virtual environment is a folder with a link and a note of where it is from.
    (blank / "bin/python").symlink_to(sys.executable)
    shutil.copy(f"{sys.prefix}/pyvenv.cfg", blank)
    library = blank / f"lib/python3.{sys.version_info[1]}"
    library.parent.mkdir()
    library.symlink_to(f"{sys.prefix}/lib/python3.{sys.version_info[1]}")
    done = snakemake(REPOSITORY, "--dry-run", "--directory", str(tmp_path), python=blank / "bin/python")
    assert done.returncode != 0 and "Python, " in done.stderr and "has a blank in its path" in done.stderr


@pytest.fixture
def cohort(tmp_path):
    """A BraTS folder of 14 small heads, and the options that make it the cohort."""
    rng, root = np.random.default_rng(0), tmp_path / "scans"
    lines = ["Grade,BraTS_2020_subject_ID"]
    for number in range(14):
        name = f"BraTS20_Training_{number:03d}"
        lines.append(f"{'HGG' if number % 2 else 'LGG'},{name}")
        (root / name).mkdir(parents=True)
        for scan in ("flair", "t1", "t1ce", "t2", "seg"):
            voxels = np.zeros((24, 24, 24), np.int16)
            inner = np.s_[10:14, 10:14, 10:14] if scan == "seg" else np.s_[6:18, 6:18, 6:18]
            voxels[inner] = 1 if scan == "seg" else rng.integers(50, 900, (12, 12, 12))
            nib.save(nib.Nifti1Image(voxels, np.eye(4)), root / name / f"{name}_{scan}.nii.gz")
    (root / "name_mapping.csv").write_text("\n".join(lines) + "\n")
    return root, ("--config", "study=leak-free", f'cohort={{"root": "{root}"}}', "gpus_per_job=0")


def replaced(path, change):
    """Another file in the place of one, older than it, as cp -p brings."""
    image = nib.load(path)
    voxels = change(np.asarray(image.dataobj))
    nib.save(nib.Nifti1Image(voxels, image.affine), path)
    os.utime(path, (1e9, 1e9))


def test_a_corrected_scan_with_an_older_time_is_checked_and_cropped_again(tmp_path_factory, cohort):
    root, options = cohort
    workspace = Workspace.copy(tmp_path_factory.mktemp("project"))
    crops = next(
        line.split()[1]
        for line in workspace.dry_run("crops", *options).splitlines()
        if line.strip().startswith("output: results/cohorts") and "brain/BraTS20_Training_003.npy" in line
    ).rstrip(",")
    done = workspace.snakemake("--cores", "1", crops, *options)
    assert done.returncode == 0, done.stderr
    assert workspace.planned(crops, *options) == {}
    scan = root / "BraTS20_Training_003/BraTS20_Training_003_t2.nii.gz"
    os.utime(scan)
    assert workspace.planned(crops, *options) == {}, "touching a scan is no change"
    replaced(scan, lambda voxels: voxels * 2)
    assert workspace.planned(crops, *options)["crop"] == 1
    replaced(scan, lambda voxels: voxels + 5)
    done = workspace.snakemake("--cores", "1", crops, *options)
    assert done.returncode != 0 and "_t2.nii.gz: its background is not zero (the corners hold 5)" in done.stderr
