"""Metrics: a record of each (`records`), and functions of arrays by kind: classification, calibration, segmentation,
centre."""
