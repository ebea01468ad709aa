"""Small synthetic crops, not square and with a tumour at a different place in each patient, for tests."""

from pathlib import Path

import numpy as np
import pandas as pd

SHAPE = (20, 40, 32)
SIDE = 64
PATIENTS = pd.DataFrame(
    {
        "patient": ["gli-a", "gli-b", "gli-c", "gli-d", "gli-e"],
        "subject": ["gli-a", "gli-b", "gli-c", "gli-d", "gli-e"],
        "grade": ["LGG", "HGG", "HGG", "LGG", "HGG"],
        "split": ["development"] * 4 + ["test"],
        "fold": [1, 1, 2, 0, -1],
    }
)


def write(folder: Path) -> None:
    """An ellipsoid of noisy brain with a bright ball of tumour, one pair of files a patient."""
    grid = np.indices(SHAPE)
    middle = np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    brain = (((grid - middle) / (0.9 * middle)) ** 2).sum(axis=0) < 1
    for number, patient in enumerate(PATIENTS["patient"]):
        rng = np.random.default_rng(number)
        centre = np.array([7 + number, 12 + 3 * number, 22 - 3 * number]).reshape(3, 1, 1, 1)
        tumour = (((grid - centre) / np.array([3, 6, 5]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 1
        image = np.where(brain, rng.integers(60, 120, (4, *SHAPE)), 0).astype(np.uint8)
        image[0][tumour] = 230
        np.save(folder / f"{patient}.npy", image)
        np.save(folder / f"{patient}.mask.npy", (2 * tumour).astype(np.uint8))
