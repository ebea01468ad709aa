"""Promptable segmenters of SAM's family (Kirillov et al. 2023): a box on a slice becomes a mask."""
