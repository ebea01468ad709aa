"""Raw text to parsed answers, one row a response."""

from glioma import tasks
from glioma.base.files import write_csv
from glioma.base.job import job

with job(snakemake):
    settings = snakemake.params.settings
    limits = tasks.Limits(
        side=settings["side"],
        polygon_points=tuple(settings["polygon_points"]),
        convention=settings["coordinates"],
        choices=tuple(settings["choices"]),
    )
    responses = tasks.read_responses(snakemake.input)
    table = tasks.answers_table(responses, tasks.get(settings["task"]), settings["parsing"], limits)
    write_csv(table, snakemake.output[0])
    print(table["status"].value_counts().to_string())
