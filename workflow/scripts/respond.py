"""What one run's model answers about its share of the slices of one part of the patients."""

from glioma.base.job import job
from glioma.cohort import folds
from glioma.vlm import prompts, requests

with job(snakemake):
    from glioma.vlm.images import read_examples
    from glioma.vlm.respond import respond
    from glioma.vlm.settings import folder_of, located

    given, params = snakemake.input, snakemake.params
    queries, wildcards = params.queries, snakemake.wildcards
    crops = given.crops
    questions = requests.of_run(folds.read(given.folds), crops, queries, wildcards.part)
    respond(
        located(params.base, given.model),
        folder_of(given.adapter),
        requests.shard(questions, int(wildcards.shard), queries["shards"]),
        crops,
        prompts.read(given.prompt, params.wording),
        params.generation,
        snakemake.output.responses,
        snakemake.output.timing,
        params.seed,
        params.code,
        # No param of the rule: an answer is the same, asked anew or kept.
        snakemake.config["store"],
        params.task,
        prompts.read_optional(given.system, params.wording),
        read_examples(given.examples),
    )
