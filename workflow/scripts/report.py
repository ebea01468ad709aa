"""`snakemake --report`, from the configuration that was used."""

import subprocess
import sys
from pathlib import Path

import yaml

from glioma.base.errors import UserError
from glioma.base.files import atomic_path, write_json
from glioma.base.job import job
from glioma.config import settings
from glioma.report.revisions import fetched

with job(snakemake):
    configuration = Path(snakemake.output[0]).with_name("config.json")
    defaults = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    used = snakemake.config | {"models": fetched(snakemake.config["models"], "results/models")}
    write_json(settings.overlay(used, defaults), configuration)
    snakefile = Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile"
    with atomic_path(snakemake.output[0]) as temporary:
        command = [sys.executable, "-m", "snakemake", "report_parts", "--snakefile", str(snakefile), "--nolock"]
        # The workflow that runs this job holds the lock; a report only reads.
        command += ["--report", str(temporary), "--configfile", str(configuration)]
        done = subprocess.run(command, stdout=sys.stdout, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise UserError(
                f"{snakemake.output[0]}: snakemake --report failed; its reason stands above in {snakemake.log[0]}"
            )
