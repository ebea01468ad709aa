"""Fine-tuning conversations: one slice, one prompt, one true answer, as JSONL with PNG images beside it.

The files are the published format of the study and load with `datasets`, TRL or Unsloth as they are. What a model
gets to see is the prompt, the image and the answer; patient ids and true boxes stand in columns of their own.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.base.files import atomic_path
from glioma.base.section import Count
from glioma.cohort import crop_files, folds
from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import shapes, slices
from glioma.tasks import QueryTask
from glioma.vlm import pictures, prompts
from glioma.vlm.settings import Conversations, Coordinates, Picture


class Convention(Coordinates):
    """The coordinates of a model, and the side of the picture that it is shown; null: that of the slices."""

    shown: Count | None = None


class Settings(Conversations):
    """What conversations depend on besides the prompt: the keys of an adapter, and what a study says of slices."""

    side: Count = slices.SIDE
    tumour_pixels: Count = 1
    """Tumour pixels from which on a slice counts as one with tumour."""
    frame: Literal["square", "native"] = "square"
    coordinates: Convention = Convention()
    picture: Picture = Picture()
    system: str | None = None
    """The system prompt itself."""


def choose(
    flair: np.ndarray, mask: np.ndarray, task: QueryTask, settings: Mapping, rng: np.random.Generator
) -> list[tuple]:
    """The slices of one patient to use: (orientation, index, has tumour), in order.

    Of tumour-free slices only those with brain in them are candidates: an empty frame teaches nothing.
    """
    chosen = []
    minimum = settings["tumour_pixels"]
    orientations = settings["orientations"] if task.whole_slices else ("axial",)
    for orientation in orientations:
        tumour = slices.select(mask, orientation, "tumour", minimum, settings["every"])
        share = settings["no_glioma_slices"] if task.whole_slices else 0.0
        free = np.setdiff1d(
            slices.tumour_slices(flair, orientation, minimum), slices.tumour_slices(mask, orientation, 1)
        )
        wanted = min(round(len(tumour) * share / (1 - share)), len(free))
        picked = rng.choice(free, wanted, replace=False)
        chosen += [(orientation, int(index), True) for index in tumour]
        chosen += [(orientation, int(index), False) for index in np.sort(picked)]
    limit = settings["limit"]
    if limit and len(chosen) > limit:
        chosen = [chosen[position] for position in np.linspace(0, len(chosen) - 1, limit).round().astype(int)]
    return chosen


def patient_rows(
    patient: str, grade: str, crops: Path, images: Path, task: QueryTask, prompt: str, settings: Mapping, seed: int
) -> list[dict]:
    """Write the slices of one patient as PNG files and return their conversations."""
    crop = crop_files.load(crops, patient)
    flair = crop[SEQUENCES.index("flair")]
    mask = crop_files.load_mask(crops, patient)
    rows = []
    how, side = Picture.read(settings["picture"]), settings["coordinates"]["shown"] or settings["side"]
    for orientation, index, tumour in choose(flair, mask, task, settings, seeds.generator(seed, task.name, patient)):
        drawn = slices.render_mask(slices.take(mask, orientation, index) > 0, settings["side"])
        if tumour and not drawn.any():
            continue  # too small to survive rendering at fewer pixels than the crop has
        name = f"{patient}-{orientation}-{index:03d}"
        shown = pictures.show(crop, orientation, index, how, side, settings["frame"])
        answer = task.true_answer(grade == "HGG", tumour, drawn, settings)
        row = {
            "id": name,
            "patient": patient,
            "orientation": orientation,
            "slice": index,
            "messages": prompts.messages(prompt, answer, settings["image_first"], len(shown), settings["system"]),
            "images": save_images(shown, images, name),
        }
        if not task.whole_slices:
            # In our pixels, whatever coordinates the answer is in.
            row["box"] = shapes.box_from_mask(shapes.parts_to_show(drawn, settings["components"]))
        rows.append(row)
    return rows


def save_images(shown: pictures.Pictures, folder: Path, name: str) -> list[str]:
    """Write the pictures of a slice as PNG files; return their paths."""
    paths = [folder / (f"{name}.png" if len(shown) == 1 else f"{name}-{number}.png") for number in range(len(shown))]
    for image, path in zip(shown, paths, strict=True):
        image.save(path)
    return [str(path) for path in paths]


def check_images(path: str | Path, folder: str | Path) -> None:
    """`UserError` where conversations show images from elsewhere: what a job reads is among its declared inputs."""
    allowed = Path(folder).resolve()
    for row in read(path):
        for image in row["images"]:
            if Path(image).resolve().parent != allowed:
                raise UserError(f"{path}: {row['id']} shows {image}, which is not in {folder}; delete it and run again")


def balance(rows: list[dict], grades: Mapping[str, str], rng: np.random.Generator) -> list[dict]:
    """Repeat rows of the grade with fewer rows until both have as many; a repeat has its own id ("...#1")."""
    by_grade = [[row for row in rows if grades[row["patient"]] == grade] for grade in ("LGG", "HGG")]
    fewer, more = sorted(by_grade, key=len)
    if not fewer:
        return rows
    repeats = []
    for copy in range(1, -(-len(more) // len(fewer))):
        missing = len(more) - len(fewer) - len(repeats)
        picked = fewer if missing >= len(fewer) else [fewer[i] for i in rng.permutation(len(fewer))[:missing]]
        repeats += [{**row, "id": f"{row['id']}#{copy}"} for row in picked]
    return rows + repeats


def write(
    folder: str | Path,
    patients: pd.DataFrame,
    crops: str | Path,
    task: QueryTask,
    prompt: str,
    settings: Mapping,
    seed: int,
    validating: Sequence[int] = (0,),
) -> dict[str, int]:
    """Write the conversations of every patient, sorted into training and validation for each fold that validates.

    `folder` gets `images/`, `test.jsonl` and, for each fold f, `fold{f}/train.jsonl` and `fold{f}/validation.jsonl`;
    returned is the number of rows of each file. A slice is rendered once, whatever the number of folds.

    `patients` has the columns patient, grade, split, fold; `crops` is the folder of the crops. `settings` are those of
    `Settings`. Image paths in the JSONL are relative to the working directory if `folder` is.
    """
    settings = Settings.read(settings).model_dump()
    if not task.whole_slices:
        settings["frame"] = "square"
    folder, crops = Path(folder), Path(crops)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    grades = folds.grades(patients).to_dict()
    rows = {
        patient: patient_rows(patient, grade, crops, images, task, prompt, settings, seed)
        for patient, grade in tqdm(grades.items(), desc=f"{task.name} conversations", unit="patient")
    }
    counts = {}
    for fold in validating:
        members = folds.split(patients, fold)
        train, validation = (
            [row for patient in members[part] for row in rows[patient]] for part in ("train", "validation")
        )
        if not train:
            raise UserError(
                f"{folder}: no slice to train on; lower slices.tumour_pixels, or the adapter's conversations.every"
            )
        rng = seeds.generator(seed, task.name, "train", fold)
        if settings["balance"]:
            train = balance(train, grades, rng)
        train = [train[i] for i in rng.permutation(len(train))]
        counts[f"fold{fold}/train"] = _save(train, folder / f"fold{fold}" / "train.jsonl")
        counts[f"fold{fold}/validation"] = _save(validation, folder / f"fold{fold}" / "validation.jsonl")
    test = [row for patient in folds.grades(patients, "test").index for row in rows[patient]]
    return counts | {"test": _save(test, folder / "test.jsonl")}


def _save(rows: list[dict], path: Path) -> int:
    """Write rows as JSONL; return their number."""
    with atomic_path(path) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return len(rows)


def read(path: str | Path) -> list[dict]:
    """The rows of a conversations file; `UserError` names the line that is none."""
    rows = []
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                prompts.reply_of(row["messages"]), row["images"][0]
            except (json.JSONDecodeError, KeyError, IndexError, TypeError):
                raise UserError(
                    f"{path}, line {number}: not a conversation; delete the file to have it written again"
                ) from None
            rows.append(row)
    return rows
