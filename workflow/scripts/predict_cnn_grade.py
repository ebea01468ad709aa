"""A classifier's HGG probabilities: out of fold, on the test set, and on what it was trained on."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cnn.predict import predict_classifier
from glioma.cohort import folds

with job(snakemake):
    predictions = predict_classifier(
        snakemake.params.network,
        snakemake.input.weights,
        folds.read(snakemake.input.folds),
        snakemake.input.crops,
        tuple(snakemake.params.shape),
    )
    write_csv(predictions, snakemake.output[0])
