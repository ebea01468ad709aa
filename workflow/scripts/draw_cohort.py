"""What the data look like: the first patient of either grade, and one in three orientations."""

from pathlib import Path

from glioma import folds
from glioma.figures import scans
from glioma.job import job

with job(snakemake):
    grades = folds.grades(folds.read(snakemake.input.folds))
    folder = Path(snakemake.input.crops).parent
    chosen = [grades.index[grades == grade][0] for grade in ("HGG", "LGG")]
    crops = [folder / f"{patient}.npy" for patient in chosen]
    scans.sample_scans(crops, grades.to_dict(), snakemake.params.label, snakemake.output.sample_scans)
    scans.orientations(crops[0], grades[chosen[0]], snakemake.params.label, snakemake.output.orientations)
