"""Answers, predictions and truth -> the three tables of a run: per slice, per patient, and the summary.

`score_...` functions score every patient once and sum them up for each cohort asked for. The same functions score a
VLM's answers and a baseline's, and the same metrics a CNN's masks and a VLM's boxes stacked to a volume.
"""

from glioma.scoring.grades import score_classification, score_cnn_classifier, score_consistency
from glioma.scoring.masks import score_cnn_segmenter
from glioma.scoring.outlines import VOLUMES, score_located
from glioma.scoring.slice_labels import score_labels
from glioma.scoring.tables import KEY, Scores, members, merge, slice_truth

__all__ = [
    "KEY",
    "VOLUMES",
    "Scores",
    "members",
    "merge",
    "score_classification",
    "score_cnn_classifier",
    "score_cnn_segmenter",
    "score_consistency",
    "score_labels",
    "score_located",
    "slice_truth",
]
