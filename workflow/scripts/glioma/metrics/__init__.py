"""The scores of the study, each a function of arrays: classification, calibration, segmentation, centre."""
