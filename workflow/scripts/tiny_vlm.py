"""The embedded VLM: a tiny Mllama trained from scratch on its own synthetic corpus."""

from pathlib import Path

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job

with job(snakemake):
    from glioma.demo.tiny_vlm.settings import Recipe
    from glioma.demo.tiny_vlm.train import build

    result = build(Path(snakemake.output[0]).parent, Recipe.read(snakemake.params.recipe), snakemake.params.seed)
    write_csv(pd.DataFrame(result["history"]), snakemake.output.history)
