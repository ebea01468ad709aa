"""What one edit re-runs, and what it leaves alone, asked of Snakemake's own dry-run."""

import os
import time

import pytest

REPORT = {"report", "all"}
SCORED = {"score_run", "summary", "compare", "draw_results", "write_tables", "write_timing"} | REPORT


def test_a_second_run_does_nothing(workspace):
    assert workspace.planned() == {}


def test_touching_everything_does_nothing(workspace):
    """As a checkout or a copy does: new times, same content."""
    now = time.time() + 60
    for part in ("Snakefile", "config", "workflow", "resources"):
        root = workspace.folder / part
        for path in [root, *root.rglob("*")]:
            os.utime(path, (now, now))
    assert workspace.planned() == {}


def test_an_inference_prompt_touches_its_own_runs(workspace):
    workspace.edit("config/prompts/bounding_box.txt", "Given a", "Here is a")
    planned = workspace.planned()
    assert set(planned) == {"respond", "answers"} | SCORED
    assert planned["respond"] == planned["answers"] == planned["score_run"] == 2
    assert workspace.jobs("respond") == {
        "run=bounding_box-general, shard=0",
        "run=bounding_box-finetuned, shard=0",
    }


def test_a_training_prompt_touches_its_adapter_and_what_follows(workspace):
    workspace.edit("config/prompts/training/polygon.txt", "For each", "In each")
    planned = workspace.planned()
    assert set(planned) == {"conversations", "finetune", "respond", "answers", "draw_learning"} | SCORED
    assert planned["conversations"] == planned["finetune"] == planned["respond"] == 1
    assert workspace.jobs("respond") == {"run=polygon-finetuned, shard=0"}


def test_a_hyperparameter_touches_its_network(workspace):
    workspace.edit("config/config.yaml", "epochs: 24", "epochs: 25")
    planned = workspace.planned()
    cnn = {"train_cnn", "predict_cnn_mask", "score_segmenter", "draw_learning"}
    assert set(planned) == cnn | SCORED - {"score_run"}
    assert planned["train_cnn"] == 5 and planned["predict_cnn_mask"] == 1
    assert all("network=paper-segmenter" in job for job in workspace.jobs("train_cnn"))


def test_a_vote_rule_touches_scores_alone(workspace):
    workspace.edit("config/config.yaml", "tie: undecided", "tie: hgg")
    assert set(workspace.planned()) == {"score_classifier", "score_segmenter", "score_baselines"} | SCORED


def test_a_new_run_adds_only_its_jobs(workspace):
    workspace.edit(
        "config/config.yaml",
        "answers:\n  #",
        "  polygon-again:\n    <<: *polygon\n    label: again\n\nanswers:\n  #",
    )
    planned = workspace.planned()
    assert set(planned) == {"respond", "answers"} | SCORED
    assert planned["respond"] == 1


CNN = {"train_cnn", "predict_cnn_grade", "predict_cnn_mask", "score_classifier", "score_segmenter", "draw_learning"}
SCORES = {"score_classifier", "score_segmenter", "score_baselines"} | SCORED


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("votes.py", SCORES),
        ("metrics/segmentation.py", SCORES),
        ("comparisons.py", {"compare", "write_tables"} | REPORT),
        ("figures/style.py", {"draw_cohort", "draw_learning", "draw_results", "write_tables"} | REPORT),
        ("cnn/losses.py", CNN | SCORED - {"score_run"}),
        ("vlm/sampling.py", {"respond", "answers"} | SCORED),
        ("report/html.py", {"write_tables", "write_timing"} | REPORT),
    ],
)
def test_a_helper_touches_the_rules_that_reach_it_and_what_follows(workspace, module, rules):
    path = workspace.folder / "workflow/scripts/glioma" / module
    path.write_text(path.read_text() + "\n\nEXTRA = 1\n")
    assert set(workspace.planned()) == rules


def test_documentation_touches_nothing(workspace):
    workspace.edit("workflow/scripts/glioma/crops.py", '"""Scan -> crop', '"""A scan -> crop')
    workspace.edit("workflow/scripts/crop.py", '"""The crop', '"""One crop')
    assert workspace.planned() == {}


def test_the_embedded_model_is_not_rebuilt_for_a_prompt(workspace):
    for name in ("classify", "center_point", "bounding_box", "polygon"):
        for folder in ("config/prompts", "config/prompts/training"):
            path = workspace.folder / folder / f"{name}.txt"
            path.write_text(path.read_text() + " Thank you.\n")
    planned = workspace.planned()
    assert "tiny_vlm" not in planned and "train_cnn" not in planned and "crop" not in planned
    assert planned["finetune"] == 4
