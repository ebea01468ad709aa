"""What VLMs drew: their answers to each task at ranks of the scores."""

from pathlib import Path

import pandas as pd

from glioma.base.job import job
from glioma.report import labels
from glioma.report.figures import answer_overlays
from glioma.report.figures.answer_overlays import Shown

with job(snakemake):
    given, keys = snakemake.input, snakemake.params
    folders = {Path(folder).parent.name: folder for folder in given.crops}
    facts = pd.DataFrame(keys.runs, columns=labels.FACTS)
    answers: dict[str, list[Shown]] = {}
    for name, row, slices in zip(labels.beside_each_other(facts), keys.runs, given.slices, strict=True):
        run = Shown(name, labels.group(row["family"], row["adapter"]), slices, folders[row["crops"]])
        answers.setdefault(row["task"], []).append(run)
    answer_overlays.answer_overlays(answers, keys.label, snakemake.output.answer_overlays, keys.side)
