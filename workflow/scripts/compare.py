"""Paired tests between all readers of the test patients: of grades, and of Dice on the same tumour slices."""

import pandas as pd

from glioma import comparisons
from glioma.files import write_csv
from glioma.job import job

VOLUME = ("test", "tumour volume", "axial")


def read(path: str) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"patient": str}, keep_default_na=False, na_values={"gldr": [""], "p_hgg": [""]})


with job(snakemake):
    graders, drawers = {}, {}
    for (name, task), path in zip(snakemake.params.networks.items(), snakemake.input.networks, strict=True):
        if task == "classification":
            graders[name] = comparisons.reader(read(path), "test", "volume", "volume")
        else:
            drawers[name] = comparisons.reader(pd.read_csv(path), *VOLUME)
    for (task, model), path in zip(snakemake.params.runs.values(), snakemake.input.runs, strict=True):
        patients = read(path) if task == "classification" else pd.read_csv(path)
        if task == "classification":
            chosen = patients[(patients["slices"] == "all") & (patients["orientation"] == "axial")]
            if len(chosen):
                graders[model] = comparisons.reader(chosen, "test", "all", "axial")
        elif task != "center_point":
            drawers[f"{model} ({task.replace('_', ' ')})"] = comparisons.reader(patients, *VOLUME)
    tables = [comparisons.compare_graders(graders), comparisons.compare_scores(drawers, ["dice"])]
    write_csv(pd.concat(tables, ignore_index=True), snakemake.output[0])
