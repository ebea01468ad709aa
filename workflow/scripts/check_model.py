"""Whether a model can be asked about a picture, by its files alone."""

from glioma.base.files import write_json
from glioma.base.job import job

with job(snakemake):
    from glioma.vlm import model_check
    from glioma.vlm.settings import located

    base = located(snakemake.params.base, snakemake.input.model)
    write_json(model_check.check(base, snakemake.params.side), snakemake.output[0])
