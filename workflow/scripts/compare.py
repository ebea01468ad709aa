"""Paired tests of the declared pairs of methods."""

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.compare import declared
from glioma.scoring import tables
from glioma.scoring.settings import Settings

with job(snakemake):
    given, keys = snakemake.input, snakemake.params
    patients = pd.concat(map(tables.read_patients, [*given.methods, *given.baselines]))
    settings = Settings.read({**keys.settings, "seed": keys.seed})
    methods = [
        declared.Method(run, task, crops, own, keys.every.get(run, 1))
        for (run, task, crops), own in patients.groupby(["run", "task", "crops"], sort=False)
    ]
    write_csv(declared.compare(methods, keys.pairs, keys.dimension, settings), snakemake.output[0])
