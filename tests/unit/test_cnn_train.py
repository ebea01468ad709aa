import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_cohort
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from glioma.base.errors import UserError
from glioma.cnn import data, validation
from glioma.cnn import train as training
from glioma.cnn.recipe import Recipe, training_entry

CLASSIFIER = {
    "task": "classification",
    "architecture": "paper:classifier",
    "learning_rate": 3e-3,
    "epochs": 6,
    "batch_size": 8,
    "augmentation": {"flip": 0.5, "intensity": 0.1, "shift": 1},
}
SEGMENTER = {
    "task": "segmentation",
    "architecture": "paper:segmenter",
    "normalisation": "zscore",
    "learning_rate": 3e-3,
    "epochs": 20,
    "batch_size": 4,
    "select_by": "dice",
}
# Dropout and batch normalisation: what a resumed training could get wrong.
MONAI = {
    "task": "segmentation",
    "architecture": "monai:UNet",
    "arguments": {"channels": [4, 8], "strides": [2], "dropout": 0.2, "norm": "batch"},
    "multiple": 2,
    "learning_rate": 1e-2,
    "epochs": 4,
    "batch_size": 4,
}
# A forked child, such as the one that is killed, must not inherit a pool of threads.
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return folder, synthetic_cohort.write(folder, n_hgg=12, n_lgg=6)


def call(cohort, entry: dict, out: Path, **more) -> dict:
    folder, folds = cohort
    return {
        "entry": entry,
        "patients_train": folds.loc[folds["fold"] != 0, "patient"].tolist(),
        "patients_validation": folds.loc[folds["fold"] == 0, "patient"].tolist(),
        "grades": dict(zip(folds["patient"], folds["grade"], strict=True)),
        "crops_folder": str(folder),
        "out_folder": str(out),
        "seed": 5,
        "crop_shape": synthetic_cohort.SHAPE,
    } | more


def history(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv").drop(columns="seconds")


def test_classifier_learns_and_keeps_its_best_epoch(cohort, tmp_path, capfd):
    grades = cohort[1].set_index("patient")["grade"]
    training.train(**call(cohort, CLASSIFIER | {"epochs": 40, "select_by": "auc"}, tmp_path, grades=grades))
    table = pd.read_csv(tmp_path / "history.csv")
    columns = ["learning_rate", "epoch", "train_loss", "validation_loss", "validation_auc", "seconds", "kept"]
    assert list(table) == columns
    assert table["validation_auc"].max() == 1
    assert table["train_loss"].iloc[-1] < table["train_loss"].iloc[0] / 2
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        note = json.loads(file.metadata()["training"])
    best = table[table["validation_auc"] == 1].sort_values("validation_loss").iloc[0]
    assert note == {"epoch": best["epoch"], "learning_rate": 3e-3}
    assert table.loc[table["kept"], "epoch"].tolist() == [best["epoch"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "weights.safetensors"]
    output = capfd.readouterr()
    assert "device: " in output.out and "12/12" not in output.out and "40/40" in output.err


def test_segmenter_learns(cohort, tmp_path):
    training.train(**call(cohort, SEGMENTER, tmp_path))
    assert history(tmp_path)["validation_dice"].max() > 0.65


def test_smaller_input_learns_too(cohort, tmp_path):
    training.train(**call(cohort, SEGMENTER | {"input": [12, 12, 12], "loss": "dice_bce", "epochs": 30}, tmp_path))
    assert history(tmp_path)["validation_dice"].max() > 0.6


@pytest.mark.parametrize("entry", [CLASSIFIER, MONAI], ids=["classifier", "monai"])
def test_equal_trainings_have_equal_bytes(cohort, tmp_path, entry):
    for name, workers in (("one", 0), ("two", 1)):
        training.train(**call(cohort, entry, tmp_path / name, workers=workers))
    assert (tmp_path / "one/weights.safetensors").read_bytes() == (tmp_path / "two/weights.safetensors").read_bytes()
    pd.testing.assert_frame_equal(history(tmp_path / "one"), history(tmp_path / "two"))


def train_and_die(step: int, /, **arguments) -> None:
    """A training that dies by SIGKILL in the middle of a step, after its weights have moved."""
    fit = training.Run._fit

    def fit_and_die(self, *arguments):
        loss = fit(self, *arguments)
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss

    training.Run._fit = fit_and_die
    training.train(**arguments)


# Within the first learning rate, at the first epoch of the second, and within the second.
@pytest.mark.parametrize("step", [2, 4, 6])
def test_a_killed_training_ends_as_an_uninterrupted_one(cohort, tmp_path, step):
    entry = MONAI | {"learning_rate": [3e-3, 1e-2], "epochs": 4}
    whole, killed = (call(cohort, entry, tmp_path / name, checkpoint_seconds=0) for name in ("whole", "killed"))
    # Forked, so that the patch above is the child's alone.
    child = multiprocessing.get_context("fork").Process(target=train_and_die, args=(step,), kwargs=killed)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["state.pt"]
    assert torch.load(tmp_path / "killed/state.pt", weights_only=True)["step"] == step
    training.train(**killed)
    training.train(**whole)
    weights = [tmp_path / name / "weights.safetensors" for name in ("whole", "killed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    pd.testing.assert_frame_equal(history(tmp_path / "whole"), history(tmp_path / "killed"))
    assert not (tmp_path / "killed/state.pt").exists()


def interrupted(cohort, out: Path, monkeypatch, **more) -> None:
    """A training that stops after its second epoch, its state saved."""
    one_epoch = training.Run.one_epoch

    def stop(self, *arguments):
        if self.step == 2:
            raise KeyboardInterrupt
        return one_epoch(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training.Run, "one_epoch", stop)
        training.train(**call(cohort, CLASSIFIER, out, checkpoint_seconds=0, **more))
    assert (out / "state.pt").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "resumed after 2"),
        ({"entry": CLASSIFIER | {"threshold": 0.7}}, "resumed after 2"),
        ({"entry": CLASSIFIER | {"batch_size": 5}}, "other settings"),
        ({"seed": 6}, "other settings"),
        ({"code": "edited"}, "other settings"),
    ],
)
def test_only_a_state_of_the_same_training_is_taken_up(cohort, tmp_path, monkeypatch, capfd, change, says):
    interrupted(cohort, tmp_path, monkeypatch)
    training.train(**call(cohort, CLASSIFIER, tmp_path) | change)
    assert says in capfd.readouterr().out
    assert len(history(tmp_path)) == CLASSIFIER["epochs"]


def test_a_state_of_crops_made_again_is_not_taken_up(cohort, tmp_path, monkeypatch, capfd):
    interrupted(cohort, tmp_path, monkeypatch)
    (cohort[0] / "p01.npy").touch()
    training.train(**call(cohort, CLASSIFIER, tmp_path))
    assert "crops: starting anew" in capfd.readouterr().out


def test_a_damaged_state_is_not_taken_up(cohort, tmp_path, capfd):
    (tmp_path / "state.pt").write_bytes(b"half a file")
    training.train(**call(cohort, CLASSIFIER | {"epochs": 1}, tmp_path))
    assert "starting anew" in capfd.readouterr().out


def test_a_sweep_keeps_the_best_of_all_rates(cohort, tmp_path):
    # The hopeless rate last, so that keeping the last would show.
    rates = [3e-3, 1e-9]
    training.train(**call(cohort, CLASSIFIER | {"learning_rate": rates}, tmp_path / "sweep"))
    training.train(**call(cohort, CLASSIFIER | {"learning_rate": rates[0]}, tmp_path / "alone"))
    table = history(tmp_path / "sweep")
    assert table["learning_rate"].tolist() == [3e-3] * 6 + [1e-9] * 6
    sweep, alone = (load_file(tmp_path / name / "weights.safetensors") for name in ("sweep", "alone"))
    assert all(torch.equal(sweep[key], alone[key]) for key in alone)
    pd.testing.assert_frame_equal(table[:6], history(tmp_path / "alone"))
    # What a table of validation score by rate needs is all there.
    by_rate = table.groupby("learning_rate")["validation_loss"].min()
    assert by_rate.idxmin() == table.loc[table["kept"], "learning_rate"].item() == rates[0]


def test_a_diverged_training_leaves_no_weights(cohort, tmp_path):
    with pytest.raises(UserError, match="lower the `learning_rate`"):
        training.train(**call(cohort, CLASSIFIER | {"learning_rate": 1e30}, tmp_path))
    assert not any(tmp_path.iterdir())


def test_patience_ends_one_rate_and_not_the_sweep(cohort, tmp_path):
    entry = CLASSIFIER | {"learning_rate": [1.0, 1e-3], "epochs": 30, "patience": 2}
    training.train(**call(cohort, entry, tmp_path))
    epochs = history(tmp_path).groupby("learning_rate")["epoch"].max()
    assert epochs[1.0] < 29 and 1e-3 in epochs.index


def test_gradients_of_micro_batches_sum_to_that_of_the_batch(cohort):
    gradients = []
    for micro in (None, 3):
        recipe = Recipe.read(SEGMENTER | {"micro_batch": micro})
        run = training.Run(recipe, synthetic_cohort.SHAPE, 1, torch.device("cpu"))
        patients = data.labelled(recipe, [f"p{i:02d}" for i in range(4)], cohort[0], ["HGG"] * 4)
        run.optimiser.step = lambda: None
        run._fit(patients, 0)
        gradients.append([parameter.grad for parameter in run.network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patients_validation": []}, "no training or no validation"),
        ({"patients_validation": ["p01"], "patients_train": ["p01", "p02"]}, "p01 is in training and validation"),
        ({"grades": {}}, "no grade"),
    ],
)
def test_wrong_patients_are_one_line(cohort, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        training.train(**call(cohort, CLASSIFIER, tmp_path) | change)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(5))
def test_auc_equals_sklearn(seed):
    random = np.random.default_rng(seed)
    truth, scores = random.integers(0, 2, 40), random.integers(0, 10, 40)
    patients = [f"p{number}" for number in range(40)]
    positive = dict(zip(patients, truth.astype(bool).tolist(), strict=True))
    assert validation.metric("slices", scores, patients, positive) == pytest.approx(roc_auc_score(truth, scores))
    assert np.isnan(validation.metric("slices", scores, patients, dict.fromkeys(patients, True)))


def test_dice_of_a_batch():
    predicted = torch.zeros(3, 1, 2, 2, 2, dtype=torch.bool)
    truth = predicted.clone()
    predicted[0, 0, 0] = truth[0, 0, :, 0] = True  # 4 and 4 voxels, 2 shared
    predicted[1, 0, 0, 0, 0] = True
    assert validation.dice(predicted, truth) == [0.5, 0.0, 1.0]


@pytest.mark.parametrize("seed", range(3))
def test_slices_are_validated_by_patient(seed):
    random = np.random.default_rng(seed)
    patients = random.choice(list("abcdefgh"), 60).tolist()
    logits = torch.from_numpy(random.normal(size=(60, 3)))
    grades = {patient: patient in "ace" for patient in "abcdefgh"}
    scores = validation.scores("slices", logits, torch.zeros(60))
    # The HGG share of the two grades is the logistic function of the difference of their logits.
    table = pd.DataFrame({"patient": patients, "p": 1 / (1 + np.exp(-(logits[:, 1] - logits[:, 0]).numpy()))})
    means = table.groupby("patient")["p"].mean()
    expected = roc_auc_score([grades[patient] for patient in means.index], means)
    assert validation.metric("slices", scores, patients, grades) == pytest.approx(expected)


def test_keep_last_keeps_the_last_epoch_whatever_validation_says(cohort, tmp_path):
    entry = CLASSIFIER | {"epochs": 12, "augmentation": {}}
    right = call(cohort, entry, tmp_path)
    # Wrong grades in validation: the better the network learns, the worse it looks.
    other = {"HGG": "LGG", "LGG": "HGG"}
    wrong = {patient: other[right["grades"][patient]] for patient in right["patients_validation"]}
    for keep in ("best", "last"):
        changes = {"entry": entry | {"keep": keep}, "out_folder": tmp_path / keep, "grades": right["grades"] | wrong}
        training.train(**right | changes)
    last, best = (pd.read_csv(tmp_path / keep / "history.csv") for keep in ("last", "best"))
    assert last.loc[last["kept"], "epoch"].tolist() == [11]
    same = ["train_loss", "validation_loss", "validation_auc"]
    pd.testing.assert_frame_equal(last[same], best[same])
    # With other grades the same weights come out: the validation patients have no say.
    training.train(**right | {"entry": entry | {"keep": "last"}, "out_folder": tmp_path / "right"})
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("last", "right", "best")]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2] and best.loc[best["kept"], "epoch"].item() < 11


def test_keep_last_survives_a_kill(cohort, tmp_path, monkeypatch):
    entry = CLASSIFIER | {"keep": "last"}
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "CLASSIFIER", entry)
        interrupted(cohort, tmp_path / "killed", monkeypatch)
    for name in ("killed", "whole"):
        training.train(**call(cohort, entry, tmp_path / name))
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]


def test_a_diverged_last_epoch_leaves_no_weights(cohort, tmp_path):
    with pytest.raises(UserError, match="last epoch has no finite"):
        training.train(**call(cohort, CLASSIFIER | {"learning_rate": 1e30, "keep": "last"}, tmp_path))
    assert not any(tmp_path.iterdir())


def test_a_training_reads_only_its_part_of_the_entry(cohort, tmp_path):
    entry = SEGMENTER | {"epochs": 2, "threshold": 0.9}
    training.train(**call(cohort, entry, tmp_path / "whole"))
    training.train(**call(cohort, training_entry(entry), tmp_path / "part"))
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "part")]
    assert weights[0] == weights[1]


SLICES = {
    "task": "classification",
    "architecture": "slice:small",
    "channels": ["flair", "t1ce"],
    "normalisation": "zscore",
    "learning_rate": 1e-2,
    "epochs": 6,
    "batch_size": 16,
    "every": 2,
    "augmentation": {"flip": 0.5, "shift": 1},
    "select_by": "auc",
}


def test_slice_network_learns_and_equal_trainings_have_equal_bytes(cohort, tmp_path):
    for name, workers in (("one", 0), ("two", 1)):
        training.train(**call(cohort, SLICES, tmp_path / name, workers=workers))
    assert (tmp_path / "one/weights.safetensors").read_bytes() == (tmp_path / "two/weights.safetensors").read_bytes()
    table = history(tmp_path / "one")
    assert table["validation_auc"].max() == 1
    assert table["validation_loss"].min() < np.log(3) / 2


def test_slice_network_of_monai_trains(cohort, tmp_path):
    arguments = {"init_features": 4, "growth_rate": 4, "block_config": [2, 2]}
    entry = SLICES | {"architecture": "slice:monai:DenseNet", "arguments": arguments, "epochs": 2}
    training.train(**call(cohort, entry, tmp_path))
    assert history(tmp_path)["train_loss"].is_monotonic_decreasing


def test_slices_without_tumour_are_named(tmp_path):
    folds = synthetic_cohort.write(tmp_path / "crops", n_hgg=3, n_lgg=3)
    entry = SLICES | {"slices": "tumour", "tumour_pixels": 10_000}
    with pytest.raises(UserError, match="no slice to train"):
        training.train(**call((tmp_path / "crops", folds), entry, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
