"""From slices to a patient: the majority vote, with every rule the published account leaves open declared."""

import numpy as np
import pandas as pd

from glioma.scoring.settings import Votes
from glioma.tasks import LABELS, UNREADABLE, kinds


def vote(answers: pd.DataFrame, policy: Votes | None = None, grades: pd.Series | None = None) -> pd.DataFrame:
    """One row per patient from one row per slice.

    `answers` has columns patient, status, choice and p_hgg (NaN where unknown); a slice counts as readable when its
    status is "ok". `grades` (patient -> "LGG"/"HGG") says which patients there are, those without slices included;
    `unparsed: wrong` cannot do without it.

    Returns, indexed by patient: n_slices, n_lgg, n_hgg, n_no_glioma, n_unparsed, gldr, p_hgg (mean over slices) and
    label ("LGG", "HGG", "no glioma", or "" for undecided).
    """
    policy = policy or Votes()
    if policy.unparsed == "wrong" and grades is None:
        raise ValueError("votes.unparsed: wrong needs the patients' grades")
    patients = pd.Index(answers["patient"].unique() if grades is None else grades.index, name="patient")
    counts = pd.crosstab(answers["patient"], kinds(answers["choice"], answers["status"]))
    counts = counts.reindex(index=patients, columns=range(UNREADABLE + 1), fill_value=0).to_numpy()
    lgg, hgg, none, unparsed = counts.T
    p_hgg = answers.groupby("patient")["p_hgg"].mean().reindex(patients).astype(float)
    denominator = {"graded": lgg + hgg, "readable": lgg + hgg + none, "all": counts.sum(axis=1)}[
        policy.gldr_denominator
    ]
    return pd.DataFrame(
        {
            "n_slices": counts.sum(axis=1),
            "n_lgg": lgg,
            "n_hgg": hgg,
            "n_no_glioma": none,
            "n_unparsed": unparsed,
            "gldr": np.divide(hgg, denominator, out=np.full(len(patients), np.nan), where=denominator > 0),
            "p_hgg": p_hgg.to_numpy(),
            "label": _winners(counts, p_hgg.to_numpy(), policy, None if grades is None else grades.to_numpy()),
        },
        index=patients,
    )


def _winners(counts: np.ndarray, p_hgg: np.ndarray, policy: Votes, grades: np.ndarray | None) -> np.ndarray:
    """Labels (P,) from counts (P, 4) of LGG, HGG, no glioma and unparsed slices, or from probabilities of HGG (P,)."""
    if policy.ballot == "probability":
        return np.select([p_hgg > 0.5, p_hgg < 0.5], ["HGG", "LGG"], "").astype(object)
    ballots = counts.copy()
    if policy.no_glioma == "exclude":
        ballots[:, 2] = 0
    if policy.unparsed == "wrong":
        against = np.where(grades == "HGG", 0, 1)
        ballots[np.arange(len(ballots)), against] += ballots[:, 3]
    if policy.unparsed != "counts":
        ballots[:, 3] = 0
    leads = (ballots == ballots.max(axis=1, keepdims=True)) & (ballots.max(axis=1, keepdims=True) > 0)
    tied = leads.sum(axis=1) > 1
    deciding = LABELS if policy.no_glioma == "counts" else LABELS[:2]
    labels = np.full(len(ballots), "", dtype=object)
    for kind, label in enumerate(deciding):
        labels[~tied & leads[:, kind]] = label
    if policy.tie == "hgg":
        labels[tied & leads[:, 1]] = "HGG"
    elif policy.tie == "lgg":
        labels[tied & leads[:, 0]] = "LGG"
    elif policy.tie == "probability":
        labels[tied & (p_hgg > 0.5)] = "HGG"
        labels[tied & (p_hgg < 0.5)] = "LGG"
    return labels
