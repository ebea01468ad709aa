"""What one run's model answers about its share of the slices of one part of the patients."""

from pathlib import Path

from glioma.base.job import job
from glioma.cohort import folds
from glioma.vlm import prompts, requests

with job(snakemake):
    from glioma.vlm.respond import respond

    queries, wildcards = snakemake.params.queries, snakemake.wildcards
    crops = Path(snakemake.input.crops).parent
    questions = requests.of_run(folds.read(snakemake.input.folds), crops, queries, wildcards.part)
    respond(
        snakemake.params.base,
        snakemake.params.adapter,
        requests.shard(questions, int(wildcards.shard), queries["shards"]),
        crops,
        prompts.read(snakemake.input.prompt, snakemake.params.wording),
        snakemake.params.generation,
        snakemake.output.responses,
        snakemake.output.timing,
        snakemake.params.seed,
        snakemake.params.code,
        # No param of the rule: an answer is the same, asked anew or kept.
        snakemake.config["store"],
        snakemake.params.task,
    )
