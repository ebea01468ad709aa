"""A model from the hub, at its pinned revision, into a folder that all other jobs read without a network."""

from pathlib import Path

from glioma.job import job

with job(snakemake, online=True):
    from glioma.vlm.fetch import fetch

    model = snakemake.params.model
    fetch(model["source"], model["revision"], Path(snakemake.output[0]).parent)
