"""The examples of one part of a run: answered slices of patients whom the part does not ask about."""

from glioma import tasks
from glioma.base.job import job
from glioma.cohort import folds
from glioma.vlm import examples

with job(snakemake):
    count = examples.write(
        snakemake.output.examples,
        folds.read(snakemake.input.folds),
        snakemake.input.crops,
        tasks.get(snakemake.params.task),
        snakemake.wildcards.part,
        snakemake.params.settings,
        snakemake.params.seed,
    )
    print(f"{count} examples")
