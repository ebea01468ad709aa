"""Learning curves of every network and adapter, and the learning rates that were tried."""

from collections import Counter
from pathlib import Path

from glioma.base.job import job
from glioma.report.figures import learning

with job(snakemake):
    given, out = snakemake.input, snakemake.output
    learning.learning_curves_cnn(given.networks, out.learning_curves_cnn)
    learning.learning_rates(given.networks, out.learning_rates)
    folders = [Path(path).parent for path in given.adapters]
    count = Counter(folder.parent.name for folder in folders)
    names = [
        folder.parent.name + (f", {folder.name.replace('fold', 'fold ')}" if count[folder.parent.name] > 1 else "")
        for folder in folders
    ]
    learning.learning_curves_vlm(dict(zip(names, given.adapters, strict=True)), out.learning_curves_vlm)
