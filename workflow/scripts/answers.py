"""Raw text to parsed answers, one row a response."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.tasks import _answers as answers

with job(snakemake):
    settings = snakemake.params.settings
    limits = answers.Limits(
        side=settings["side"], convention=settings["coordinates"], choices=tuple(settings["choices"])
    )
    responses = answers.read_responses(snakemake.input)
    table = answers.answers_table(responses, settings["task"], settings["reading"], limits)
    write_csv(table, snakemake.output[0])
    print(table["status"].value_counts().to_string())
