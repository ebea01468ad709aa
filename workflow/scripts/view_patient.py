"""A page with one patient in three dimensions: sequences, the truth, and what networks and runs located."""

from pathlib import Path

import numpy as np
import pandas as pd

from glioma.base.job import job
from glioma.cohort import crop_files, folds
from glioma.cohort.sequences import SEQUENCES
from glioma.report import view3d

with job(snakemake):
    given, params, patient = snakemake.input, snakemake.params, snakemake.wildcards.patient
    grades = folds.grades(folds.read(given.folds))
    scans = dict(zip(SEQUENCES, np.asarray(crop_files.load(given.crops, patient)), strict=True))
    masks = {"truth": np.asarray(crop_files.load_mask(given.crops, patient)) > 0}
    for folder in given.masks:
        masks[Path(folder).parent.name] = np.asarray(crop_files.load_predicted(folder, patient))
    for (run, task), path in zip(params.runs.items(), given.slices, strict=True):
        answers = pd.read_csv(path, dtype={"patient": str})
        own = answers[answers["patient"].eq(patient)]
        masks[run] = view3d.stacked(own, task, masks["truth"].shape, params.side)
    banner = "Phantom patient: it says nothing about real ones." if params.phantom else f"{params.label}."
    view3d.write(
        snakemake.output[0],
        given.niivue,
        f"{patient} ({grades[patient]})",
        scans,
        {name: mask for name, mask in masks.items() if mask.any()},
        crop_files.load_geometry(given.crops, patient),
        banner,
    )
