"""A page of a made-up study: what a browser opens, with texts that would be markup if anything let them."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from glioma.report import html
from glioma.report.page import answer, build, follows, patients

HOSTILE = "</script><img src=x onerror=alert(1)>&amp;\u2028"
SHAPE = (12, 32, 32)
NAMES = [f"p{number:02d}" for number in range(6)]
GRADES = ["HGG", "LGG"] * 3
METHODS = ("net", "vlm-tuned", "unet", "box-tuned")


def summary() -> pd.DataFrame:
    """Scores as scores/summary.csv has them: two networks, two runs and two baselines."""
    methods = {
        "net": ("cnn", "", "classification", "balanced_accuracy_all", 0.8),
        "vlm-tuned": ("vlm", "a", "classification", "balanced_accuracy_all", 0.6),
        "vlm-plain": ("vlm", "", "classification", "balanced_accuracy_all", 0.5),
        "always HGG": ("baseline", "", "classification", "balanced_accuracy_all", 0.5),
        "unet": ("cnn", "", "segmentation", "dice", 0.7),
        "box-tuned": ("vlm", "a", "bounding_box", "dice", 0.3),
        "whole frame": ("baseline", "", "bounding_box", "dice", 0.1),
    }
    rows = [
        {"run": run, "family": family, "adapter": adapter, "task": task, "metric": metric, "value": value}
        for run, (family, adapter, task, metric, value) in methods.items()
    ]
    placed = dict(zip(follows.METRICS, (7, 0.5, 1.0, 8.0, 0.1, 0.8, 0.79), strict=True))
    rows += [
        {"run": "box-tuned", "family": "vlm", "adapter": "a", "task": "bounding_box", "metric": metric, "value": value}
        for metric, value in placed.items()
    ]
    facts = {"model": "m", "cohort": "pooled", "crops": "brain", "slices": "volume", "orientation": "axial"}
    table = pd.DataFrame(rows).assign(**facts, unit="patient", n=40, n_undecided=0)
    return table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1)


def comparisons() -> pd.DataFrame:
    rows = [
        ("classification", "net", "vlm-tuned", 0.2, 0.05, 0.35),
        ("segmentation", "unet", "box-tuned", 0.4, 0.3, 0.5),
    ]
    names = ("task", "first", "second", "effect", "effect_low", "effect_high")
    facts = {"role": "primary", "cohort": "pooled", "effect_name": "difference", "p_holm": 0.01, "n": 40, "test": "t"}
    return pd.DataFrame(rows, columns=names).assign(**facts)


PAIRS = [["net", "vlm-tuned"], ["unet", "box-tuned"]]
MARGINS = {"grade": 0.1, "region": 0.05}


def write(folder: Path, files: bool = False) -> Path:
    """The page, in `folder`, from files as the workflow's rules write them; with `files` the last two patients beside
    it, of whom the last one's file is lost."""
    rng = np.random.default_rng(0)
    (folder / "masks").mkdir()
    for number, name in enumerate(NAMES):
        image = rng.integers(1, 255, (4, *SHAPE)).astype(np.uint8)
        mask = np.zeros(SHAPE, np.uint8)
        mask[3 : 6 + number, 8:20, 8:20] = 1
        np.save(folder / f"{name}.npy", image)
        np.save(folder / f"{name}.mask.npy", mask)
        np.save(folder / "masks" / f"{name}.npy", np.roll(mask, 2, 1) > 0)
    asked = pd.DataFrame([(name, index) for name in NAMES for index in range(0, 12, 3)], columns=["patient", "slice"])
    asked = asked.assign(orientation="axial", repeat=0, status="ok", dice=0.5)
    texts = [{**row, "text": f"{HOSTILE} {row['slice']}"} for row in asked.to_dict("records")]
    pd.DataFrame(texts).to_json(folder / "r.jsonl", orient="records", lines=True)
    boxed = asked.assign(points="[[10, 10], [10, 60], [60, 60], [60, 10]]", choice=float("nan"))
    labelled = asked.assign(points=None, choice=[index % 3 for index in range(len(asked))])
    truth = dict(zip(NAMES, GRADES, strict=True))
    html.write(
        folder / "t.html",
        "Scores",
        "cohort",
        [html.Table("Rows", ["a", "b"], [[html.Cell("x", run="box-tuned"), "1"], [HOSTILE, "2"]], tools=True)],
    )
    Image.new("RGB", (1800, 900), "white").save(folder / "a_figure.png")
    cards = answer.cards(summary(), comparisons(), PAIRS, MARGINS)
    runs = {
        name: {
            "crops": "brain", "kind": kind, "box": kind == "located", "group": "vlm general",
            "answers": patients.answers(table, task, [folder / "r.jsonl"], set(NAMES)),
        }
        for name, kind, task, table in (
            ("box-tuned", "located", "bounding_box", boxed), ("vlm-tuned", "labelled", "classification", labelled),
        )
    }  # fmt: skip
    scans = {
        name: {"brain": patients.scans(name, {"brain": folder}, {"brain": [("unet", folder / "masks")]})["brain"]}
        for name in NAMES
    }
    for each in scans.values():
        each["brain"]["spacing"] = 1.5
    data = {
        "patients": [{"id": name, "grade": truth[name], "scans": scans[name]} for name in NAMES],
        "runs": runs,
        "grades": {"net": {name: ["HGG", 0.9] for name in NAMES}, "vlm-tuned": {name: ["LGG", None] for name in NAMES}},
        "dice": {"unet": dict.fromkeys(NAMES, 0.7)},
        "shown": ["net", "vlm-tuned"], "overlap": "unet", "columns": patients.COLUMNS, "side": 128, "confidence": 95,
    }  # fmt: skip
    if files:
        for each in data["patients"][-2:]:
            own = {name: run["answers"].pop(each["id"], []) for name, run in runs.items()}
            path = folder / "patients" / f"{each['id']}.js"
            each["file"] = f"patients/{build.beside({**each, 'answers': own}, path).name}"
            del each["scans"]
        path.unlink()
    build.write(
        folder / "page.html", data, files=files, cards=cards, title=HOSTILE, phantom=True, cohort="phantom cohort",
        patients_line="6 patients", browser_line="6 of 6.", truth_help=["one line"],
        constraint_help=["another line"],
        localisers=follows.localisers(summary()), tables=[build.table(folder / "t.html")],
        figures=[build.figure(folder / "a_figure.png", "<p>caption</p>")], methods="<p>methods</p>",
        provenance=[("workflow", "abc")], configuration=HOSTILE,
    )  # fmt: skip
    return folder / "page.html"
