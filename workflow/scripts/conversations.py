"""Fine-tuning conversations of one adapter, for each of its folds: JSONL, and the images beside it."""

from pathlib import Path

from glioma import tasks
from glioma.base.job import job
from glioma.cohort import folds
from glioma.vlm import conversations, prompts

with job(snakemake):
    counts = conversations.write(
        Path(snakemake.output.test).parent,
        folds.read(snakemake.input.folds),
        Path(snakemake.input.crops).parent,
        tasks.get(snakemake.params.task),
        prompts.read(snakemake.input.prompt, snakemake.params.wording),
        snakemake.params.settings,
        snakemake.params.seed,
        snakemake.params.folds,
    )
    print(", ".join(f"{count} {part}" for part, count in counts.items()))
