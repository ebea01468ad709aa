"""The whole workflow, really run: from phantom scans to the report, then on its own scans as a BraTS folder."""

import json
import os
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import tiny_sam

from glioma import tasks
from workspace import REPOSITORY, Workspace

SMALL = str(REPOSITORY / "tests" / "workflow" / "small.yaml")
COLUMNS = ["task", "family", "run", "model", "adapter", "cohort", "slices", "metric", "value", "n", "n_undecided"]
# What follows it on a command line is more of --config.
CONFIG = ("--config", f"study={SMALL}")
RESULTS = "results/small"
COHORT = "results/cohorts/phantom-5-5-2020"


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    workspace = Workspace.copy(tmp_path_factory.mktemp("workflow"))
    ran = workspace.snakemake("--cores", "2", *CONFIG)
    assert ran.returncode == 0, ran.stderr[-6000:]
    return workspace


def test_the_report_says_what_it_is(done):
    report = (done.folder / RESULTS / "report/report.html").read_text()
    assert "Phantom cohort." in report and "Not for clinical use" in report
    for name in (
        "comparison",
        "gldr",
        "cnn_overlays",
        "answer_overlays",
        "consistency",
        "placement",
        "mask_sizes",
        "learning_curves_cnn",
    ):
        # Text is text in SVG and PDF, and takes hardly any room.
        for suffix, least in ((".png", 5000), (".svg", 1500), (".pdf", 1500)):
            path = done.folder / RESULTS / "report/figures" / (name + suffix)
            assert path.stat().st_size > least
            assert suffix != ".svg" or "</text>" in path.read_text()
    # Eight patients are in the page, the others beside it.
    beside = sorted(path.name for path in (done.folder / RESULTS / "report/patients").glob("*.js"))
    assert len(beside) == 2 and all(f"patients/{name}" in report for name in beside)


def test_the_summary_holds_every_task_and_family(done):
    summary = pd.read_csv(done.folder / RESULTS / "scores/summary.csv")
    assert set(COLUMNS) <= set(summary.columns)
    assert set(summary["task"]) == {*tasks.names(), "segmentation"}
    assert set(summary["family"]) == {"cnn", "radiomics", "vlm", "baseline"}
    share = summary[summary["metric"].isin(["accuracy", "dice", "recall", "fraction_in_box"])]["value"].dropna()
    assert len(share) and share.between(0, 1).all()
    always = summary[(summary["run"] == "always HGG") & (summary["metric"] == "balanced_accuracy")]
    assert len(always) and (always["value"] == 0.5).all()


def test_predictions_lie_in_the_scans_own_space(done):
    for path in sorted((done.folder / RESULTS / "cnn/monai-unet/nifti").glob("*.nii.gz")):
        patient = path.name.removesuffix(".nii.gz")
        scan = nib.load(done.folder / COHORT / f"scans/{patient}/{patient}_flair.nii.gz")
        predicted = nib.load(path)
        assert predicted.shape == scan.shape == (240, 240, 155)
        np.testing.assert_array_equal(predicted.affine, scan.affine)
        assert set(np.unique(np.asarray(predicted.dataobj))) <= {0, 1}


def test_every_slice_asked_has_one_answer(done):
    folds = pd.read_csv(done.folder / RESULTS / "folds/folds.csv")
    test = set(folds.loc[folds["split"] == "test", "patient"])
    for run in ("paper-classification-finetuned", "paper-polygon-general", "consistency-general"):
        lines = [
            json.loads(line)
            for shard in sorted((done.folder / RESULTS / "responses" / run).glob("*.jsonl"))
            for line in shard.read_text().splitlines()
        ]
        answers = pd.read_csv(done.folder / RESULTS / f"answers/{run}.csv")
        assert len(lines) == len(answers) > 0
        assert {line["patient"] for line in lines} <= test
        assert not answers.duplicated(["patient", "orientation", "slice", "repeat"]).any()


def test_a_second_run_does_nothing_and_an_edited_prompt_little(done):
    assert done.planned(*CONFIG) == {}
    path = done.folder / "config/prompts/classify.txt"
    before = path.read_text()
    path.write_text("You are a neuroradiologist. " + before)
    planned = done.planned(*CONFIG)
    assert planned["respond"] == 11
    assert not {"tiny_vlm", "finetune", "train_cnn", "crop", "examples"} & set(planned)
    # Asked with the edited prompt and with the old one again: the second time no model is asked anything.
    log = done.folder / f"{RESULTS}/logs/respond/paper-classification-general.test-0.log"
    target = f"{RESULTS}/responses/paper-classification-general/test-0.jsonl"
    answers = (done.folder / target).read_bytes()
    for prompt, asked in (("edited", True), ("taken back", False)):
        path.write_text(before if prompt == "taken back" else "You are a neuroradiologist. " + before)
        ran = done.snakemake("--cores", "2", target, *CONFIG)
        assert ran.returncode == 0, ran.stderr[-3000:]
        assert (" 0 asked" not in log.read_text()) == asked, prompt
    assert (done.folder / target).read_bytes() == answers
    assert "respond" not in done.planned(*CONFIG)
    held = done.snakemake("store", "--cores", "1", *CONFIG)
    assert held.returncode == 0 and "Classify the brain scan" in held.stdout and "contexts" in held.stdout


def test_unit_costs_are_measured_on_what_was_run(done, tmp_path):
    table = tmp_path / "costs.csv"
    command = [sys.executable, "-m", "glioma.planning", "--study", "small", "--basis", "here", "--costs", str(table)]
    path = str(done.folder / "workflow/scripts")
    subprocess.run(command, cwd=done.folder, env=os.environ | {"PYTHONPATH": path}, check=True)
    measured = pd.read_csv(table).set_index(["rule", "unit"])
    assert {"crop", "train_cnn", "finetune", "respond", "score_run"} <= set(measured.index.get_level_values("rule"))
    assert (measured["basis"] == "here").all() and measured.loc["crop", "seconds"].sum() > 0


def test_a_promptable_segmenter_makes_masks_of_boxes(done, tmp_path):
    model = tiny_sam.build(tmp_path / "sam")
    sources = ["truth", "monai-unet", "bounding_box-finetuned"]
    sam = f"sam={{tiny: {{model: {model}, boxes: {sources}, every: 24}}}}"
    ran = done.snakemake(f"{RESULTS}/scores/sam/tiny/summary.csv", "--cores", "1", *CONFIG, sam)
    assert ran.returncode == 0, ran.stderr[-3000:]
    scores = {
        name: pd.read_csv(done.folder / RESULTS / f"scores/sam/tiny/{name}.csv") for name in ("slices", "summary")
    }
    assert set(scores["summary"]["run"]) == {f"tiny-{source}" for source in sources}
    assert scores["summary"].query("metric == 'dice'")["value"].between(0, 1).all()
    # The slices that the run was asked about, and of the truth those with tumour among them.
    asked = scores["slices"].groupby("run").size()
    answers = pd.read_csv(done.folder / RESULTS / "answers/bounding_box-finetuned.csv")
    assert asked["tiny-bounding_box-finetuned"] == asked["tiny-monai-unet"] == len(answers)
    assert 0 < asked["tiny-truth"] == scores["slices"].query("run == 'tiny-monai-unet'")["tumour"].sum()


def test_a_brats_folder_gives_the_same_crops_and_a_broken_one_is_named(done, tmp_path):
    root = tmp_path / "brats"
    shutil.copytree(done.folder / COHORT / "scans", root)
    work = tmp_path / "work"
    work.mkdir()
    workspace = Workspace.copy(work)
    config = (*CONFIG, f'cohort={{"root": "{root}"}}')
    ran = workspace.snakemake("--cores", "2", "crops", *config)
    assert ran.returncode == 0, ran.stderr[-3000:]
    for name in ("phantom-001.npy", "phantom-001.mask.npy"):
        (found,) = (workspace.folder / "results/cohorts").glob(f"brats-*/crops-95x128x128/brain/{name}")
        assert found.read_bytes() == (done.folder / COHORT / "crops-95x128x128/brain" / name).read_bytes()
    broken = root / "phantom-002" / "phantom-002_t1ce.nii.gz"
    broken.write_bytes(broken.read_bytes()[:100_000])
    ran = workspace.snakemake("--cores", "2", "crops", *config)
    assert ran.returncode != 0
    faults = [line for line in ran.stderr.splitlines() if line.startswith("Error: ")]
    assert len(faults) == 1 and str(broken) in faults[0]
    assert "Traceback" not in ran.stderr + ran.stdout
