"""What one edit re-runs, and what it leaves alone, asked of Snakemake's own dry-run."""

import os
import time

import pytest

from configuration import resolved
from glioma import tasks

REPORT = {"report", "all"}
TOLD = {"summary", "compare", "patients_json", "draw_comparison", "write_tables", "write_timing"} | REPORT
"""What follows any score."""
OF_GRADES = {"draw_grading", "draw_reliability"}
OF_LOCATED = {"draw_distributions", "draw_placement", "draw_answers"}
LOCATED = {"score_run", *OF_LOCATED} | TOLD
SCORED = LOCATED | OF_GRADES
AUDITED = SCORED | {"leak_audit"}


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
    assert set(planned) == {"respond", "answers", "leak_audit"} | LOCATED
    assert planned["answers"] == planned["score_run"] == 5
    assert workspace.jobs("respond") == {
        "run=samples, part=test, shard=0",
        "run=paper-bounding_box-general, part=test, shard=0",
        "run=paper-bounding_box-finetuned, part=test, shard=0",
        "run=bounding_box-general, part=everyone, shard=0",
        "run=bounding_box-finetuned, part=test, shard=0",
    }


def test_an_older_prompt_in_the_place_of_one_is_another(workspace):
    """As cp -p and rsync -a bring it."""
    workspace.edit("config/prompts/presence.txt", "Does this", "Does the")
    os.utime(workspace.folder / "config/prompts/presence.txt", (1e9, 1e9))
    assert {"respond", "answers", "score_run"} <= set(workspace.planned())


def test_a_training_prompt_touches_its_adapter_and_what_follows(workspace):
    workspace.edit("config/prompts/training/polygon.txt", "For each", "In each")
    planned = workspace.planned()
    assert set(planned) == {"conversations", "finetune", "respond", "answers", "draw_learning"} | LOCATED
    assert planned["conversations"] == planned["finetune"] == planned["respond"] == 1
    assert workspace.jobs("respond") == {"run=paper-polygon-finetuned, part=test, shard=0"}


def test_a_hyperparameter_touches_its_network(workspace):
    workspace.edit("config/studies/everything.yaml", "learning_rate: 5e-3", "learning_rate: 4e-3")
    planned = workspace.planned()
    cnn = {"train_cnn", "predict_cnn_mask", "score_segmenter", "draw_learning"}
    # Radiomics describe its masks.
    of_it = {"predict_radiomics", "score_radiomics"} | OF_GRADES
    assert set(planned) == cnn | of_it | {"draw_masks", "draw_mask_sizes", "draw_distributions"} | TOLD
    assert planned["train_cnn"] == 3 and planned["predict_cnn_mask"] == 1
    assert all("network=monai-unet" in job for job in workspace.jobs("train_cnn"))


def test_a_vote_rule_touches_the_scores_that_vote(workspace):
    workspace.edit("config/studies/everything.yaml", "parsing: strict", "parsing: strict\nvotes: {tie: hgg}")
    planned = workspace.planned()
    assert set(planned) == {"score_slices", "score_run", "leak_audit"} | OF_GRADES | TOLD
    study = resolved()
    grading = [run for run in study["runs"].values() if tasks.get(run["task"]).output == "grade"]
    assert planned["score_run"] == len(grading)


def test_a_new_run_adds_only_its_jobs(workspace):
    workspace.edit(
        "config/studies/everything.yaml",
        "# Defaults of parsing",
        "  polygon-again: {like: paper-polygon-general}\n\n# Defaults of parsing",
    )
    planned = workspace.planned()
    assert set(planned) == {"respond", "answers"} | LOCATED
    assert planned["respond"] == 1


CNN = {
    *("train_cnn", "predict_cnn_grade", "predict_cnn_mask", "predict_cnn_slices"),
    *("score_classifier", "score_segmenter", "score_slices", "draw_learning", "predict_radiomics", "score_radiomics"),
}
OF_MASKS = {"draw_masks", "draw_mask_sizes"}
SCORED_ONCE = {"score_classifier", "score_radiomics", "score_segmenter", "score_slices", "score_baselines"}
SCORES = SCORED_ONCE | OF_MASKS | AUDITED
DRAWN = {rule for rule in SCORES if rule.startswith("draw_")} | {"draw_cohort", "draw_learning", "leak_audit"}


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("scoring/votes.py", SCORES - {"score_segmenter", "draw_masks"}),
        # Adapters are chosen by their answers' scores.
        (
            "metrics/segmentation.py",
            {"conversations", "draw_cohort", "examples", "finetune", "draw_learning", "respond", "answers"} | SCORES,
        ),
        ("compare/declared.py", {"compare", "write_tables"} | REPORT),
        ("report/figures/style.py", DRAWN | REPORT),
        ("report/figures/grading.py", {"draw_grading"} | REPORT),
        ("report/figures/mask_overlays.py", {"draw_masks"} | REPORT),
        ("cnn/losses.py", CNN | OF_MASKS | AUDITED - {"score_run", "draw_answers", "draw_placement"}),
        ("vlm/sampling.py", {"finetune", "draw_learning", "respond", "answers"} | AUDITED),
        ("report/html.py", {"leak_audit", "write_tables", "write_timing"} | REPORT),
    ],
)
def test_a_helper_touches_the_rules_that_reach_it_and_what_follows(workspace, module, rules):
    path = workspace.folder / "workflow/scripts/glioma" / module
    path.write_text(path.read_text() + "\n\nEXTRA = 1\n")
    planned = set(workspace.planned())
    assert planned == rules


def test_documentation_touches_nothing(workspace):
    workspace.edit("workflow/scripts/glioma/cohort/crops.py", '"""Scan -> crop', '"""A scan -> crop')
    workspace.edit("workflow/scripts/crop.py", '"""The crop', '"""One crop')
    assert workspace.planned() == {}


def test_no_network_is_trained_anew_for_a_prompt(workspace):
    for name in ("classify", "center_point", "bounding_box", "polygon"):
        for folder in ("config/prompts", "config/prompts/training"):
            path = workspace.folder / folder / f"{name}.txt"
            path.write_text(path.read_text() + " Thank you.\n")
    planned = workspace.planned()
    assert "train_cnn" not in planned and "crop" not in planned
    assert planned["finetune"] == 8


def test_a_recipe_trains_another_embedded_model(workspace):
    planned = workspace.planned("--config", "models={tiny-mllama: {recipe: {steps: 300}}}")
    assert planned["tiny_vlm"] == 1 and planned["finetune"] == 9 and "train_cnn" not in planned


def shown(workspace) -> str:
    """What `snakemake plan` says."""
    done = workspace.snakemake("plan", "--cores", "1")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_planned_where_everything_is_done(workspace):
    assert workspace.planned() == {}
    # Where jobs run changes no result.
    assert workspace.planned("--config", "gpus_per_job=1") == {}
    assert shown(workspace).strip() == "Nothing is left to be done."


def test_what_was_lost_is_planned_and_nothing_else(workspace):
    # Snakemake makes a missing file again only for the sake of one further on that is missing too.
    results = workspace.folder / "results/everything"
    lost = [results / "responses/wording-plain/test-0.jsonl", results / "answers/wording-plain.csv"]
    for path in [*lost, *(results / "scores/wording-plain").iterdir(), *(results / "scores").glob("summary.*")]:
        path.unlink()
    (results / "report/report.html").unlink()
    wanted = {rule: count for rule, count in workspace.planned().items() if rule not in ("all", "total")}
    assert wanted["respond"] == wanted["answers"] == wanted["summary"] == 1
    text = shown(workspace)
    table = text.split("\n\n")[0].splitlines()
    rules = [line.split() for line in table if not line.startswith(("rule", "-", "total"))]
    assert {cells[0]: int(cells[2 if cells[1] == "*" else 1]) for cells in rules} == wanted
    assert "wording-plain" in text and "wording-expert" not in text
