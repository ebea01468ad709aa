"""Masks of networks over the scans: the best, median and worst patient, and where the best network fails."""

from pathlib import Path

from glioma.base.job import job
from glioma.report.figures import mask_overlays

with job(snakemake):
    given, out, keys = snakemake.input, snakemake.output, snakemake.params
    crops = {Path(folder).parent.name: folder for folder in given.crops}
    masks = {Path(path).parent.name: Path(path) for path in given.masks}
    networks = {
        name: (path, masks[name], crops[cut])
        for (name, cut), path in zip(keys.networks.items(), given.patients, strict=True)
    }
    mask_overlays.cnn_overlays(networks, keys.label, out.cnn_overlays, keys.cohort)
    mask_overlays.cnn_failures(networks, keys.label, out.cnn_failures, keys.cohort)
