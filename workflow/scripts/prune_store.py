"""Deletes from the answer store what was not used for so many days, and says what that was."""

from glioma.base.job import job
from glioma.vlm import store

with job(snakemake):
    folder, days = snakemake.params.folder, snakemake.params.days
    old = store.prune(folder, days) if folder else []
    text = "\n".join([f"deleted, for {days} days not used (key store_days):", *store.table(old)])
    print(text)
print(text, flush=True)
