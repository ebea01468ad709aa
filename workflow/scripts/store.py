"""What the answer store holds, on the terminal and in the log."""

from glioma.base.job import job
from glioma.vlm import store

with job(snakemake):
    folder = snakemake.params.folder
    shown = store.table(store.contexts(folder)) if folder else ["key store: null; no answers are kept"]
    text = "\n".join(shown)
    print(text)
print(text, flush=True)
