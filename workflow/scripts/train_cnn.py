"""One network, trained on all folds but the one that validates it."""

from pathlib import Path

from glioma.base.job import job
from glioma.cnn.train import train
from glioma.cohort import folds

with job(snakemake):
    table = folds.read(snakemake.input.folds)
    cohorts = folds.split(table, int(snakemake.wildcards.fold))
    train(
        entry=snakemake.params.network,
        patients_train=cohorts["train"],
        patients_validation=cohorts["validation"],
        grades=folds.grades(table).to_dict(),
        crops_folder=snakemake.input.crops,
        out_folder=Path(snakemake.output.weights).parent,
        seed=snakemake.params.seed,
        crop_shape=tuple(snakemake.params.shape),
        # One thread computes; those that a rule is given beyond it read crops, which pays on a GPU at full size.
        workers=snakemake.threads - 1,
        code=snakemake.params.code,
    )
