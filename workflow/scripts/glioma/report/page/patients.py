"""Patients to look at: pictures, masks, and what every method said of each slice, as JSON that a page can hold."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from glioma import tasks
from glioma.base.answers import LABELS
from glioma.base.uris import data_uri
from glioma.cohort import crop_files
from glioma.cohort.sequences import SEQUENCES
from glioma.scoring import tables

COLUMNS = 10
"""Slices side by side in one picture of all slices."""
QUALITY = 72
"""Of WebP: at 80 a patient of four sequences takes a fifth more, and nothing more can be seen."""


def chosen(folds: pd.DataFrame, wrong: Mapping[str, int], most: int) -> list[str]:
    """Whose pictures are embedded: test patients first, those on whom methods disagree or err first, `most` at most."""
    order = folds.assign(wrong=-folds["patient"].map(wrong).fillna(0), development=folds["split"].ne("test"))
    return order.sort_values(["development", "wrong", "patient"])["patient"].head(most).tolist()


def mosaic(volume: np.ndarray) -> np.ndarray:
    """(slice, row, column) as one picture, `COLUMNS` slices in a row."""
    count, height, width = volume.shape
    rows = -(-count // COLUMNS)
    padded = np.zeros((rows * COLUMNS, height, width), volume.dtype)
    padded[:count] = volume
    return padded.reshape(rows, COLUMNS, height, width).swapaxes(1, 2).reshape(rows * height, COLUMNS * width)


def picture(image: np.ndarray) -> str:
    """A grey picture as a data URI of WebP."""
    return data_uri(Image.fromarray(image), "webp", quality=QUALITY, method=4)


def stencil(mask: np.ndarray) -> str:
    """A mask as a data URI of PNG, one bit a pixel."""
    return data_uri(Image.fromarray(mask.astype(np.uint8) * 255).convert("1"), "png", optimize=True)


def scans(
    patient: str, folders: Mapping[str, str | Path], masks: Mapping[str, Sequence[tuple[str, str | Path]]]
) -> dict[str, dict]:
    """Crop set -> pictures of the sequences and of the true mask, and of the CNNs' masks (name, folder) on that set.

    Four sequences of the first set, FLAIR alone of the others.
    """
    found = {}
    for number, (name, folder) in enumerate(folders.items()):
        image, truth = crop_files.load(folder, patient), np.asarray(crop_files.load_mask(folder, patient)) > 0
        shown = SEQUENCES if number == 0 else SEQUENCES[:1]
        predicted = {
            network: np.asarray(crop_files.load_predicted(where, patient)) > 0 for network, where in masks.get(name, ())
        }
        found[name] = {
            "slices": int(image.shape[1]),
            "height": int(image.shape[2]),
            "width": int(image.shape[3]),
            "sequences": {each: picture(mosaic(np.asarray(image[SEQUENCES.index(each)]))) for each in shown},
            "truth": stencil(mosaic(truth)),
            "area": truth.sum((1, 2)).tolist(),
            "masks": {network: stencil(mosaic(mask)) for network, mask in predicted.items()},
            "areas": {network: mask.sum((1, 2)).tolist() for network, mask in predicted.items()},
        }
    return found


def raw_texts(paths: Iterable[str | Path], patients: set[str]) -> dict[tuple[str, int, int], str]:
    """(patient, slice, repeat) -> raw text of axial slices."""
    texts = {}
    for path in paths:
        with Path(path).open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row["patient"] in patients and row["orientation"] == "axial":
                    texts[row["patient"], row["slice"], row["repeat"]] = row["text"]
    return texts


def answers(
    slices: pd.DataFrame, task: str, responses: Iterable[str | Path], patients: set[str]
) -> dict[str, list[dict[str, Any]]]:
    """Patient -> what a run answered about its axial slices: slice, status, raw text, points or label, Dice."""
    texts = raw_texts(responses, patients)
    own = slices[slices["orientation"].eq("axial") & slices["patient"].isin(patients)]
    own = own.drop_duplicates(["patient", "slice"])
    output = tasks.get(task).output
    found: dict[str, list[dict[str, Any]]] = {}
    for row in own.to_dict("records"):
        points = tasks.points_from_text(row.get("points"))
        entry = {
            "slice": int(row["slice"]),
            "status": row["status"],
            "text": texts.get((row["patient"], row["slice"], row["repeat"]), ""),
        }
        if points is not None:
            entry["points"] = points.tolist()
        if not pd.isna(row.get("choice")):
            entry["label"] = LABELS[int(row["choice"])] if output == "grade" else ("no", "yes")[int(row["choice"])]
        if not pd.isna(row.get("agreement", float("nan"))):
            entry["agreement"] = round(float(row["agreement"]), 2)
        if not pd.isna(row.get("dice", float("nan"))):
            entry["dice"] = round(float(row["dice"]), 2)
        found.setdefault(row["patient"], []).append(entry)
    return found


def decisions(paths: Mapping[str, str | Path]) -> dict[str, dict[str, list]]:
    """Method -> patient -> [grade it decided for, p(HGG)], of pooled patients or else of test patients."""
    found = {}
    for name, path in paths.items():
        table = tables.read_patients(path)
        for cohort in ("pooled", "test"):
            own = table[table["cohort"].eq(cohort) & table["orientation"].isin(["volume", "axial"])]
            own = own[own["slices"].isin(["volume", "all"])] if own["slices"].isin(["volume", "all"]).any() else own
            if not own.empty:
                own = own.drop_duplicates("patient")
                labels = own["label"].replace("", "undecided")
                chance = own["p_hgg"].round(3).astype(object).where(own["p_hgg"].notna(), None)
                found[name] = {who: list(pair) for who, *pair in zip(own["patient"], labels, chance, strict=True)}
                break
    return found


def overlaps(paths: Mapping[str, str | Path]) -> dict[str, dict[str, float]]:
    """Method -> patient -> Dice of the whole volume, of pooled patients or else of test patients."""
    found = {}
    for name, path in paths.items():
        table = tables.read_patients(path)
        own = table[table["slices"].isin(["volume", "tumour volume"]) & table["cohort"].isin(["pooled", "test"])]
        own = own.sort_values("cohort").drop_duplicates("patient")
        found[name] = {who: round(float(dice), 3) for who, dice in zip(own["patient"], own["dice"], strict=True)}
    return found
