"""What the jobs that are left would cost, on the terminal and in the log."""

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from glioma.base.job import job
from glioma.planning import costs, jobs, summary
from glioma.planning.units import Study

with job(snakemake), tempfile.TemporaryDirectory() as folder:
    config, params = snakemake.config, snakemake.params
    used = Path(folder) / "config.json"
    # "auto" means this machine, in the dry-run as here.
    used.write_text(json.dumps({**config, "gpus_per_job": params.gpu}), encoding="utf-8")
    snakefile = Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile"
    table = costs.read(params.costs)
    study = Study(config, pd.DataFrame(params.patients))
    # The dry-run is a process of its own, beside which there is time to count operations.
    with ThreadPoolExecutor(1) as beside:
        listing = beside.submit(jobs.dry_run, ["--snakefile", str(snakefile), "--configfile", str(used)])
        for network in config["networks"]:
            study.tflop(network, training=True)
    listed = listing.result()
    found = costs.estimate([each for each in listed if each.rule != "all"], study, table, params.costs)
    plan = summary.text(found, {name: run["shards"] for name, run in config["runs"].items()})
    print(plan)
print(plan, flush=True)
