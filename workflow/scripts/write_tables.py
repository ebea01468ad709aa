"""The report's tables."""

from pathlib import Path

from glioma.job import job
from glioma.report import answers, scores

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    scores.comparison_table(given.summary, keys.unit, keys.label, out.comparison)
    scores.tests_table([given.comparisons], keys.label, out.tests)
    published = Path(snakemake.scriptdir).resolve().parents[1] / "resources" / "published_tables.csv"
    scores.published_table(given.summary, published, keys.phantom, keys.label, out.published)
    scores.summary_table(given.summary, keys.label, out.summary)
    parsed = {Path(path).stem: path for path in given.answers}
    responses = {run: [path for path in given.responses if Path(path).parent.name == run] for run in parsed}
    crops = Path(given.crops).parent
    answers.sample_answers(
        responses, parsed, keys.tasks, given.folds, crops, keys.label, out.sample_answers, side=keys.side
    )
    answers.answer_status(parsed, keys.label, out.answer_status)
