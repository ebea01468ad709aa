"""Small tables and crops in the workflow's formats, for the tests of figures and report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from glioma import tasks
from glioma.geometry.slices import render_mask
from glioma.metrics import classification, records, segmentation
from glioma.metrics.regions import Region
from glioma.scoring import placement

SHAPE = (24, 32, 32)
GRADES = {f"P{number:02d}": "HGG" if number % 3 else "LGG" for number in range(12)}


def write_crops(folder: Path, shape: tuple[int, int, int] = SHAPE, patients=tuple(GRADES)) -> Path:
    """A head-like ellipsoid with a bright three-label blob per patient; blobs grow with the patient's number."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij"))
    for number, patient in enumerate(patients):
        rng = np.random.default_rng(number)
        brain = (grid**2 / np.array([0.8, 0.8, 0.6]).reshape(3, 1, 1, 1)).sum(axis=0) < 1
        centre = rng.uniform(-0.25, 0.25, 3).reshape(3, 1, 1, 1)
        distance = np.sqrt(((grid - centre) ** 2).sum(axis=0)) / (0.2 + 0.015 * number)
        mask = np.select([distance < 0.4, distance < 0.6, distance < 1], [1, 3, 2], 0).astype(np.uint8) * brain
        image = np.stack([np.clip(rng.normal(90 + 15 * i, 8, shape), 1, 255) * brain for i in range(4)])
        image[:, mask > 0] = np.array([200, 70, 160, 210])[:, None]
        np.save(folder / f"{patient}.npy", image.astype(np.uint8))
        np.save(folder / f"{patient}.mask.npy", mask)
        (folder / f"{patient}.json").write_text(json.dumps({"patient": patient, "spacing": [2.0, 1.5, 1.5]}))
    return folder


def write_history(folder: Path, metric: str, epochs: int = 30, kept: int = 17, rates=(1e-4, 1e-3)) -> Path:
    """history.csv of a sweep whose last rate was kept."""
    folder.mkdir(parents=True, exist_ok=True)
    epoch = np.arange(epochs)
    rng = np.random.default_rng(list(folder.name.encode()))
    parts = [
        pd.DataFrame(
            {
                "learning_rate": rate,
                "epoch": epoch,
                "train_loss": 0.7 * np.exp(-epoch / 12) + rng.normal(0, 0.01, epochs) + 0.05,
                "validation_loss": 0.4 * np.exp(-epoch / 8) + 0.3 + 0.004 * epoch + rng.normal(0, 0.02, epochs),
                metric: np.clip(0.85 - 0.4 * np.exp(-epoch / 6) + rng.normal(0, 0.02, epochs), 0, 1),
                "seconds": 1.0,
            }
        )
        for rate in rates
    ]
    table = pd.concat(parts)
    table["kept"] = table["learning_rate"].eq(rates[-1]) & table["epoch"].eq(kept)
    table.to_csv(folder / "history.csv", index=False)
    return folder / "history.csv"


def facts(task: str, name: str, family: str, run: str = "") -> dict[str, str]:
    """Whose rows they are: a VLM's `name` is its model and "general" or "finetuned", that of others their run."""
    if family != "vlm":
        return {"task": task, "family": family, "run": name, "model": "", "adapter": ""}
    model, _, kind = name.rpartition(" ")
    adapter = "an-adapter" if kind == "finetuned" else ""
    return {"task": task, "family": family, "run": run, "model": model, "adapter": adapter}


def summary_row(task, model, family, run, metric, value, half, slices="volume", orientation="volume", **more) -> dict:
    low, high = (max(value - half, 0), min(value + half, 1)) if np.isfinite(half) else (np.nan, np.nan)
    return {
        **facts(task, model, family, run), "cohort": "test", "crops": "brain", "slices": slices,
        "orientation": orientation, "unit": "patient", "metric": metric, "value": value, "low": low, "high": high,
        "n": 10, "n_undecided": 0,
    } | more  # fmt: skip


def write_summary(path: Path) -> Path:
    """A summary.csv with every group and task; one VLM run has two undecided patients, one metric is undefined."""
    rng = np.random.default_rng(0)
    table = []
    graders = [
        ("paper-classifier", "cnn", "paper-classifier", "volume", "volume"),
        ("densenet121", "cnn", "densenet121", "volume", "volume"),
        *(
            (f"tiny-mllama {kind}", "vlm", f"classify-{kind}-{o}", s, o)
            for kind in ("general", "finetuned")
            for o in ("axial", "coronal", "sagittal")
            for s in ("all", "tumour")
        ),
        ("always HGG", "baseline", "", "all", "axial"),
        ("enhancing brightness", "baseline", "", "volume", "volume"),
    ]
    for model, family, run, slices, orientation in graders:
        undecided = 2 if run == "classify-general-sagittal" else 0
        for metric in classification.METRICS:
            value = np.nan if (model, metric) == ("always HGG", "mcc") else float(rng.uniform(0.4, 0.9))
            for suffix, n in (("", 10 - undecided), ("_all", 10)):
                table.append(
                    summary_row(
                        "classification",
                        model,
                        family,
                        run,
                        metric + suffix,
                        value - 0.05 * undecided * bool(suffix),
                        0.13,
                        slices,
                        orientation,
                        n=n,
                        n_undecided=undecided,
                    )  # fmt: skip
                )
    locators = [("segmentation", model, "cnn", model, "volume") for model in ("paper-segmenter", "monai-unet")]
    locators += [("segmentation", "FLAIR threshold", "baseline", "", "volume")]
    for task in ("bounding_box", "polygon"):
        locators += [
            (task, f"tiny-mllama {kind}", "vlm", f"{task}-{kind}", "tumour volume") for kind in ("general", "finetuned")
        ]
        locators += [(task, name, "baseline", "", "tumour volume") for name in ("whole frame", "mean training box")]
    for task, model, family, run, slices in locators:
        orientation = "volume" if slices == "volume" else "axial"
        for metric in records.names("region", published=True):
            scale = 60 if metric == "hd95" else 1
            value = float(rng.uniform(0.2, 0.8)) * scale
            row = summary_row(task, model, family, run, metric, value, 0.1, slices, orientation)
            table.append(row | {"low": value - 0.1 * scale, "high": value + 0.1 * scale})
    for kind in ("general", "finetuned"):
        for metric, value in (
            ("fraction_in_box", 0.4),
            ("p95_distance_to_box", 12.25),
            ("p95_euclidean_distance", 31.0),
        ):
            row = summary_row(
                "center_point", f"tiny-mllama {kind}", "vlm", f"point-{kind}", metric, value, 0.1, "tumour", "axial"
            )
            table.append(row | {"low": value * 0.8, "high": value * 1.2})
    pd.DataFrame(table).to_csv(path, index=False)
    return path


def write_grader(folder: Path, model: str, family: str, cohorts=("test",), places=(("all", "axial"),), **more) -> Path:
    """patients.csv of a method that grades `GRADES` (the first four are the test patients), with probabilities."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(folder.name.encode()))
    rows = []
    for cohort in cohorts:
        for slices, orientation in places:
            for patient in list(GRADES)[: 4 if cohort == "test" else None]:
                p_hgg = float(np.clip(rng.normal(0.7 if GRADES[patient] == "HGG" else 0.4, 0.2), 0, 1))
                label = "" if rng.random() < 0.1 else "HGG" if p_hgg > 0.5 else "LGG"
                rows.append(
                    {"cohort": cohort, "patient": patient, "slices": slices, "orientation": orientation,
                     "grade": GRADES[patient], "label": label, "p_hgg": p_hgg, "gldr": p_hgg}
                )  # fmt: skip
    table = pd.DataFrame(rows)
    if family == "cnn":
        table = table.drop(columns="gldr").assign(slices="volume", orientation="volume")
    return write_patients(folder, table, **facts("classification", model, family, folder.name) | more)


def write_patients(folder: Path, table: pd.DataFrame, **columns: str) -> Path:
    """A patients.csv with the facts that say whose it is."""
    folder.mkdir(parents=True, exist_ok=True)
    table.assign(**{"crops": "brain"} | columns).to_csv(folder / "patients.csv", index=False)
    return folder / "patients.csv"


def write_locator(folder: Path, task: str, model: str, family: str, cohorts=("test",), **more) -> Path:
    """patients.csv of a method that draws or points, for `GRADES`; one patient's scores are undefined."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(folder.name.encode()))
    if task == "center_point":
        places, names = [("tumour", "axial")], ("fraction_in_box", "p95_distance_to_box", "p95_euclidean_distance")
    else:
        names = records.names("region", published=True)
        places = [("tumour", "axial"), ("tumour volume", "axial")] + [("volume", "volume")] * (task == "segmentation")
    rows = []
    for cohort in cohorts:
        for slices, orientation in places:
            for patient in list(GRADES)[: 4 if cohort == "test" else None]:
                scores = {name: rng.random() * (60 if name.startswith(("hd95", "p95")) else 1) for name in names}
                if patient == "P02":
                    scores = dict.fromkeys(names, np.nan)
                rows.append(
                    {"cohort": cohort, "patient": patient, "slices": slices, "orientation": orientation} | scores
                )
    return write_patients(folder, pd.DataFrame(rows), **facts(task, model, family, folder.name) | more)


def write_slices(path: Path, task: str, crops: Path, seed: int, side: int = 32) -> Path:
    """slices.csv of a run: shifted true shapes as answers on all tumour slices, scored; each fifth unreadable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows = []
    for patient in GRADES:
        mask = np.load(crops / f"{patient}.mask.npy") > 0
        for index in np.flatnonzero(mask.any(axis=(1, 2))):
            truth = render_mask(mask[index], side)
            moved = np.roll(truth, rng.integers(-5, 6, 2), axis=(0, 1))
            points = tasks.get(task).of_mask(moved)
            ok = rng.random() > 0.2
            area = float("nan") if task == "center_point" else float(np.count_nonzero(moved))
            distance = float(np.linalg.norm(points.mean(axis=0) - tasks.get(task).of_mask(truth).mean(axis=0)))
            rows.append(
                {"cohort": "test", "patient": patient, "orientation": "axial", "slice": index, "repeat": 0,
                 "status": "ok" if ok else "malformed", "points": tasks.points_to_text(points) if ok else None,
                 "tumour_pixels": int(mask[index].sum()), "tumour": True,
                 "dice": segmentation.overlap(moved, truth)["dice"] if ok else 0.0, "euclidean_distance": distance}
                | placement.of_slice(points if ok else None, area, Region(truth))
            )  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)
    return path
