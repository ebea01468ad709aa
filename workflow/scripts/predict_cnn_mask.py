"""A segmenter's masks: out of fold and on the test set, on the crop's grid and as NIfTI in the scan's; and those of one
fold's model alone, of its training and test patients, on the crop's grid."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cnn.predict import predict_segmenter
from glioma.cohort import folds

with job(snakemake):
    predictions = predict_segmenter(
        snakemake.params.network,
        snakemake.input.weights,
        folds.read(snakemake.input.folds),
        snakemake.input.crops,
        snakemake.output.masks,
        snakemake.output.scans,
        # Which patients are in it, the folds say.
        snakemake.output.single,
        snakemake.params.published,
        tuple(snakemake.params.shape),
    )
    write_csv(predictions, snakemake.output.table)
