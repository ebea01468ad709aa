"""Radiomics: the standard baseline that grades from features of a segmenter's masks instead of from the image."""
