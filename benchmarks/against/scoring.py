"""Scores of masks: this workflow, MedPy and MONAI."""

import numpy as np
import pandas as pd
import torch
from medpy.metric.binary import hd95 as medpy_hd95
from monai.metrics import compute_hausdorff_distance
from scipy import ndimage

from against.pairs import Pair, compare
from glioma import tasks
from glioma.metrics import segmentation
from glioma.scoring import baselines
from glioma.scoring.outlines import score_located
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry

SHAPE = (95, 128, 128)


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A tumour-like mask of some 7,000 voxels, and an imperfect copy of it."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"))
    centre = rng.uniform(40, 55, (3, 1, 1, 1))
    noise = ndimage.gaussian_filter(rng.standard_normal((2, *SHAPE)), (0, 4, 4, 4)) * 40
    distance = np.sqrt(((grid - centre) ** 2).sum(axis=0))
    return distance + noise[0] < 12, distance + 0.7 * noise[0] + 0.5 * noise[1] < 12


def equal(ours: list[float], theirs: list[float]) -> str:
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    return "HD95, to 1e-6"


def pairs(_: object, rounds: int) -> list[Pair]:
    masks = [blobs(seed) for seed in range(3)]

    def pooled() -> list[float]:
        return [segmentation.hd95(one, other) for one, other in masks]

    def largest() -> list[float]:
        return [segmentation.boundary(one, other, convention="max")["hd95"] for one, other in masks]

    def medpys() -> list[float]:
        return [float(medpy_hd95(one, other)) for one, other in masks]

    def monais() -> list[float]:
        both = [[torch.from_numpy(mask[None, None]) for mask in pair] for pair in masks]
        return [compute_hausdorff_distance(*pair, include_background=True, percentile=95).item() for pair in both]

    truth = {"a": masks[0][0].astype(np.uint8)}
    requested = baselines.asked_slices(truth)
    task = tasks.get("bounding_box")
    answers = baselines.answers_from_masks(requested, task, {"a": masks[0][1]})
    entry = Entry(task.name, run="box", family="baseline", cohort="test", crops="tumour")

    def scored(backend: str) -> pd.DataFrame:
        settings = Settings.from_config({"backend": backend, "hd95_unit": "px"}, {})
        return score_located(task, answers, truth, entry, settings).patients

    def tables(ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)
        return "every score of slices and volume"

    volumes = f"{len(masks)} pairs of masks of {' x '.join(map(str, SHAPE))}"
    slices = f"boxes on {len(requested)} slices of a patient, and stacked"
    return [
        compare("HD95", volumes, pooled, "MedPy", medpys, equal, rounds),
        compare("HD95, the larger direction", volumes, largest, "MONAI", monais, equal, rounds),
        compare(
            "scores of a patient", slices, lambda: scored("own"), "the same by MedPy", lambda: scored("medpy"), tables,
            min(rounds, 3),
        ),
    ]  # fmt: skip
