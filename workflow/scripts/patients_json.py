"""The scores of every patient by every method, in one JSON file."""

from glioma.base.files import write_json
from glioma.base.job import job
from glioma.report import patient_scores

with job(snakemake):
    given, keys = snakemake.input, snakemake.params
    write_json(patient_scores.collect(given.patients, keys.study, keys.label), snakemake.output[0])
