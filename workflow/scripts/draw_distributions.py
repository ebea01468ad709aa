"""Scores of single patients: of masks, and of what VLMs locate, a figure each."""

from glioma.base.job import job
from glioma.report.figures import distributions

TASKS = {
    "distributions": "segmentation",
    "box_distributions": "bounding_box",
    "polygon_distributions": "polygon",
    "centre_distances": "center_point",
}

with job(snakemake):
    keys = snakemake.params
    for name, task in TASKS.items():
        distributions.distributions(
            snakemake.input, keys.unit, keys.label, snakemake.output[name], keys.cohort, task=task
        )
