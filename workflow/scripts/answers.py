"""Raw text to parsed answers, one row a response, and one response a request."""

import pandas as pd

from glioma import tasks
from glioma.base.job import job
from glioma.cohort import folds
from glioma.vlm import requests

with job(snakemake):
    settings, queries = snakemake.params.settings, snakemake.params.queries
    limits = tasks.Limits(
        side=settings["side"],
        polygon_points=tuple(settings["polygon_points"]),
        convention=settings["coordinates"],
        choices=tuple(settings["choices"]),
    )
    crops, table = snakemake.input.crops, folds.read(snakemake.input.folds)
    of_parts = [requests.of_run(table, crops, queries, part) for part in snakemake.params.parts]
    asked = [
        requests.shard(of_part, number, queries["shards"])
        for of_part in of_parts
        for number in range(queries["shards"])
    ]
    # No request is in two files: where each file answers its own, no question is answered in two either.
    rows = (
        row
        for path, of_file in zip(snakemake.input.responses, asked, strict=True)
        for row in requests.answered(path, tasks.responses(path), of_file)
    )
    task = tasks.get(settings["task"])
    counts = tasks.write_answers(rows, snakemake.output[0], task, settings["parsing"], limits)
    print(pd.Series(counts, name="count").rename_axis("status").to_string())
