"""`snakemake --report`, from the configuration that was used."""

import json
import subprocess
import sys
from pathlib import Path

from glioma.base.errors import UserError
from glioma.base.files import atomic_path
from glioma.base.job import job
from glioma.report.revisions import fetched

with job(snakemake):
    configuration = Path(snakemake.output[0]).with_name("config.json")
    # Not sorted: entries keep their order, in another one Snakemake would take finished results for outdated.
    used = snakemake.config | {"models": fetched(snakemake.config["models"], snakemake.input.fetched)}
    with atomic_path(configuration) as temporary:
        temporary.write_text(json.dumps(used, indent=1) + "\n", encoding="utf-8")
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
