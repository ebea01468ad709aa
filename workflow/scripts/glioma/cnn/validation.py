"""What validation says of a network: one number a sample, and from these the metric of its kind."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from glioma.metrics import classification

METRICS = {"classification": "validation_auc", "segmentation": "validation_dice", "slices": "validation_auc"}
THRESHOLD = 0.5
"""Of the validation Dice. A recipe's own threshold is for predictions alone, so that changing it trains nothing."""


def scores(kind: str, logits: Tensor, targets: Tensor) -> list[float]:
    """Of each sample of a batch: how sure it is HGG (any increasing scale), or the Dice of its mask."""
    if kind == "segmentation":
        return dice(logits.sigmoid() > THRESHOLD, targets > 0.5)
    if kind == "slices":
        return p_hgg(logits.double().softmax(1)).tolist()
    return logits[:, 0].tolist()


def metric(kind: str, values: Sequence[float], patients: Sequence[str], positive: dict[str, bool]) -> float:
    """Mean Dice, or the AUC of patients by the mean of their samples.

    values: of each sample, as `scores`. patients: of each sample. positive: patient -> whether HGG.
    """
    if kind == "segmentation":
        return float(np.mean(values))
    means = pd.Series(values, dtype=float).groupby(list(patients)).mean()
    found, hgg = means.to_numpy(), np.array([positive[patient] for patient in means.index], bool)
    return float(classification.auc(found[hgg], found[~hgg]))


def p_hgg(probabilities: Tensor) -> Tensor:
    """(N,) p(HGG) / (p(LGG) + p(HGG)) from (N, 3) probabilities of the answers, as of a VLM's."""
    return probabilities[:, 1] / probabilities[:, :2].sum(1)


def dice(predicted: Tensor, truth: Tensor) -> list[float]:
    """Dice of each sample of two boolean batches; 1 if both are empty."""
    predicted, truth = predicted.flatten(1), truth.flatten(1)
    total = predicted.sum(1) + truth.sum(1)
    overlap = 2 * (predicted & truth).sum(1)
    return torch.where(total > 0, overlap / total.clamp(min=1), 1.0).tolist()
