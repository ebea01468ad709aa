"""The report's tables."""

from pathlib import Path

from glioma.base.job import job
from glioma.report.tables import answers, derivation, interpretations, participants, published, scores

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    resources = Path(snakemake.scriptdir).resolve().parents[1] / "resources"
    tables, text = resources / "published_tables.csv", resources / "published_text.csv"
    participants.participants_table(
        given.patients, given.folds, given.crops, keys.exclude, keys.label, out.participants
    )
    interpretations.interpretations_table(resources / "ambiguities.yaml", keys.config, keys.label, out.interpretations)
    scores.comparison_table(given.summary, keys.scoring["hd95_unit"], keys.label, out.comparison, keys.scoring["hd95"])
    scores.tests_table(given.comparisons, given.summary, keys.label, out.tests)
    published.published_table(
        given.summary, tables, text, keys.replicates, keys.scoring, keys.phantom, keys.label, out.published
    )
    derivation.derivation_tables(tables, given.summary, keys.label, out.derivation)
    scores.summary_table(given.summary, keys.label, out.summary)
    parsed = {Path(path).stem: path for path in given.answers}
    responses = {run: [path for path in given.responses if Path(path).parent.name == run] for run in parsed}
    folders = {Path(folder).parent.name: folder for folder in given.crops}
    crops = {run: folders[mode] for run, mode in keys.crops.items()}
    answers.sample_answers(
        responses, parsed, keys.tasks, given.folds, crops, keys.label, out.sample_answers, side=keys.scoring["side"]
    )
    answers.answer_status(parsed, keys.label, out.answer_status)
