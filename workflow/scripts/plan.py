"""What the jobs that are left would cost, on the terminal and in the log."""

import json
import tempfile
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
    listed = jobs.dry_run(["--snakefile", str(snakefile), "--configfile", str(used)])
    table = costs.read(params.costs)
    study = Study(config, pd.DataFrame(params.patients))
    found = costs.estimate([each for each in listed if each.rule != "all"], study, table, params.costs)
    plan = summary.text(found, {name: run["shards"] for name, run in config["runs"].items()})
    print(plan)
print(plan, flush=True)
