"""Examples before a question (few-shot): answered slices of patients who are not asked about.

They are files, so that they can be read: JSONL as conversations are, a reply and its pictures a line. All questions to
a part of the patients have the same ones.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.base.files import atomic_path
from glioma.cohort import crop_files, parts
from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import slices
from glioma.tasks import QueryTask
from glioma.vlm import conversations, pictures
from glioma.vlm.settings import Picture


def choose(folds: pd.DataFrame, part: str, count: int, seed: int) -> list[str]:
    """So many development patients that a part of a run does not ask about, of both grades in turn.

    `folds` has patient, subject, grade, split and fold. `UserError` where there are too few.
    """
    asked = set(parts.rows(folds, part)["subject"])
    others = folds[(folds["split"] == "development") & ~folds["subject"].isin(asked)].drop_duplicates("subject")
    rng = seeds.generator(seed, "examples", part)
    drawn = others.sort_values("patient").iloc[rng.permutation(len(others))]
    rank = drawn.groupby("grade").cumcount()
    found = drawn.assign(rank=rank).sort_values(["rank", "grade"], kind="stable")["patient"].tolist()
    if len(found) < count:
        raise UserError(f"examples: {count}, but part {part} leaves {len(found)} development patients; take fewer")
    return found[:count]


def write(
    path: str | Path, folds: pd.DataFrame, crops: str | Path, task: QueryTask, part: str, settings: Mapping, seed: int
) -> int:
    """Write the examples of a part of a run, with their pictures in `images/` beside the file; return their number.

    `settings`: count, how true answers are written (see `conversations.Conversations`), and picture, frame, side,
    coordinates, orientations. A task that is asked about slices without tumour has such examples, one of three.
    """
    path = Path(path)
    images = path.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    grades = folds.set_index("patient")["grade"]
    how, side = Picture.read(settings["picture"]), settings["coordinates"]["shown"] or settings["side"]
    orientation = settings["orientations"][0] if task.whole_slices else "axial"
    lines = []
    for number, patient in enumerate(choose(folds, part, settings["count"], seed)):
        crop, mask = crop_files.load(crops, patient), crop_files.load_mask(crops, patient)
        tumour = not task.whole_slices or number % 3 < 2
        index = slices.largest(mask, orientation) if tumour else _free(crop, mask, orientation)
        drawn = slices.render_mask(slices.take(mask, orientation, index) > 0, settings["side"])
        name = f"{patient}-{orientation}-{index:03d}"
        row = {"id": name, "patient": patient, "orientation": orientation, "slice": index}
        row["reply"] = task.true_answer(grades[patient] == "HGG", tumour, drawn, settings)
        shown = pictures.show(crop, orientation, index, how, side, settings["frame"])
        lines.append(json.dumps({**row, "images": conversations.save_images(shown, images, name)}) + "\n")
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def _free(crop: np.ndarray, mask: np.ndarray, orientation: str) -> int:
    """The slice with the most brain among those without tumour, the first one on ties."""
    brain = np.where(slices.areas(mask, orientation), 0, slices.areas(crop[SEQUENCES.index("flair")], orientation))
    if not brain.any():
        raise UserError("examples: a patient has tumour on every slice with brain; take other orientations")
    return int(brain.argmax())
