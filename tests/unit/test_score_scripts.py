"""The scripts that score and compare, run on files as the workflow leaves them, without the workflow."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score
from synthetic_cohort import write

from glioma import tasks
from glioma.base.files import write_json
from glioma.metrics import segmentation
from glioma.scoring import baselines, tables

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
SETTINGS = {"scores": {"resamples": 100, "hd95_unit": "mm"}, "votes": {}, "side": 32, "tumour_pixels": 1}


class Named(dict):
    """Snakemake's lists of files and of parameters: by name as an attribute or as a key, or the first by number."""

    __getattr__ = dict.__getitem__

    def __getitem__(self, key):
        return next(iter(self.values())) if key == 0 else super().__getitem__(key)


PUBLISHED = 1
# Of 12 development patients in two folds and 6 test patients.
SIZES = {"train": 5, "fold_validation": 7, "fold_test": 6, "validation": 12, "test": 6, "pooled": 18}


@pytest.fixture
def place(tmp_path):
    """A folder with crops, their geometry and the folds table: 10 HGG and 8 LGG, a third of them test patients."""
    table = write(tmp_path / "crops" / "brain", 10, 8, folds=2, test=6)
    for patient in table["patient"]:
        write_json({"spacing": [3.0, 1.0, 1.0]}, tmp_path / "crops" / "brain" / f"{patient}.json")
    table.to_csv(tmp_path / "folds.csv", index=False)
    return SimpleNamespace(root=tmp_path, folds=table, rng=np.random.default_rng(0))


def run(script: str, place, inputs: dict, outputs: list[str], wildcards: dict, **params) -> dict[str, pd.DataFrame]:
    """Run a script and read what it wrote."""
    written = {name: place.root / script / "-".join(wildcards.values()) / f"{name}.csv" for name in outputs}
    given = SimpleNamespace(
        input=Named(crops=place.root / "crops" / "brain", folds=place.root / "folds.csv", **inputs),
        output=Named(written),
        params=Named(
            {"settings": SETTINGS, "seed": 1, "crops": "brain", "model": "an:architecture", "published": PUBLISHED}
            | params
        ),
        wildcards=Named(wildcards),
        log=[place.root / "log.txt"],
        rule=script,
        threads=1,
        resources={},
    )
    runpy.run_path(str(SCRIPTS / f"{script}.py"), init_globals={"snakemake": given})
    return {name: pd.read_csv(path) for name, path in written.items() if path.stat().st_size > 1}


def predictions(place) -> pd.DataFrame:
    """A classifier's table: every patient by the networks that saw it and by those that did not."""
    rows = []
    for row in place.folds.itertuples():
        p = np.clip(place.rng.normal(0.65 if row.grade == "HGG" else 0.4, 0.2, 3), 0, 1).round(4)
        if row.split == "test":
            rows += [
                (row.patient, "test", -1, p[0]),
                *((row.patient, "test_fold", fold, p[fold + 1]) for fold in (0, 1)),
            ]
        else:
            rows += [(row.patient, "validation", row.fold, p[0]), (row.patient, "train", 1 - row.fold, p[1])]
    return pd.DataFrame(rows, columns=["patient", "cohort", "fold", "probability"])


def score_classifier(place, name: str, **more) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    table = predictions(place)
    table.to_csv(place.root / f"{name}.csv", index=False)
    inputs = {"predictions": place.root / f"{name}.csv"}
    facts = {"family": "cnn", "run": name, "model": "an:architecture", "crops": "brain"} | more.pop("facts", {})
    outputs = ["patients", "summary"]
    return table, run("score_classifier", place, inputs, outputs, {"classifier": name}, facts=facts, **more)


def row(summary: pd.DataFrame, **where: str) -> pd.Series:
    chosen = summary[np.logical_and.reduce([summary[key] == value for key, value in where.items()])]
    assert len(chosen) == 1, chosen
    return chosen.iloc[0]


def test_radiomics_have_no_single_fold(place):
    """Their predictions are those of patients that the model has not seen, and nothing else."""
    _, scores = score_classifier(place, "radiomics", published=None, facts={"family": "radiomics"})
    assert scores["patients"].groupby("cohort").size().to_dict() == {
        cohort: SIZES[cohort] for cohort in ("pooled", "test", "validation")
    }
    assert set(scores["summary"]["family"]) == {"radiomics"}


def test_classifier_has_every_cohort(place):
    table, scores = score_classifier(place, "cnn")
    grades = place.folds.set_index("patient")["grade"]
    sizes = scores["patients"].groupby("cohort").size().to_dict()
    assert sizes == SIZES
    assert (scores["summary"]["crops"] == "brain").all()
    single = table[table["fold"] == PUBLISHED]
    for cohort, of, by in (
        ("pooled", table, ["validation", "test"]), ("test", table, ["test"]), ("train", single, ["train"]),
        ("fold_validation", single, ["validation"]), ("fold_test", single, ["test_fold"]),
    ):  # fmt: skip
        seen = of[of["cohort"].isin(by)].set_index("patient")["probability"]
        truth = grades[seen.index] == "HGG"
        for metric, expected in (("auc", roc_auc_score(truth, seen)), ("brier", brier_score_loss(truth, seen))):
            found = row(scores["summary"], cohort=cohort, metric=metric)
            assert found["value"] == pytest.approx(expected) and found["n"] == len(seen)


def score_segmenter(place, name: str) -> dict[str, pd.DataFrame]:
    for folder, shift in (("masks", 2), ("single", 1)):
        (place.root / name / folder).mkdir(parents=True)
        for patient in place.folds.loc[(folder == "masks") | (place.folds["fold"] != PUBLISHED), "patient"]:
            mask = np.load(place.root / "crops" / "brain" / f"{patient}.mask.npy") > 0
            np.save(place.root / name / folder / f"{patient}.npy", np.roll(mask, shift, axis=1))
    inputs = {"masks": place.root / name / "masks", "single": place.root / name / "single"}
    return run("score_segmenter", place, inputs, ["patients", "summary"], {"segmenter": name})


def test_segmenter_has_every_cohort(place):
    scores = score_segmenter(place, "unet")
    patients = scores["patients"]
    assert set(patients.loc[patients["cohort"].isin(tables.SINGLE), "slices"]) == {"volume"}
    sizes = patients[patients["slices"] == "volume"].groupby("cohort").size().to_dict()
    assert sizes == SIZES
    for cohort, shift in (("train", 1), ("fold_test", 1), ("fold_validation", 2), ("pooled", 2)):
        own = patients[(patients["cohort"] == cohort) & (patients["slices"] == "volume")].set_index("patient")
        for patient in own.index:
            mask = np.load(place.root / "crops" / "brain" / f"{patient}.mask.npy") > 0
            expected = segmentation.scores(np.roll(mask, shift, axis=1), mask, (3.0, 1.0, 1.0))
            assert own.loc[patient, list(expected)].to_dict() == pytest.approx(expected)
        for metric in ("dice", "nsd"):
            found = row(scores["summary"], cohort=cohort, slices="volume", metric=metric)
            assert found["value"] == pytest.approx(own[metric].mean()) and found["n"] == len(own)


def score_run(place, task: str, patients: pd.Series) -> dict[str, pd.DataFrame]:
    masks = {name: np.load(place.root / "crops" / "brain" / f"{name}.mask.npy") for name in patients}
    asked = baselines.asked_slices(masks, selection="tumour")
    answers = baselines.always_hgg(asked)
    if task != "classification":
        answers = baselines.answers_from_masks(asked, tasks.get(task), masks, side=32)
    answers.to_csv(place.root / f"{task}.csv", index=False)
    entry = {"task": task, "model": "tiny", "adapter": None, "repeats": None, "samples": 1, "orientations": ["axial"]}
    entry["selection"] = "tumour"
    inputs, outputs = {"answers": place.root / f"{task}.csv"}, ["slices", "patients", "summary"]
    return run("score_run", place, inputs, outputs, {"run": task}, run=entry)


@pytest.mark.parametrize("task", ["classification", "bounding_box"])
def test_run_has_the_cohorts_that_it_was_asked_about(place, task):
    scores = score_run(place, task, place.folds["patient"])
    for name in ("patients", "summary"):
        assert set(scores[name]["cohort"]) == {"validation", "test", "pooled"}
    assert set(scores["slices"]["cohort"]) == {"validation", "test"}
    pooled = scores["patients"][scores["patients"]["cohort"] == "pooled"]
    assert set(pooled["patient"]) == set(place.folds["patient"])
    tested = score_run(place, task, place.folds.loc[place.folds["split"] == "test", "patient"])
    for name in ("patients", "summary", "slices"):
        assert set(tested[name]["cohort"]) == {"test"}
    of_test = scores["summary"][scores["summary"]["cohort"] == "test"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_test, tested["summary"])


def test_compare_reads_what_the_others_wrote(place):
    score_classifier(place, "cnn")
    score_segmenter(place, "unet")
    for task in ("classification", "bounding_box"):
        score_run(place, task, place.folds.loc[place.folds["split"] == "test", "patient"])
    baseline = place.root / "baselines" / "brain" / "patients.csv"
    baseline.parent.mkdir(parents=True)
    hgg = pd.read_csv(place.root / "score_classifier" / "cnn" / "patients.csv").assign(label="HGG", p_hgg=np.nan)
    boxes = pd.read_csv(place.root / "score_run" / "bounding_box" / "patients.csv")
    parts = [hgg.assign(family="baseline", run="always HGG"), boxes.assign(family="baseline", run="box")]
    pd.concat(parts).to_csv(baseline, index=False)
    inputs = {
        "methods": [
            place.root / folder / "patients.csv"
            for folder in (
                *("score_classifier/cnn", "score_segmenter/unet"),
                *("score_run/classification", "score_run/bounding_box"),
            )
        ],
        "baselines": [baseline],
    }
    table = run(
        "compare",
        place,
        inputs,
        ["comparisons"],
        {},
        every={"bounding_box": 2},
        settings={"resamples": 100, "confidence": 0.95},
        pairs=[["cnn", "classification"], ["cnn", "always HGG"], ["unet", "bounding_box"], ["unet", "box"]],
        dimension="3d",
    )["comparisons"]
    primary = table[table["role"] == "primary"].set_index(["cohort", "first", "second"])
    assert list(primary.index) == [
        ("test", "cnn", "classification"),
        ("pooled", "cnn", "always HGG"),
        ("test", "cnn", "always HGG"),
        ("test", "unet", "bounding_box"),
        ("test", "unet", "box"),
    ]
    assert primary.loc[("test", "unet", "box"), "slices"] == "tumour volume, axial"
    asked = "tumour volume, axial / tumour volume, axial, every 2nd slice"
    assert primary.loc[("test", "unet", "bounding_box"), "slices"] == asked
    assert primary.loc[("pooled", "cnn", "always HGG"), "n"] == 18
    # Balanced accuracy: a constant answer is right about one grade of two.
    assert primary.loc[("pooled", "cnn", "always HGG"), "value_second"] == 0.5
    assert primary["p_holm"].notna().all()
