"""The baselines of every task, scored as the models are: what any reader must beat, and what no box can."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from glioma import baselines, crops, folds, scoring, truth
from glioma.summaries import Entry, Settings

FLAIR = crops.SEQUENCES.index("flair")
CEILING = "true mask (ceiling)"


def score(table: pd.DataFrame, folder: str | Path, settings: Settings, tumour_pixels: int) -> scoring.Scores:
    """Scores of all baselines on the test patients, set up on the development patients alone.

    `table` is the folds table, `folder` that of the crops. `CEILING` is the true mask's own centre, box or polygon.
    """
    development = folds.grades(table, "development").index
    grades = folds.grades(table, "test")
    masks, spacings = truth.masks(folder, grades.index), truth.spacings(folder, grades.index)
    training = truth.masks(folder, development)
    pairs = ((_flair(folder, patient), mask) for patient, mask in tqdm(training.items(), desc="FLAIR thresholds"))
    deviations = baselines.choose_deviations(pairs)
    print(f"FLAIR threshold: mean + {deviations} SD, the best on {len(development)} development patients")
    bright = {patient: baselines.flair_threshold(_flair(folder, patient), deviations) for patient in grades.index}

    everything = baselines.asked_slices(masks, "axial", "all", tumour_pixels)
    shown = scoring.slice_truth(masks, ["axial"], tumour_pixels)
    entry = _entry("classification", "always HGG")
    parts = [scoring.score_classification(baselines.always_hgg(everything), shown, grades, entry, settings)]
    parts.append(
        scoring.score_cnn_segmenter(
            bright.items(), masks, _entry("segmentation", "FLAIR threshold"), settings, spacings, tumour_pixels
        )
    )
    asked = baselines.asked_slices(masks, "axial", "tumour", tumour_pixels)
    box = baselines.mean_training_box(training.values(), "axial", settings.side, tumour_pixels)
    drawn = {"FLAIR threshold": bright, CEILING: {patient: mask > 0 for patient, mask in masks.items()}}
    for task in scoring.SHAPE_TASKS:
        answers = {"mean training box": baselines.constant_box(asked, task, box)}
        if task == "center_point":
            answers["image centre"] = baselines.image_centre(asked, settings.side)
        else:
            answers["whole frame"] = baselines.whole_frame(asked, task, settings.side)
        answers |= {
            name: baselines.answers_from_masks(asked, task, found, settings.side) for name, found in drawn.items()
        }
        rate = partial(scoring.score_shapes, task, masks=masks, settings=settings, spacings=spacings)
        parts += [
            rate(answers=found, entry=_entry(task, name), tumour_pixels=tumour_pixels)
            for name, found in answers.items()
        ]
    return scoring.merge(list(_named(parts)))


def _entry(task: str, name: str) -> Entry:
    return Entry(task, name, "baseline", "baselines", "test")


def _flair(folder: str | Path, patient: str):
    return crops.load(folder, patient)[FLAIR]


def _named(parts: list[scoring.Scores]) -> Iterator[scoring.Scores]:
    """The parts, each patients table with the task and the baseline's name before its columns."""
    for part in parts:
        first = part.summary.iloc[0]
        patients = part.patients.copy()
        patients.insert(0, "task", first["task"])
        patients.insert(1, "model", first["model"])
        yield part._replace(patients=patients)
