"""Radiomics: features against scipy, scikit-image's formulas and bodies whose shape is known; grades without a leak."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from glioma.base.errors import UserError
from glioma.radiomics import features, grader
from glioma.radiomics.settings import Radiomics

RNG = np.random.default_rng(0)


def ball(radius: float, spacing=(1.0, 1.0, 1.0), stretch=(1.0, 1.0, 1.0), size: int = 64) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(size) - size / 2] * 3, indexing="ij"))
    scaled = grid * np.reshape(spacing, (3, 1, 1, 1)) / np.reshape(stretch, (3, 1, 1, 1))
    return (scaled**2).sum(axis=0) <= radius**2


def test_first_order_agrees_with_scipy_and_numpy():
    values = RNG.gamma(2, 1, 5000)
    found = features.first_order(values)
    assert found["mean"] == pytest.approx(np.mean(values)) and found["sd"] == pytest.approx(np.std(values))
    assert found["skewness"] == pytest.approx(stats.skew(values))
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(values))
    edges = np.arange(0, values.max() + features.BIN, features.BIN)
    counts = np.histogram(values, edges)[0]
    assert found["entropy"] == pytest.approx(stats.entropy(counts, base=2))
    assert features.first_order(np.ones(20))["entropy"] == 0 and features.first_order(np.ones(20))["skewness"] == 0


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.3, 1.3, 1.3)])
def test_shape_of_a_ball(spacing):
    radius = 16.0
    found = features.shape(ball(radius, spacing), spacing)
    assert found["volume"] == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)
    assert found["elongation"] == pytest.approx(1, abs=0.02) and found["flatness"] == pytest.approx(1, abs=0.02)
    # Second moments of a ball are r^2 / 5.
    assert found["major_axis"] == pytest.approx(4 * radius / np.sqrt(5), rel=0.02)
    assert found["sphericity"] == pytest.approx(2 / 3, abs=0.03)
    assert found["components"] == 1


def test_shape_of_an_ellipsoid_and_of_two_bodies():
    found = features.shape(ball(10, stretch=(1.0, 1.5, 2.0)), (1, 1, 1))
    assert found["elongation"] == pytest.approx(0.75, abs=0.02) and found["flatness"] == pytest.approx(0.5, abs=0.02)
    two = np.zeros((40, 40, 40), bool)
    two[5:10, 5:10, 5:10] = two[25:30, 25:30, 25:30] = True
    assert features.shape(two, (1, 1, 1))["components"] == 2


def test_intensities_are_relative_to_the_brain():
    """A scanner's gain and offset change nothing; what lies outside of the brain has no part in it."""
    image = np.zeros((4, 20, 20, 20), dtype=np.uint8)
    image[:, 4:16, 4:16, 4:16] = RNG.integers(20, 60, (4, 12, 12, 12))
    mask = np.zeros((20, 20, 20), bool)
    mask[6:10, 6:10, 6:10] = True
    found = features.describe(image, mask, (1, 1, 1))
    assert tuple(found) == features.NAMES and all(np.isfinite(list(found.values())))
    louder = np.where(image > 0, image * 3 + 10, 0).astype(np.uint8)
    other = features.describe(louder, mask, (1, 1, 1))
    for name, value in found.items():
        assert other[name] == pytest.approx(value, abs=1e-6), name


def test_a_mask_of_next_to_nothing_has_a_volume_alone():
    image = np.full((4, 8, 8, 8), 9, dtype=np.uint8)
    for voxels in (0, 3):
        mask = np.zeros((8, 8, 8), bool)
        mask.flat[:voxels] = True
        found = features.describe(image, mask, (1, 1, 2))
        assert found.pop("volume") == pytest.approx(2 * voxels / 1000)
        assert np.isnan(list(found.values())).all()


def cohort(n: int = 60, informative: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(3)
    names = [f"p{number:02d}" for number in range(n)]
    hgg = rng.random(n) < 0.6
    table = pd.DataFrame(rng.normal(size=(n, 12)), index=names, columns=[f"f{i}" for i in range(12)])
    table["f0"] += 2.5 * hgg * informative
    table.loc[names[:3], "f1"] = np.nan
    fold = np.where(np.arange(n) % 4 == 3, -1, np.arange(n) % 4)
    split = np.where(fold < 0, "test", "development")
    grade = np.where(hgg, "HGG", "LGG")
    return table, pd.DataFrame({"patient": names, "subject": names, "grade": grade, "split": split, "fold": fold})


def test_everybody_is_graded_once_by_a_model_that_has_not_seen_him():
    table, folds = cohort()
    found, coefficients = grader.predict(table, folds, (0.01, 0.1, 1.0), 5, 7)
    assert sorted(found["patient"]) == sorted(folds["patient"])
    by_split = found.merge(folds, on="patient", suffixes=("", "_of"))
    assert (by_split["cohort"].eq("test") == by_split["split"].eq("test")).all()
    assert (by_split["fold"] == by_split["fold_of"]).all()
    assert roc_auc_score(by_split["grade"] == "HGG", by_split["probability"]) > 0.9
    assert len(coefficients) == 3 * 12
    strongest = coefficients.groupby("feature")["coefficient"].mean().idxmax()
    assert strongest == "f0", "the one feature that the grade changes, towards HGG"


def test_a_patients_own_grade_has_no_part_in_it():
    """Turning the grades of the patients of one fold changes none of their own probabilities."""
    table, folds = cohort()
    turned = folds.copy()
    own = folds["fold"] == 1
    turned.loc[own, "grade"] = np.where(folds.loc[own, "grade"] == "HGG", "LGG", "HGG")
    first, second = (grader.predict(table, each, (0.1,), 5, 7)[0].set_index("patient") for each in (folds, turned))
    names = folds.loc[own, "patient"]
    assert first.loc[names, "probability"].tolist() == second.loc[names, "probability"].tolist()
    others = folds.loc[folds["fold"].isin([0, 2]), "patient"]
    assert first.loc[others, "probability"].tolist() != second.loc[others, "probability"].tolist()


def test_features_that_say_nothing_grade_at_chance():
    table, folds = cohort(120, informative=False)
    found = grader.predict(table, folds, (0.01, 0.1, 1.0), 5, 7)[0].merge(folds, on="patient")
    assert 0.35 < roc_auc_score(found["grade"] == "HGG", found["probability"]) < 0.65


def test_scans_of_one_subject_stay_in_one_inner_fold():
    table, folds = cohort(40)
    subjects = pd.Series([f"s{number // 2}" for number in range(40)], index=table.index)
    hgg = pd.Series(np.repeat(np.arange(20) % 2 == 0, 2), index=table.index)
    usable = list(grader.usable(grader.inner(4, hgg, subjects, np.random.default_rng(0)), table, hgg, subjects))
    assert len(usable) == 4
    for train, held_out in usable:
        assert not set(subjects.iloc[train]) & set(subjects.iloc[held_out])


def test_settings_are_checked():
    assert Radiomics.read({"segmenter": "unet"}).inner_folds == 5
    for bad, said in (({"strengths": [0]}, "strengths"), ({"inner_folds": 1}, "inner_folds"), ({}, "segmenter")):
        with pytest.raises(UserError, match=said):
            Radiomics.read(bad | ({} if said == "segmenter" else {"segmenter": "unet"}))


def test_a_handful_of_patients_has_the_strongest_penalty(capsys):
    """Two HGG and one LGG to train on: no inner fold holds both grades."""
    table, folds = cohort(40)
    few = [folds[(folds["grade"] == grade) & (folds["fold"] == fold)].head(2 if grade == "HGG" else 1)
           for grade in ("HGG", "LGG") for fold in (0, 1, -1)]  # fmt: skip
    few = pd.concat(few, ignore_index=True)
    found, coefficients = grader.predict(table, few, (0.3, 0.01, 1.0), 5, 7)
    assert sorted(found["patient"]) == sorted(few["patient"]) and (coefficients["strength"] == 0.01).all()
    assert "3 training patients are too few" in capsys.readouterr().out
