"""A LoRA adapter, and the learning curve of its training."""

from pathlib import Path

from glioma.base.job import job

with job(snakemake):
    from glioma.vlm import conversations
    from glioma.vlm.finetune import finetune
    from glioma.vlm.settings import located

    for file in (snakemake.input.train, snakemake.input.validation):
        conversations.check_images(file, snakemake.input.images)
    finetune(
        located(snakemake.params.base, snakemake.input.model),
        snakemake.input.train,
        snakemake.input.validation,
        Path(snakemake.output.history).parent,
        snakemake.params.settings,
        snakemake.params.seed,
        snakemake.params.parsing,
        snakemake.params.code,
    )
