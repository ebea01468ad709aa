"""The phantom cohort: patients with real anatomy and invented gliomas, laid out exactly as BraTS 2020.

The workflow can be run, timed and tested on it without data, GPU or network. Its results say nothing about patients.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glioma.base import files, seeds

# The roster is read whenever the workflow is planned, and every patient is a process of its own: each imports only what
# it needs.
if TYPE_CHECKING:
    import pandas

    from glioma.demo.phantom.anatomy import Anatomy
    from glioma.demo.phantom.template import Template
    from glioma.demo.phantom.tumour import Tumour

# LPS at 1 mm, as in BraTS 2020: i to the patient's left, j to posterior, k to superior.
AFFINE = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=float)
NAME_COLUMNS = (
    "Grade",
    "BraTS_2017_subject_ID",
    "BraTS_2018_subject_ID",
    "TCGA_TCIA_subject_ID",
    "BraTS_2019_subject_ID",
    "BraTS_2020_subject_ID",
)


def roster(n_hgg: int, n_lgg: int, seed: int) -> pandas.DataFrame:
    """Columns patient, grade; the grades are shuffled, so that unlike BraTS 2020's an id tells none."""
    import pandas

    grades = np.array(["HGG"] * n_hgg + ["LGG"] * n_lgg)
    seeds.generator(seed, "phantom", "roster").shuffle(grades)
    patients = [f"phantom-{number:03d}" for number in range(1, len(grades) + 1)]
    return pandas.DataFrame({"patient": patients, "grade": grades})


def simulate(patient: str, grade: str, seed: int, prepared: Template) -> tuple[Anatomy, Tumour, dict[str, np.ndarray]]:
    """The patient's brain, tumour and four sequences on the working box, with the maps that no scan shows."""
    from glioma.demo.phantom import anatomy, scanner, tumour

    rng = seeds.generator(seed, "phantom", patient)
    plan = tumour.plan(rng, grade, prepared.seeds)
    brain = anatomy.build(rng, plan.start, plan.push, prepared)
    lesion = tumour.grow(rng, plan, brain)
    return brain, lesion, scanner.scan(rng, brain, lesion)


def make_patient(patient: str, grade: str, seed: int, prepared: Template) -> dict[str, np.ndarray]:
    """One patient, the same whatever else is made: flair, t1, t1ce, t2 (int16), seg (uint8; 0, 1, 2, 4), affine (4, 4).

    Arrays have the scan's shape (240, 240, 155).
    """
    from glioma.demo.phantom import anatomy

    _, lesion, scans = simulate(patient, grade, seed, prepared)
    result = {"affine": AFFINE.copy()}
    for kind, values in {**scans, "seg": lesion.labels}.items():
        # The order of a NIfTI file.
        result[kind] = np.zeros(anatomy.SCAN_SHAPE, dtype=values.dtype, order="F")
        result[kind][anatomy.BOX_SLICES] = values
    return result


def write_patient(folder: str | Path, patient: str, grade: str, seed: int, prepared: Template) -> None:
    """Write {patient}_{flair,t1,t1ce,t2,seg}.nii.gz into `folder`, with the headers of BraTS 2020."""
    import nibabel
    from isal import igzip

    volumes = make_patient(patient, grade, seed, prepared)
    for kind in ("flair", "t1", "t1ce", "t2", "seg"):
        image = nibabel.Nifti1Image(volumes[kind].astype(np.int16, copy=False), volumes["affine"])
        image.header.set_xyzt_units("mm", "sec")
        with files.atomic_path(Path(folder) / f"{patient}_{kind}.nii.gz") as temporary:
            # In a third of the time of `nibabel.save`; no time of day, because equal patients have equal files.
            temporary.write_bytes(igzip.compress(image.to_bytes(), mtime=0))


def write_name_mapping(path: str | Path, roster: pandas.DataFrame) -> None:
    """Write the cohort's name_mapping.csv with BraTS 2020's columns; ids of other years are "NA"."""
    import pandas

    table = pandas.DataFrame("NA", index=roster.index, columns=list(NAME_COLUMNS))
    table["Grade"] = roster["grade"]
    table["BraTS_2020_subject_ID"] = roster["patient"]
    files.write_csv(table, path)
