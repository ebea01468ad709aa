"""Scores of grading: of slices put to the vote, of a CNN's probabilities, and of one slice queried many times."""

from collections.abc import Collection, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from glioma.metrics import records
from glioma.scoring import samples, summaries
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry, Scope
from glioma.scoring.tables import KEY, Scores, assemble, choose, scopes, status_rows, with_truth
from glioma.scoring.votes import vote
from glioma.stats import statistics
from glioma.stats.clustered import clustered_interval
from glioma.tasks import kinds


def score_classification(
    answers: pd.DataFrame,
    truth: pd.DataFrame,
    grades: pd.Series,
    entry: Entry,
    settings: Settings,
    cohorts: Mapping[str, Collection[str]] | None = None,
    selection: str = "all",
) -> Scores:
    """Grade patients by vote, for every orientation and slice subset requested.

    `answers` as `answers.answers_table`, `truth` as `slice_truth`, `grades` patient -> "LGG"/"HGG" for all patients:
    one without answers is undecided. `cohorts` as `assemble`, `selection` as `scopes`.
    Areas under the ROC curve: `auc_logprob` from the mean HGG probability over slices, `auc_tally` from the share of
    HGG slices (GLDR).
    """
    requested = with_truth(answers, truth, grades.index)
    grade = requested["patient"].map(grades)
    requested = requested.assign(
        grade=grade, correct=(requested["choice"] == (grade == "HGG").astype(int)).fillna(False)
    )
    where = scopes(requested, selection)
    tables = [
        vote(choose(requested, orientation, subset), settings.votes, grades)
        .assign(grade=grades, slices=subset, orientation=orientation)
        .reset_index()
        for orientation, subset in where
    ]
    front = ["patient", "slices", "orientation", "grade", "label"]
    patients = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=front)
    patients = patients[[*front, *(name for name in patients.columns if name not in front)]]

    def summarise(entry: Entry, requested: pd.DataFrame, patients: pd.DataFrame) -> list[dict]:
        rows = []
        for orientation, subset in where:
            own = patients[(patients["orientation"] == orientation) & (patients["slices"] == subset)]
            rows += _vote_rows(entry, Scope(subset, orientation), own, settings)
            scope, own = Scope(subset, orientation, "slice"), choose(requested, orientation, subset)
            rows += [*status_rows(entry, scope, own), *_choice_rows(entry, scope, own, settings)]
        return [*rows, *samples.rows(entry, requested, settings, "correct")]

    return assemble(requested, patients, entry, cohorts, summarise)


def _vote_rows(entry: Entry, scope: Scope, patients: pd.DataFrame, settings: Settings) -> list[dict]:
    """Summary rows of one scope from one row per patient."""
    rows = summaries.classification_rows(entry, scope, patients["grade"], patients["label"], settings)
    for metric, score in (("auc_logprob", "p_hgg"), ("auc_tally", "gldr")):
        rows.append(summaries.auc_row(entry, scope, metric, patients["grade"], patients[score], settings))
    for metric, score in (("aurc_logprob", "p_hgg"), ("aurc_tally", "gldr")):
        own = (patients["grade"], patients["label"], patients[score])
        rows.append(summaries.aurc_row(entry, scope, metric, own, settings))
    rows += summaries.calibration_rows(entry, scope, patients["grade"], patients["p_hgg"], settings)
    for name, group in patients.groupby("grade"):
        metric = f"gldr_{name.lower()}"
        means = group.rename(columns={"gldr": metric})
        n_undecided = int(means[metric].isna().sum())
        rows += summaries.mean_rows(entry, scope, means, [metric], settings, n_undecided)
    return rows


def _choice_rows(entry: Entry, scope: Scope, answers: pd.DataFrame, settings: Settings) -> list[dict]:
    """How often the answer given is the most likely choice, with an interval over patients; no row without any."""
    known = answers[answers["status"].eq("ok") & answers["likeliest"].notna()]
    if known.empty:
        return []
    same = known["choice"].eq(known["likeliest"]).astype(int).groupby(known["patient"]).agg(["sum", "count"])
    metric, sums = "choice_agreement", same.to_numpy(dtype=float)
    interval = clustered_interval(
        sums,
        lambda drawn: drawn[..., 0] / drawn[..., 1],
        entry.generator(settings.seed, *asdict(scope).values(), metric),
        records.BY_NAME[metric].bounds,
        settings.resamples,
        settings.confidence,
    )
    return [summaries.row(entry, scope, metric, sums[:, 0].sum() / len(known), len(known), 0, interval)]


def score_cnn_classifier(
    predictions: pd.DataFrame, grades: pd.Series, entry: Entry, settings: Settings, threshold: float = 0.5
) -> Scores:
    """Score a classifier's HGG probabilities (patient, p_hgg) of one cohort.

    A patient that several folds' networks saw (test and training patients) has their mean probability. In the pooled
    cohort the probabilities of one fold's network and those of the mean stand side by side, and are ranked together.
    """
    known = predictions[predictions["patient"].isin(grades.index)]
    p_hgg = known.groupby("patient")["p_hgg"].mean().reindex(grades.index)
    label = np.where(p_hgg.isna(), "", np.where(p_hgg >= threshold, "HGG", "LGG"))
    columns = {"patient": grades.index, "slices": "volume", "orientation": "volume", "grade": grades.to_numpy()}
    patients = pd.DataFrame(columns | {"label": label, "p_hgg": p_hgg.array})

    def summarise(entry: Entry, _: pd.DataFrame, patients: pd.DataFrame) -> list[dict]:
        scope = Scope("volume", "volume")
        rows = summaries.classification_rows(entry, scope, patients["grade"], patients["label"], settings)
        rows.append(summaries.auc_row(entry, scope, "auc", patients["grade"], patients["p_hgg"], settings))
        own = (patients["grade"], patients["label"], patients["p_hgg"])
        rows.append(summaries.aurc_row(entry, scope, "aurc", own, settings))
        return rows + summaries.calibration_rows(entry, scope, patients["grade"], patients["p_hgg"], settings)

    return assemble(pd.DataFrame(), patients, entry, None, summarise)


def score_consistency(
    answers: pd.DataFrame,
    grades: pd.Series,
    entry: Entry,
    settings: Settings,
    cohorts: Mapping[str, Collection[str]] | None = None,
) -> Scores:
    """How steady the answers to one slice queried many times are.

    Per slice ("patients" has a row for each): the share of each choice and of unreadable answers among its repeats,
    the share of the most frequent of these four, and their entropy in bits. The summary averages over the slices of a
    grade (`share_hgg_on_lgg`: HGG answers on LGG slices); a single slice's shares have their Wilson interval over
    repeats.
    """
    columns_of_kinds = ("share_lgg", "share_hgg", "share_no_glioma", "share_unreadable")
    rows = []
    for (patient, orientation, index), group in answers.groupby(KEY, sort=False):
        if patient not in grades.index:
            continue
        shares = np.bincount(kinds(group["choice"], group["status"]), minlength=len(columns_of_kinds)) / len(group)
        entropy = -float(np.sum(shares * np.log2(shares, where=shares > 0, out=np.zeros(len(shares))))) + 0.0
        found = dict(zip(columns_of_kinds, shares, strict=True)) | {"modal_share": shares.max(), "entropy": entropy}
        key = {"patient": patient, "orientation": orientation, "slice": index, "grade": grades[patient]}
        rows.append(key | {"repeats": len(group)} | found)
    columns = [*KEY, "grade", "repeats", *columns_of_kinds, "modal_share", "entropy"]
    table = pd.DataFrame(rows, columns=columns)

    def summarise(entry: Entry, _: pd.DataFrame, table: pd.DataFrame) -> list[dict]:
        rows = []
        for (grade, orientation), group in table.groupby(["grade", "orientation"]):
            scope = Scope("all", orientation, "slice")
            for metric in (*columns_of_kinds, "modal_share", "entropy"):
                value, interval = group[metric].mean(), statistics.NO_INTERVAL
                if len(group) == 1 and metric in columns_of_kinds:
                    repeats = int(group["repeats"].iloc[0])
                    interval = statistics.wilson(round(value * repeats), repeats, settings.confidence)
                rows.append(summaries.row(entry, scope, f"{metric}_on_{grade.lower()}", value, len(group), 0, interval))
        return rows

    return assemble(answers[answers["patient"].isin(grades.index)], table, entry, cohorts, summarise)
