"""The four sequences of a patient, in the order of a crop's channels."""

SEQUENCES = ("flair", "t1", "t1ce", "t2")
SCANS = (*SEQUENCES, "mask")
