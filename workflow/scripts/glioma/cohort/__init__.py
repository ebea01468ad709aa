"""From a folder of scans to the patients, their crops and their folds."""
