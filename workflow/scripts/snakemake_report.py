"""`snakemake --report`, from the configuration that was used."""

import subprocess
import sys
from pathlib import Path

from glioma.base.errors import UserError
from glioma.base.files import atomic_path
from glioma.base.job import job

with job(snakemake):
    snakefile = Path(snakemake.scriptdir).resolve().parents[1] / "Snakefile"
    with atomic_path(snakemake.output[0]) as temporary:
        command = [sys.executable, "-m", "snakemake", "report_parts", "--snakefile", str(snakefile), "--nolock"]
        # The workflow that runs this job holds the lock; a report only reads.
        command += ["--report", str(temporary), "--configfile", snakemake.input.config]
        done = subprocess.run(command, stdout=sys.stdout, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise UserError(
                f"{snakemake.output[0]}: snakemake --report failed; its reason stands above in {snakemake.log[0]}"
            )
