import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import synthetic_cohort
import torch
from safetensors.torch import save_file

from glioma import tasks
from glioma.base.errors import UserError
from glioma.cnn import data, networks, predict
from glioma.cnn.data import Patients
from glioma.cnn.recipe import Recipe
from glioma.cnn.train import train
from glioma.geometry import slices
from glioma.scoring.votes import vote

SHAPE = synthetic_cohort.SHAPE
CLASSIFIER = {"task": "classification", "architecture": "paper:classifier", "batch_size": 4}
SEGMENTER = {"task": "segmentation", "architecture": "paper:segmenter", "batch_size": 4, "threshold": 0.5}
SLICES = {"task": "classification", "architecture": "slice:small", "every": 2, "batch_size": 64}
FOLDS = 3


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    folds = synthetic_cohort.write(folder, n_hgg=8, n_lgg=6, folds=FOLDS, test=4)
    # The scan is (column, row, slice) with 2 mm voxels, the crop its upper corner.
    to_voxel = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 3], [0, 0, 0, 1]], float)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    for patient in folds["patient"]:
        geometry = {"to_voxel": to_voxel.tolist(), "scan_shape": [18, 16, 16], "scan_affine": affine.tolist()}
        (folder / f"{patient}.json").write_text(json.dumps(geometry))
    return folder, folds


def write_random_weights(entry: dict, folder, folds: int = FOLDS) -> list:
    files = []
    for fold in range(folds):
        torch.manual_seed(fold)
        files.append(folder / f"fold{fold}.safetensors")
        recipe = Recipe.read(entry)
        save_file(networks.build(recipe, recipe.shape(SHAPE)).state_dict(), files[-1])
    return files


def image_of(patient: str, folder) -> torch.Tensor:
    """A batch of one, as the classifier and the segmenter of these tests see it."""
    return torch.from_numpy(np.load(folder / f"{patient}.npy"))[None].float() / 255


def test_out_of_fold_rows_come_from_the_model_that_has_not_seen_the_patient(cohort, tmp_path):
    folder, folds = cohort
    weights = write_random_weights(CLASSIFIER, tmp_path)
    table = predict.predict_classifier(CLASSIFIER, weights, folds, folder, SHAPE)
    assert list(table) == ["patient", "cohort", "fold", "probability"]
    assert not table.duplicated(["patient", "cohort", "fold"]).any()
    development = folds[folds["split"] == "development"].set_index("patient")["fold"]
    test = set(folds.loc[folds["split"] == "test", "patient"])

    rows = dict(iter(table.groupby("cohort")))
    out_of_fold = rows["validation"].set_index("patient")["fold"]
    assert out_of_fold.sort_index().equals(development.sort_index())
    train_rows = rows["train"]
    assert (train_rows["fold"].to_numpy() != development[train_rows["patient"]].to_numpy()).all()
    assert len(train_rows) == len(development) * (FOLDS - 1)
    assert set(rows["test_fold"]["patient"]) == set(rows["test"]["patient"]) == test
    assert (rows["test"]["fold"] == -1).all() and len(rows["test"]) == len(test)

    # Against each model run alone on one patient: neither batches nor their neighbours matter.
    recipe = Recipe.read(CLASSIFIER)
    for row in table[table["fold"] >= 0].itertuples():
        network = predict.load_network(recipe, weights[row.fold], SHAPE)
        assert row.probability == pytest.approx(network(image_of(row.patient, folder)).sigmoid().item(), abs=1e-6)
    mean = rows["test_fold"].groupby("patient")["probability"].mean()
    pd.testing.assert_series_equal(rows["test"].set_index("patient")["probability"], mean)


def test_segmenter_masks_come_from_unseen_models_and_from_the_mean(cohort, tmp_path):
    folder, folds = cohort
    entry = SEGMENTER | {"threshold": 0.505}
    weights = write_random_weights(entry, tmp_path)
    places, published = (tmp_path / name for name in ("masks", "nifti", "single")), 1
    table = predict.predict_segmenter(entry, weights, folds, folder, *places, published, SHAPE)
    alone = table["cohort"].isin(["train", "test_fold"])
    unseen, single = table[~alone], table[alone]
    assert sorted(unseen["patient"]) == sorted(folds["patient"])
    own = folds[folds["fold"] != published].set_index("patient")["split"]
    assert (
        single.set_index("patient")["cohort"].to_dict()
        == own.map({"development": "train", "test": "test_fold"}).to_dict()
    )
    assert (single["fold"] == published).all()
    assert sorted(path.stem for path in (tmp_path / "single").iterdir()) == sorted(own.index)
    recipe = Recipe.read(entry)
    models = [predict.load_network(recipe, file, SHAPE) for file in weights]
    for row in folds.itertuples():
        image = image_of(row.patient, folder)
        asked = {"masks": models} if row.split == "test" else {"masks": [models[row.fold]]}
        if row.fold != published:
            asked["single"] = [models[published]]
        for name, chosen in asked.items():
            with torch.no_grad():
                probability = torch.stack([model(image).sigmoid()[0, 0] for model in chosen]).mean(0)
            sure = (probability - 0.505).abs() > 1e-6
            found = np.load(tmp_path / name / f"{row.patient}.npy")
            assert found.dtype == bool and found.shape == SHAPE
            assert np.array_equal(found[sure], (probability > 0.505).numpy()[sure])
        mask = np.load(tmp_path / "masks" / f"{row.patient}.npy")
        scan = nib.load(tmp_path / "nifti" / f"{row.patient}.nii.gz")
        assert scan.get_data_dtype() == np.uint8 and np.array_equal(scan.affine, np.diag([2.0, 2.0, 2.0, 1.0]))
        assert np.array_equal(np.asarray(scan.dataobj)[:, :, 3:], mask.transpose(2, 1, 0))
        assert not np.asarray(scan.dataobj)[:, :, :3].any()
    assert 0 < unseen["voxels"].sum() < len(folds) * np.prod(SHAPE)


@pytest.mark.parametrize("chosen", ["all", "tumour"])
def test_slice_answers_come_from_unseen_models_and_from_the_mean(cohort, tmp_path, chosen):
    folder, folds = cohort
    entry = SLICES | {"slices": chosen}
    weights = write_random_weights(entry, tmp_path)
    table = predict.predict_slices(entry, weights, folds, folder, SHAPE)
    assert tuple(table) == tasks.COLUMNS
    recipe = Recipe.read(entry)
    assert list(zip(table["patient"], table["slice"], strict=True)) == [
        (patient, index)
        for patient in folds["patient"]
        for index in slices.select(np.load(folder / f"{patient}.mask.npy"), "axial", chosen, 10, 2)
    ]
    rows = folds.set_index("patient")
    models = [predict.load_network(recipe, file, recipe.shape(SHAPE)) for file in weights]
    for answer in table.itertuples():
        image = data.normalise(
            torch.from_numpy(np.load(folder / f"{answer.patient}.npy")[:1, answer.slice])[None], "scale"
        )
        own = rows.loc[answer.patient]
        asked = models if own["split"] == "test" else [models[own["fold"]]]
        with torch.no_grad():
            logits = [model(image) for model in asked]
        p = torch.stack([values.double().softmax(1)[0] for values in logits]).mean(0).numpy()
        assert answer.choice == p.argmax()
        assert answer.p_hgg == pytest.approx(p[1] / (p[0] + p[1]), abs=1e-6)
    assert table["choice"].nunique() > 1
    table.to_csv(tmp_path / "answers.csv", index=False)
    voted = vote(tasks.read_answers(tmp_path / "answers.csv"), grades=rows["grade"])
    assert voted["n_slices"].sum() == len(table) and not voted["n_unparsed"].any()


def test_trained_at_a_smaller_input_it_finds_the_tumour_on_the_crops_grid(cohort, tmp_path):
    folder, folds = cohort
    entry = SEGMENTER | {"input": [12, 12, 12], "normalisation": "zscore", "learning_rate": 3e-3, "epochs": 40}
    development = folds[folds["split"] == "development"]
    grades = dict(zip(folds["patient"], folds["grade"], strict=True))
    seen, unseen = development[development["fold"] != 0], development[development["fold"] == 0]
    train(entry, seen["patient"].tolist(), unseen["patient"].tolist(), grades, folder, tmp_path, 1, SHAPE)
    one = folds.assign(fold=folds["fold"].clip(upper=0))
    predict.predict_segmenter(entry, [tmp_path / "weights.safetensors"], one, folder, tmp_path, crop_shape=SHAPE)
    for patient in folds.loc[folds["split"] == "test", "patient"]:
        mask, truth = np.load(tmp_path / f"{patient}.npy"), np.load(folder / f"{patient}.mask.npy") > 0
        assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.5


def test_out_of_memory_halves_the_batch(cohort, tmp_path):
    folder, folds = cohort
    recipe = Recipe.read(CLASSIFIER | {"batch_size": 8})
    network = predict.load_network(recipe, write_random_weights(CLASSIFIER, tmp_path, 1)[0], SHAPE)
    patients = Patients(folds["patient"].tolist(), recipe, folder)
    cpu = torch.device("cpu")
    expected = torch.stack(list(predict.probabilities(network, patients, cpu)))

    def small_memory(_, inputs):
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError

    network.register_forward_pre_hook(small_memory)
    torch.testing.assert_close(torch.stack(list(predict.probabilities(network, patients, cpu))), expected)


def test_resized_mask_keeps_its_place():
    coarse = torch.zeros(4, 5, 6)
    coarse[1, 2, 3] = 1
    mask = predict.to_mask(coarse, 0.4, (16, 20, 24))
    centre = np.argwhere(mask).mean(0)
    np.testing.assert_allclose((centre + 0.5) / 4, [1.5, 2.5, 3.5])


def test_wrong_weights_and_folds_are_one_line(cohort, tmp_path):
    folder, folds = cohort
    weights = write_random_weights(CLASSIFIER, tmp_path)
    with pytest.raises(UserError, match="2 weight files"):
        predict.predict_classifier(CLASSIFIER, weights[:2], folds, folder, SHAPE)
    with pytest.raises(UserError, match="fold0.safetensors: does not fit"):
        predict.predict_segmenter(SEGMENTER, weights, folds, folder, tmp_path / "masks", crop_shape=SHAPE)
    weights[1].write_bytes(b"half a file")
    with pytest.raises(UserError, match="fold1.safetensors"):
        predict.predict_classifier(CLASSIFIER, weights, folds, folder, SHAPE)
    with pytest.raises(UserError, match="twice"):
        predict.predict_classifier(CLASSIFIER, weights, pd.concat([folds, folds[:1]]), folder, SHAPE)
