"""What crops around the truth and slices chosen with it are worth: table, page and figure."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.compare import leak_audit
from glioma.report.figures import leaks
from glioma.report.tables import audit as page

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    readers = leak_audit.baseline_readers(dict(zip(keys.crops, given.baselines, strict=True)))
    for (name, _), brain, tumour in zip(keys.pairs, given.brain, given.tumour, strict=True):
        readers.append(leak_audit.model_reader(name, {"brain": brain, "tumour": tumour}))
    scores = keys.settings["scores"]
    table = leak_audit.audit(readers, keys.seed, scores["resamples"], scores["confidence"])
    write_csv(table, out.table)
    page.audit_table(out.table, keys.label, out.page)
    leaks.leak_audit(out.table, keys.label, out.figure)
