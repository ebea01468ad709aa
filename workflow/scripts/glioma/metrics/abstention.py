"""What a method is worth where it may abstain: risk against coverage, the surest patients first.

Coverage is the share of patients that is answered, risk the share of wrong answers among these (El-Yaniv and Wiener,
JMLR 11:1605-1641, 2010).
"""

import numpy as np


def risk(wrong: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Risk at the coverages 1/n, 2/n, ..., 1: arrays (..., n), of which leading axes are kept.

    `wrong` is 1 for a wrong answer, `confidence` how sure the method is of it. Among patients of whom it is equally
    sure any order is as good: there the risk is the mean over all orders.
    """
    wrong, confidence = np.asarray(wrong, dtype=float), np.asarray(confidence, dtype=float)
    order = np.argsort(-confidence, axis=-1, kind="stable")
    wrong, confidence = np.take_along_axis(wrong, order, -1), np.take_along_axis(confidence, order, -1)
    first = np.ones(confidence.shape, dtype=bool)
    first[..., 1:] = confidence[..., 1:] != confidence[..., :-1]
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, wrong.size))
    means = np.add.reduceat(wrong.ravel(), starts) / lengths
    expected = np.repeat(means, lengths).reshape(wrong.shape)
    return expected.cumsum(axis=-1) / np.arange(1, wrong.shape[-1] + 1)


def aurc(wrong: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Area under the risk-coverage curve: the mean of `risk` (Geifman, Uziel and El-Yaniv, ICLR 2019), 0 is best.

    A confidence that says nothing gives the share of wrong answers; NaN without patients.
    """
    found = risk(wrong, confidence)
    return found.mean(axis=-1) if found.shape[-1] else np.full(found.shape[:-1], np.nan)


def confidence(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """How sure a score from 0 (LGG) to 1 (HGG) is of labels "HGG" and "LGG"; of any other label not at all (0)."""
    label, score = np.asarray(label, dtype=object), np.asarray(score, dtype=float)
    return np.select([label == "HGG", label == "LGG"], [score, 1 - score], 0.0)
