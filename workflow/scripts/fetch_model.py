"""A model from the hub, at one commit, into a folder that all other jobs read without a network."""

import sys

from glioma.base.job import job

terminal = sys.stderr
with job(snakemake, online=True):
    from glioma.vlm.fetch import fetch

    model = snakemake.params.model
    commit = fetch(model["source"], model["revision"], snakemake.output.folder, snakemake.output.fetched)
    if model["revision"] is None:
        advice = f"model {snakemake.wildcards.hub}: fetched commit {commit}; pin it: revision: {commit}"
        print(advice)
        print(advice, file=terminal, flush=True)
