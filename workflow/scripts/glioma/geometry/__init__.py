"""Slices, shapes and coordinates: arrays in, arrays out."""
