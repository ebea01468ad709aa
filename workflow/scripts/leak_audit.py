"""What crops around the truth and slices chosen with it are worth: table, page and figure."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.compare import leak_audit
from glioma.report.figures import leaks
from glioma.report.tables import audit as page

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    methods = leak_audit.baselines(dict(zip(keys.crops, given.baselines, strict=True)))
    for pair, *tables in zip(keys.pairs, given.brain, given.tumour, strict=True):
        methods.append(leak_audit.model(pair, dict(zip(leak_audit.CROPS, tables, strict=True))))
    table = leak_audit.audit(methods, keys.seed, **keys.settings)
    write_csv(table, out.table)
    page.audit_table(out.table, keys.label, out.page)
    leaks.leak_audit(out.table, keys.label, out.figure)
