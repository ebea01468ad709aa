"""What the answer store holds, on the terminal and in the log; with `days`, what was unused for so long is deleted."""

from glioma.base.job import job
from glioma.vlm import store

with job(snakemake):
    folder, days = snakemake.params.folder, snakemake.params.days
    if folder is None:
        lines = ["key store: null; no answers are kept"]
    elif days is None:
        lines = [f"{folder}:", *store.table(store.contexts(folder))]
    else:
        lines = [
            f"{folder}: deleted, for not used for {days} days (key store_days):",
            *store.table(store.prune(folder, days)),
        ]
    print("\n".join(lines))
print("\n".join(lines), flush=True)
