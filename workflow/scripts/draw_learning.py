"""Learning curves of every network and adapter."""

from pathlib import Path

from glioma.figures import learning
from glioma.job import job

with job(snakemake):
    learning.learning_curves_cnn(snakemake.input.networks, snakemake.output.learning_curves_cnn)
    curves = {Path(path).parent.name: path for path in snakemake.input.adapters}
    learning.learning_curves_vlm(curves, snakemake.output.learning_curves_vlm)
