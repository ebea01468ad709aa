"""Answers, predictions and truth -> the three tables of a run: per slice, per patient, and the summary.

`score_...` functions score every patient once and sum them up for each cohort asked for: grades in `grades`, masks in
`masks`, what a model locates in `outlines`, labels of slices in `slice_labels`. The same functions score the answers of
a VLM and of a baseline, and the same metrics the masks of a CNN and the boxes of a VLM, stacked to a volume.
"""
