"""Configurations and what becomes of them before any job starts."""

import shutil
import subprocess
import sys

import pytest

from configuration import EVERYTHING
from glioma.cohort import index as cohort_index
from glioma.demo.phantom import roster
from workspace import REPOSITORY


def test_the_demo_is_one_graph(empty):
    planned = empty.planned()
    assert planned["phantom_patient"] == 40 and planned["crop"] == 80
    assert planned["train_cnn"] == 12 and planned["finetune"] == 10 and planned["respond"] == 21
    assert planned["report"] == 1 and "tiny_vlm" not in planned
    everything = empty.planned("--config", f"study={EVERYTHING}")
    assert everything["train_cnn"] == 21 and everything["finetune"] == 9 and everything["respond"] == 27
    assert everything["examples"] == 4


FAR = """
extends: demo
models: {far: {source: far-vlm, backend: endpoint, endpoint: {url: "http://127.0.0.1:8000/v1"}}}
runs: {grade-far: {like: grade-general, model: far}}
"""


def test_a_model_behind_an_endpoint_needs_no_files_and_no_gpu(empty):
    path = empty.folder / "far.yaml"
    path.write_text(FAR)
    planned = empty.planned("--config", "study=far.yaml", "gpus_per_job=1")
    assert planned["respond"] == 22 and not {"check_model", "fetch_model"} & set(planned)
    plan = empty.snakemake("plan", "--cores", "1", "--config", "study=far.yaml", "gpus_per_job=0")
    assert plan.returncode == 0 and "respond" in plan.stdout, plan.stderr
    path.unlink()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("crops={mode: brian}", "key crops.mode: 'brian'"),
        ("cohort={layout: phantom, hhg: 8}", "key cohort.hhg: unknown key 'hhg'; did you mean hgg?"),
        ('cohort={"root": "/no/such/folder"}', "cohort.root: /no/such/folder is not a folder"),
        ("sed=1", "key sed: unknown key; did you mean seed?"),
        ("study=paper", "key cohort.root: empty, and the study 'paper' has no cohort of its own"),
        ("study=papr", "did you mean paper?"),
    ],
)
def test_a_fault_is_one_line_and_no_graph(empty, config, message):
    done = empty.snakemake("--dry-run", "--config", config)
    assert done.returncode != 0
    faults = [line for line in done.stderr.splitlines() if message in line]
    assert len(faults) == 1 and faults[0].startswith("Error: ")
    assert "Traceback" not in done.stderr + done.stdout
    assert not (empty.folder / "results").exists()


@pytest.mark.parametrize(("study", "networks"), [("paper", 4 * 5), ("leak-free", 8 * 5)])
def test_both_protocols_are_graphs_without_the_demos_entries(empty, study, networks):
    planned = empty.planned("--config", f"study={study}", 'cohort={"layout": "phantom"}')
    assert planned["train_cnn"] == networks
    assert "tiny_vlm" not in planned and planned["fetch_model"] == 1


@pytest.fixture(scope="module")
def brats2020(tmp_path_factory):
    """369 cases with BraTS 2020's names and headers, its odd mask and its missing ids."""
    root = tmp_path_factory.mktemp("data") / "MICCAI_BraTS2020_TrainingData"
    tree = [sys.executable, str(REPOSITORY / "benchmarks" / "brats_tree.py"), str(root), "--layout", "brats2020"]
    subprocess.run([*tree, "--cases", "369"], check=True, capture_output=True)
    return root


def test_the_study_at_full_scale_is_a_graph(empty, brats2020):
    planned = empty.planned("--config", "study=paper", f'cohort={{"root": "{brats2020}"}}')
    # Around the tumour, and for the location of the brain, with an adapter of each.
    assert planned["crop"] == 2 * 369 and planned["train_cnn"] == 20 and planned["finetune"] == 2 + 2 * 3
    assert "phantom_patient" not in planned


TEMPLATE = "results/cohorts/phantom-7-7-2020"


@pytest.mark.parametrize(("target", "stops"), [("vlm", True), (f"{TEMPLATE}/template", False)])
def test_what_needs_a_gpu_stops_a_run_without_one_before_its_first_job(empty, target, stops):
    """And only where that is what was asked for."""
    few = ("--config", "study=paper", 'cohort={"layout": "phantom", "hgg": 7, "lgg": 7}', "gpus_per_job=0")
    done = empty.snakemake(target, "--cores", "1", *few)
    assert (done.returncode != 0) == stops
    line = "Error: configuration, key models.llama-3-2-11b-vision.backend: unsloth needs CUDA"
    assert (line in done.stderr) == stops and "Traceback" not in done.stderr
    assert (empty.folder / TEMPLATE / "template").exists() != stops
    shutil.rmtree(empty.folder / "results", ignore_errors=True)


def test_a_brats_folder_takes_the_place_of_the_phantom(empty, tmp_path):
    """The same graph, from files that are there: no phantom rule in it."""
    root = tmp_path / "MICCAI_BraTS2020_TrainingData"
    made = roster(9, 9, 1)
    lines = [
        "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID,BraTS_2020_subject_ID"
    ]
    for row in made.itertuples():
        (root / row.patient).mkdir(parents=True)
        for scan in ("flair", "t1", "t1ce", "t2", "seg"):
            (root / row.patient / f"{row.patient}_{scan}.nii").touch()
        lines.append(f"{row.grade},NA,NA,NA,NA,{row.patient}")
    (root / "name_mapping.csv").write_text("\n".join(lines) + "\n")
    planned = empty.planned("--config", f'cohort={{"root": "{root}"}}')
    assert planned["crop"] == 36
    assert "phantom_patient" not in planned and "phantom_mapping" not in planned
    (root / made["patient"][3] / f"{made['patient'][3]}_t2.nii").unlink()
    done = empty.snakemake("--dry-run", "--config", f'cohort={{"root": "{root}"}}')
    assert f"no {made['patient'][3]}_t2.nii or .nii.gz" in done.stderr


def test_a_key_given_twice_is_refused_wherever_it_stands(empty, tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text("cohort: {root: /my/data}\nstudy: leak-free\ncohort: {layout: phantom}\n")
    done = empty.snakemake("--dry-run", "--configfile", str(path))
    assert done.returncode != 0 and f"Error: {path}, line 1: key cohort stands twice; keep one" in done.stderr


def test_phantoms_have_names_of_their_own_and_lie_as_brats_does():
    table = cohort_index.expected("results/phantom", roster(2, 2, 0))
    assert table.loc[0, "mask"] == "results/phantom/phantom-001/phantom-001_seg.nii.gz"


def test_the_plan_counts_the_graph_and_leaves_nothing_but_its_log(empty, brats2020):
    """The study on 369 cases: as many jobs as Snakemake's own table has, and a cost for every rule."""
    used = ["--config", "study=paper", f'cohort={{"root": "{brats2020}"}}', "gpus_per_job=1"]
    counted = empty.planned(*used)
    done = empty.snakemake("plan", "--cores", "1", *used)
    assert done.returncode == 0, done.stderr
    jobs = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.strip()}
    shown = {rule: int(cells[2 if cells[1] == "*" else 1]) for rule, cells in jobs.items() if rule in counted}
    assert shown == {rule: count for rule, count in counted.items() if rule not in ("all", "total")}
    assert "GPU time" in done.stdout and "Not measured by anybody" in done.stdout
    written = [path for path in (empty.folder / "results").rglob("*") if path.is_file()]
    assert [path.name for path in written] == ["plan.log"]
    assert written[0].read_text().strip().splitlines()[0] == done.stdout.strip().splitlines()[0]
    assert not (empty.folder / ".snakemake/glioma-checked").exists()  # it has read no scan


def test_a_plan_without_a_cost_says_what_to_do(empty):
    done = empty.snakemake(
        "plan", "--cores", "1", "--config", "study=paper", 'cohort={"layout": "phantom"}', "gpus_per_job=0"
    )
    assert done.returncode != 0
    assert "no cost of rule" in done.stderr and "gpus_per_job=1" in done.stderr and "Traceback" not in done.stderr


def test_a_clusters_job_refuses_a_configuration_edited_since(empty, monkeypatch):
    monkeypatch.setenv("GLIOMA_CONFIGURATION", "of another configuration")
    done = empty.snakemake("--dry-run", "--mode", "remote")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "Error: the configuration was edited while the workflow was running; start snakemake again" in done.stderr
    assert empty.snakemake("--dry-run").returncode == 0
