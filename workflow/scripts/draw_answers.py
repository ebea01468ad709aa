"""What VLMs drew: each task's answers at ranks of their scores, and all tasks beside each other."""

from pathlib import Path

import pandas as pd

from glioma.base.job import job
from glioma.report import labels
from glioma.report.figures import answer_overlays
from glioma.report.figures.answer_overlays import Shown

TASKS = {"box_overlays": "bounding_box", "polygon_overlays": "polygon", "centre_overlays": "center_point"}

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    folders = {Path(folder).parent.name: folder for folder in given.crops}
    facts = pd.DataFrame(keys.runs, columns=labels.FACTS)
    runs = [
        (row["task"], name, labels.group(row["family"], row["adapter"]), folders[row["crops"]])
        for name, row in zip(labels.beside_each_other(facts), facts.to_dict("records"), strict=True)
    ]
    for figure, task in TASKS.items():
        of_task = [
            Shown(name, group, slices, crops)
            for (its, name, group, crops), slices in zip(runs, given.slices, strict=True)
            if its == task
        ]
        answer_overlays.answer_overlays(task, of_task, keys.label, out[figure], keys.side)
    # One picture has one background: the crops of the first run.
    background = runs[0][3] if runs else ""
    answers: dict[str, list[Shown]] = {}
    for (task, name, group, crops), path in zip(runs, given.answers, strict=True):
        if crops == background:
            answers.setdefault(task, []).append(Shown(name, group, path, crops))
    answer_overlays.shape_overlays(answers, background, keys.label, out.shape_overlays, side=keys.side)
