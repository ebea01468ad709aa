"""Raw text to parsed answers, one row a response, and one response a request."""

import pandas as pd

from glioma import tasks
from glioma.base.files import write_csv
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
    asked = [
        requests.shard(requests.of_run(table, crops, queries, part), number, queries["shards"])
        for part in snakemake.params.parts
        for number in range(queries["shards"])
    ]
    files = [tasks.read_responses(path) for path in snakemake.input.responses]
    # No request is in two files: where each file answers its own, no question is answered in two either.
    for path, responses, of_file in zip(snakemake.input.responses, files, asked, strict=True):
        requests.check_answered(path, responses, of_file)
    responses = pd.concat(files, ignore_index=True)
    answers = tasks.answers_table(responses, tasks.get(settings["task"]), settings["parsing"], limits)
    write_csv(answers, snakemake.output[0])
    print(answers["status"].value_counts().to_string())
