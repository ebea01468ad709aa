"""What one run's model answers about its share of the slices of the test patients."""

from pathlib import Path

from glioma import folds, prompts
from glioma.job import job
from glioma.vlm import requests

with job(snakemake):
    from glioma.vlm.generate import respond

    asked = snakemake.params.asked
    crops = Path(snakemake.input.crops).parent
    questions = requests.of_run(folds.read(snakemake.input.folds), crops, asked)
    adapter = snakemake.params.adapter
    respond(
        snakemake.params.base,
        f"results/adapters/{adapter}" if adapter else None,
        requests.shard(questions, int(snakemake.wildcards.shard), asked["shards"]),
        crops,
        prompts.read(snakemake.input.prompt),
        snakemake.params.generation,
        snakemake.output.responses,
        snakemake.output.timing,
        snakemake.params.seed,
    )
