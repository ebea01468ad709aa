"""What would be sent to the hub: the adapter's files and its card, to be read before anything leaves the machine."""

from pathlib import Path

from glioma import tasks
from glioma.base.job import job
from glioma.cohort import folds, parts
from glioma.report.tables.scores import read_summary
from glioma.vlm import prompts, publish

with job(snakemake):
    given, keys = snakemake.input, snakemake.params
    name, entry = snakemake.wildcards.adapter, keys.adapter
    table = folds.read(given.folds)
    first = folds.split(table, min(entry["folds"]))
    facts = {
        **keys.facts,
        "prompt": prompts.read(given.prompt, keys.wording),
        "system": prompts.read_optional(given.system, keys.wording),
        "output": tasks.get(entry["task"]).output,
        "numbers": {
            "trained on": len(first["train"]), "to validate": len(first["validation"]), "to test": len(first["test"])
        },
    }  # fmt: skip
    summary = read_summary(given.summary)
    text = publish.card(name, entry, keys.base, facts, summary[summary["adapter"] == name])
    adapters = {parts.fold_of(Path(path).parent.name): Path(path).parent for path in given.adapters}
    publish.prepare(snakemake.output[0], adapters, keys.base, text)
