"""The study's page: the answer, the patients, the tables, figures and methods in one file."""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from glioma import tasks
from glioma.base.files import PROJECT, atomic_path
from glioma.base.job import job
from glioma.cohort import folds
from glioma.cohort.truth import spacings
from glioma.report import labels
from glioma.report.page import answer, build, follows, methods, patients
from glioma.report.revisions import fetched

PACKAGES = ("snakemake", "torch", "monai", "transformers", "peft", "trl", "numpy", "scikit-learn")


def commit() -> str:
    """The commit of the checkout, and whether files differ from it; "" where there is no git."""
    try:
        told = [
            subprocess.run(
                ["git", "-C", str(PROJECT), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return ""
    return told[0] + (" with local changes" if told[1] else "")


with job(snakemake):
    given, params = snakemake.input, snakemake.params
    config = snakemake.config | {"models": fetched(snakemake.config["models"], snakemake.input.fetched)}
    summary, comparisons, audit = (pd.read_csv(given[name]) for name in ("summary", "comparisons", "audit"))
    table = folds.read(given.folds)
    graders, regions = (dict(zip(params[name], given[name], strict=True)) for name in ("graders", "regions"))
    grades, dice = patients.decisions(graders), patients.overlaps(regions)
    truth = folds.grades(table)
    wrong = {
        patient: sum(found[patient][0] != truth[patient] for found in grades.values() if patient in found)
        for patient in truth.index
    }
    shown = patients.chosen(table, wrong, params.patients)
    sets = dict(zip(params.crop_sets, given.crops, strict=True))
    # The folder of the other patients' files, where they are wanted.
    beside = next(map(Path, snakemake.output.others), None)
    others = [name for name in table["patient"] if name not in shown] if beside else []
    seen = {*shown, *others}
    runs, start = {}, 0
    for (name, facts), slices in zip(params.runs.items(), given.slices, strict=True):
        files = given.responses[start : start + facts["files"]]
        start += facts["files"]
        task = tasks.get(facts["task"])
        runs[name] = {
            "crops": facts["crops"],
            "kind": "labelled" if task.whole_slices else "located",
            "box": getattr(task, "drawn", "") == "box",
            "group": labels.group("vlm", facts["adapter"]),
            "answers": patients.answers(pd.read_csv(slices, dtype={"patient": str}), facts["task"], files, seen),
        }
    # The CNN that locates best is drawn first.
    best = sorted(dice, key=lambda name: -sum(dice[name].values()) / max(1, len(dice[name])))
    folders = {Path(folder).parent.name: folder for folder in given.masks}
    masks = {
        crops: [(name, folders[name]) for name in sorted(names, key=best.index)]
        for crops, names in params.segmenters.items()
    }

    def pictures(name: str) -> dict:
        scans = patients.scans(name, sets, masks)
        for crops, content in scans.items():
            content["spacing"] = spacings(sets[crops], [name])[name][1]
        return {"id": name, "grade": truth[name], "scans": scans}

    listed = [pictures(name) for name in shown]
    for name in others:
        answers = {run: found["answers"].pop(name, []) for run, found in runs.items()}
        file = build.beside({**pictures(name), "answers": answers}, beside / f"{name}.js")
        listed.append({"id": name, "grade": truth[name], "file": f"{beside.name}/{file.name}"})
    # Not sorted: entries keep their order, in another one Snakemake would take finished results for outdated.
    used = json.dumps(config, indent=1)
    cards = answer.cards(summary, comparisons, params.pairs, params.margins)
    headline = next((card.headline for card in cards if set(card.headline) <= set(grades)), tuple(grades)[:2])
    count = truth.value_counts()
    build.write(
        snakemake.output.page,
        {
            "patients": listed,
            "runs": runs,
            "grades": {name: {who: found[who] for who in found if who in seen} for name, found in grades.items()},
            "dice": {name: {who: found[who] for who in found if who in seen} for name, found in dice.items()},
            "shown": headline,
            "overlap": next((name for each in masks.values() for name, _ in each), next(iter(dice), None)),
            "columns": patients.COLUMNS,
            "side": params.side,
            "confidence": round(100 * params.confidence),
        },
        cards=cards,
        title=params.title,
        phantom=params.phantom,
        cohort=params.label,
        patients_line=f"{len(truth)} patients of the {params.label} ({count['HGG']} HGG, {count['LGG']} LGG)",
        browser_line=f"{len(listed)} of {len(truth)} patients: test patients first, the most often misgraded on top."
        + f" Pictures of the last {len(others)} lie in the folder patients/ beside this file." * bool(others),
        files=bool(others),
        truth_help=answer.help_of_truth(audit),
        constraint_help=answer.help_of_constraint(comparisons, summary, params.constrained),
        localisers=follows.localisers(summary),
        tables=[build.table(path) for path in given.tables],
        figures=[build.figure(path, methods.caption(Path(path), config)) for path in given.figures],
        methods=methods.html("workflow", config),
        provenance=build.provenance(commit(), [(name, version(name)) for name in PACKAGES], config["models"]),
        configuration=used,
    )
    with atomic_path(snakemake.output.config) as temporary:
        temporary.write_text(used + "\n", encoding="utf-8")
    print(f"{Path(snakemake.output.page).stat().st_size / 1e6:.1f} MB")
