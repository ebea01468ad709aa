"""What the data look like: the first patient of either grade, one in three orientations, and the truth of each task."""

from pathlib import Path

from glioma.base.job import job
from glioma.cohort import folds
from glioma.report.figures import scans

with job(snakemake):
    out, keys = snakemake.output, snakemake.params
    grades = folds.grades(folds.read(snakemake.input.folds))
    folder = Path(snakemake.input.crops)
    chosen = [grades.index[grades == grade][0] for grade in ("HGG", "LGG") if (grades == grade).any()]
    crops = [folder / f"{patient}.npy" for patient in chosen]
    scans.sample_scans(crops, grades.to_dict(), keys.label, out.sample_scans)
    scans.orientations(crops[0], grades[chosen[0]], keys.label, out.orientations)
    scans.shapes_truth(crops, grades.to_dict(), keys.label, out.shapes_truth, side=keys.side)
