"""A cohort of bright blobs in noise: tiny crops on disk that a network can learn in seconds."""

from pathlib import Path

import numpy as np
import pandas as pd

from glioma.base import seeds
from glioma.cohort.sequences import SEQUENCES

SHAPE = (13, 16, 18)


def write(folder: Path, n_hgg: int, n_lgg: int, folds: int = 3, test: int = 0) -> pd.DataFrame:
    """Write crops and masks; return the folds table.

    The tumour is bright on FLAIR in both grades, and on T1ce in HGG only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, grade in enumerate(["HGG"] * n_hgg + ["LGG"] * n_lgg):
        patient = f"p{number:02d}"
        random = seeds.generator(7, patient)
        image = random.integers(20, 100, (4, *SHAPE), dtype=np.uint8)
        centre = random.uniform(4, [9, 12, 14])
        distance = np.linalg.norm(np.indices(SHAPE) - centre[:, None, None, None], axis=0)
        tumour = distance < random.uniform(3, 4.5)
        image[SEQUENCES.index("flair")][tumour] += 110
        if grade == "HGG":
            image[SEQUENCES.index("t1ce")][tumour] += 110
        np.save(folder / f"{patient}.npy", image)
        np.save(folder / f"{patient}.mask.npy", np.where(tumour, 2, 0).astype(np.uint8))
        rows.append({"patient": patient, "subject": patient, "grade": grade, "split": "development", "fold": 0})
    table = pd.DataFrame(rows)
    for _, group in table.groupby("grade"):
        table.loc[group.index, "fold"] = np.arange(len(group)) % folds
        table.loc[group.index[: test // 2], ["split", "fold"]] = ["test", -1]
    return table
