"""A logistic regression on features, with its penalty chosen within the training patients of each fold."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from glioma.base import seeds
from glioma.cohort import folds as splits

ENSEMBLE = -1


def predict(
    features: pd.DataFrame, folds: pd.DataFrame, strengths: Sequence[float], inner_folds: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions as those of a classifier (patient, cohort, fold, probability), and coefficients by fold.

    features: indexed by patient, one column each; NaN becomes the median of the training patients. folds: the table of
    `cohort.folds`. Development patients are graded by the model of the fold that validates on them, cohort
    "validation"; test patients by the mean of all, cohort "test", fold -1. Columns of coefficients: fold, strength,
    feature, coefficient (of the standardised feature, positive towards HGG).
    """
    hgg, of_subject = folds.set_index("patient")["grade"] == "HGG", folds.set_index("patient")["subject"]
    rows: list[pd.DataFrame] = []
    coefficients: list[pd.DataFrame] = []
    tests: list[np.ndarray] = []
    for fold in sorted(set(folds.loc[folds["split"] == "development", "fold"])):
        own = splits.split(folds, fold)
        train, test = own["train"], own["test"]
        rng = seeds.generator(seed, "radiomics", str(fold))
        model = choose(features.loc[train], hgg[train], of_subject[train], strengths, inner_folds, rng)
        rows.append(_table(own["validation"], "validation", fold, _chance(model, features.loc[own["validation"]])))
        tests.append(_chance(model, features.loc[test]))
        found = model.named_steps["model"]
        coefficients.append(
            pd.DataFrame({"feature": features.columns, "coefficient": found.coef_[0]}).assign(
                fold=fold, strength=found.C
            )
        )
    rows.append(_table(test, "test", ENSEMBLE, np.mean(tests, axis=0)))
    table = pd.concat(coefficients, ignore_index=True)[["fold", "strength", "feature", "coefficient"]]
    return pd.concat(rows, ignore_index=True), table


def choose(
    features: pd.DataFrame,
    hgg: pd.Series,
    subjects: pd.Series,
    strengths: Sequence[float],
    inner_folds: int,
    rng: np.random.Generator,
) -> Pipeline:
    """The pipeline fitted to all of these patients, with the strength of the best mean log loss over inner folds.

    Of equally good ones the strongest penalty, and so where there are too few patients to choose. A subject's scans
    stay in one inner fold; there are no more of those than subjects of the rarer grade.
    """
    pipeline = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("model", LogisticRegression(class_weight="balanced", max_iter=5000)),
        ]
    )
    parts = list(usable(inner(inner_folds, hgg, subjects, rng), features, hgg, subjects))
    if not parts:
        print(f"{len(hgg)} training patients are too few to choose a penalty on: the strongest one is taken")
        return pipeline.set_params(model__C=min(strengths)).fit(features, hgg)
    grid: dict[str, Any] = {"model__C": sorted(strengths)}
    return GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=parts).fit(features, hgg).best_estimator_


def inner(count: int, hgg: pd.Series, subjects: pd.Series, rng: np.random.Generator) -> StratifiedGroupKFold:
    """How training patients are split once more: stratified by grade, a subject's scans together."""
    rarer = subjects.groupby(hgg).nunique().min()
    return StratifiedGroupKFold(max(min(count, rarer), 2), shuffle=True, random_state=int(rng.integers(2**31)))


def usable(
    splitter: StratifiedGroupKFold, features: pd.DataFrame, hgg: pd.Series, subjects: pd.Series
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The inner folds (rows to train on, rows held out) with both grades on either side."""
    truth = hgg.to_numpy()
    for train, held_out in splitter.split(features, hgg, subjects):
        if len(set(truth[train])) == len(set(truth[held_out])) == 2:
            yield train, held_out


def _chance(model: Pipeline, features: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(features)[:, 1]


def _table(patients: Sequence[str], cohort: str, fold: int, probability: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"patient": patients, "cohort": cohort, "fold": fold, "probability": probability})
