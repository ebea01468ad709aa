"""Fine-tuning conversations of one adapter, for each of its folds: JSONL, and the images beside it."""

from pathlib import Path

from glioma import tasks
from glioma.base.job import job
from glioma.cohort import folds
from glioma.vlm import conversations, prompts

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    system = prompts.read_optional(given.system, params.wording)
    counts = conversations.write(
        Path(snakemake.output.test).parent,
        folds.read(given.folds),
        given.crops,
        tasks.get(params.task),
        prompts.read(given.prompt, params.wording),
        {**params.settings, "system": system},
        params.seed,
        params.folds,
    )
    print(", ".join(f"{count} {part}" for part, count in counts.items()))
