"""Where the time went, by rule and by VLM run."""

from pathlib import Path

from glioma.base.job import job
from glioma.report.tables import timing

with job(snakemake):
    benchmarks = timing.by_rule(snakemake.params.benchmarks)
    runs = {}
    for path in map(Path, snakemake.input.timing):
        runs.setdefault(path.parent.name, []).append(path)
    timing.timing_table(benchmarks, runs, snakemake.params.label, snakemake.output)
