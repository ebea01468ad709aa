"""What the plan counts against what a run does: the same jobs, run for real on small data, and counted."""

import numpy as np
import pytest
import small_crops
import synthetic_cohort
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from configuration import resolved
from glioma import tasks
from glioma.cnn import networks, predict, train
from glioma.cnn.recipe import Recipe
from glioma.cohort import folds as splits
from glioma.config import settings
from glioma.demo.phantom import roster
from glioma.planning import units
from glioma.planning.jobs import Job
from glioma.planning.units import Study
from glioma.vlm import conversations, finetune, loss

FOLDS = 3
SHARED = {"epochs": 2, "learning_rate": [1e-3, 1e-4], "batch_size": 4, "crops": "brain"}
NETWORKS = {
    "classifier": {"task": "classification", "architecture": "paper:classifier", "oversample": True},
    "balanced": {"task": "classification", "architecture": "paper:classifier", "oversample": False},
    "segmenter": {"task": "segmentation", "architecture": "paper:segmenter", "oversample": True},
    "slicer": {"task": "classification", "architecture": "slice:small", "every": 2, "oversample": True},
    "tumours": {"task": "classification", "architecture": "slice:small", "slices": "tumour", "oversample": False},
}
PREDICTORS = {
    "classification": ("predict_cnn_grade", "classifier"),
    "segmentation": ("predict_cnn_mask", "segmenter"),
    "slices": ("predict_cnn_slices", "slicer"),
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return folder, synthetic_cohort.write(folder, n_hgg=8, n_lgg=5, folds=FOLDS, test=3)


@pytest.fixture
def study(cohort, monkeypatch):
    """The plan's view of the cohort, with the share of tumour slices that it really has."""
    folder, folds = cohort
    config = resolved(networks={name: SHARED | entry for name, entry in NETWORKS.items()})
    config["crops"]["shape"] = list(synthetic_cohort.SHAPE)
    config["folds"]["count"] = FOLDS
    masks = [np.load(folder / f"{patient}.mask.npy") for patient in folds["patient"]]
    shown = np.mean([(mask > 0).sum((1, 2)) >= config["slices"]["tumour_pixels"] for mask in masks])
    monkeypatch.setitem(units.SHOWN, "brain", float(shown))
    study = Study(config, folds[["patient", "subject", "grade"]])
    study.folds = folds
    return study


def of_building(entry) -> int:
    """Operations of the check, without data, that a network's output fits its task: no part of a plan."""
    recipe = Recipe.read(entry)
    with FlopCounterMode(display=False) as counter:
        networks.build(recipe, recipe.shape(synthetic_cohort.SHAPE))
    return counter.get_total_flops()


def tolerance(entry) -> float:
    """Of whole crops none; how many slices show a tumour differs between the patients of a split."""
    return 0.15 if Recipe.read(entry).kind == "slices" else 1e-6


@pytest.mark.parametrize("name", NETWORKS)
def test_operations_of_a_training(cohort, study, tmp_path, name):
    folder, folds = cohort
    entry = settings.network_entry(study.config, name)
    own = splits.split(folds, 0)
    arguments = own["train"], own["validation"], splits.grades(folds), folder, tmp_path, 1, synthetic_cohort.SHAPE
    with FlopCounterMode(display=False) as counter:
        train.train(entry, *arguments)
    counted = counter.get_total_flops() - 2 * of_building(entry)
    planned = study.units(Job("train_cnn", {"network": name, "fold": "0"}))["TFLOP"]
    assert planned == pytest.approx(counted / 1e12, rel=tolerance(entry))


@pytest.mark.parametrize("name", ["classifier", "segmenter", "slicer", "tumours"])
def test_operations_of_predictions(cohort, study, tmp_path, name):
    folder, folds = cohort
    entry = settings.network_entry(study.config, name)
    recipe = Recipe.read(entry)
    weights = [tmp_path / f"fold{fold}.safetensors" for fold in range(FOLDS)]
    for file in weights:
        save_file(networks.build(recipe, recipe.shape(synthetic_cohort.SHAPE)).state_dict(), file)
    shape = synthetic_cohort.SHAPE
    with FlopCounterMode(display=False) as counter:
        if recipe.kind == "segmentation":
            predict.predict_segmenter(entry, weights, folds, folder, tmp_path, None, tmp_path / "single", 0, shape)
        else:
            by_kind = {"classification": predict.predict_classifier, "slices": predict.predict_slices}
            by_kind[recipe.kind](entry, weights, folds, folder, shape)
    rule, key = PREDICTORS[recipe.kind]
    planned = study.units(Job(rule, {key: name}))["TFLOP"]
    assert planned == pytest.approx(counter.get_total_flops() / 1e12, rel=tolerance(entry))


@pytest.mark.parametrize(
    "changed",
    [{"steps": 4}, {"steps": None, "epochs": 2}, {"steps": 4, "select_by": "generation", "generation_rows": 3}],
    ids=["steps", "epochs", "generation"],
)
def test_conversations_of_a_fine_tuning(tiny_mllama, tmp_path_factory, tmp_path, monkeypatch, changed):
    crops = tmp_path_factory.mktemp("crops")
    small_crops.write(crops)
    training = {
        "batch_size": 2, "accumulation": 1, "warmup": 1, "rank": 4, "evaluate_every": 2, "validation_rows": 4
    } | changed  # fmt: skip
    asked = {"limit": 4}
    entry = {"model": "tiny-mllama", "training": training, "conversations": asked}
    config = resolved(adapters={"paper-center_point": entry})
    config["crops"]["shape"] = list(small_crops.SHAPE)
    study = Study(config, roster(5, 5, 1).assign(subject=range(10)))
    study.folds = small_crops.PATIENTS
    task = tasks.get("center_point")
    shown = {"side": small_crops.SIDE, "limit": 4}
    conversations.write(tmp_path / "c", small_crops.PATIENTS, crops, task, "Where?", shown, seed=1)
    files = [tmp_path / "c" / "fold0" / f"{part}.jsonl" for part in ("train", "validation")]
    seen = {"train": 0, "validation": 0, "answers": 0}
    computed, answered = loss.answer_loss, finetune._evaluator

    def counting(model, inputs, *args):
        seen["train" if model.training else "validation"] += len(inputs["input_ids"])
        return computed(model, inputs, *args)

    def evaluator(processor, rows, reading, settings):
        found = answered(processor, rows, reading, settings)

        def ask(backend):
            seen["answers"] += len(rows)
            return found(backend)

        return ask

    monkeypatch.setattr(loss, "answer_loss", counting)
    monkeypatch.setattr(finetune, "_evaluator", evaluator)
    reading = settings.adapter_parsing(config, "paper-center_point") | {"side": small_crops.SIDE}
    finetune.finetune(tiny_mllama, *files, tmp_path / "adapter", training, 5, reading)
    planned = study.units(Job("finetune", {"adapter": "paper-center_point", "fold": "0"}))
    assert planned["sample"] == pytest.approx(seen["train"] + seen["validation"] / units.PASSES)
    assert planned["answer"] == seen["answers"]
