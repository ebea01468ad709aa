"""Paired tests of the declared pairs of readers."""

from pathlib import Path

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.compare import declared
from glioma.compare.declared import Reader
from glioma.scoring.summaries import Settings


def read(path: str) -> pd.DataFrame:
    """A patients table; an undecided patient's label is empty."""
    table = pd.read_csv(path, dtype={"patient": str})
    return table.fillna({"label": ""}) if "label" in table else table


with job(snakemake):
    given, keys = snakemake.params, snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], given.seed)
    readers = [
        Reader(name, name, task, crops, read(path), every)
        for (name, (task, crops, every)), path in zip(given.networks.items(), snakemake.input.networks, strict=True)
    ]
    for (name, (task, model, crops, every)), path in zip(given.runs.items(), snakemake.input.runs, strict=True):
        label = model if task == "classification" else f"{model} ({task.replace('_', ' ')})"
        readers.append(Reader(name, label, task, crops, read(path), every))
    for path in snakemake.input.baselines:
        # results/scores/baselines/{crops}/patients.csv
        crops = Path(path).parent.name
        for (task, name), patients in read(path).groupby(["task", "model"], sort=False):
            readers.append(Reader(name, name, task, crops, patients))
    write_csv(declared.compare(readers, given.pairs, given.dimension, settings), snakemake.output[0])
