"""Send a prepared adapter to the hub."""

from glioma.base.files import write_json
from glioma.base.job import job
from glioma.vlm import publish

with job(snakemake, online=True):
    hub = snakemake.params.publish
    commit = publish.publish(snakemake.input[0], hub["repository"], hub["private"])
    write_json({"repository": hub["repository"], "commit": commit}, snakemake.output[0])
