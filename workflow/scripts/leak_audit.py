"""What crops around the truth and slices chosen with it are worth: table, page and figure."""

from glioma import audit
from glioma.figures import leaks
from glioma.files import write_csv
from glioma.job import job
from glioma.report import audit as page

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    readers = audit.baseline_readers(dict(zip(keys.crops, given.baselines, strict=True)))
    for (name, _), brain, tumour in zip(keys.pairs, given.brain, given.tumour, strict=True):
        readers.append(audit.model_reader(name, {"brain": brain, "tumour": tumour}))
    scores = keys.settings["scores"]
    table = audit.audit(readers, keys.seed, scores["resamples"], scores["confidence"])
    write_csv(table, out.table)
    page.audit_table(out.table, keys.label, out.page)
    leaks.leak_audit(out.table, keys.label, out.figure)
