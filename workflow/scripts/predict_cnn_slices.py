"""A slice network's answers: out of fold and on the test set."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cnn.predict import predict_slices
from glioma.cohort import folds

with job(snakemake):
    answers = predict_slices(
        snakemake.params.network,
        snakemake.input.weights,
        folds.read(snakemake.input.folds),
        snakemake.input.crops,
        tuple(snakemake.params.shape),
    )
    write_csv(answers, snakemake.output[0])
