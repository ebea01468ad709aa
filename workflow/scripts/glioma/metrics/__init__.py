"""The scores of the study, each a function of arrays: classification, segmentation, centre."""
