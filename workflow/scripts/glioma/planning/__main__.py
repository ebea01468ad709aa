"""Measure unit costs on a finished run: `python -m glioma.planning --basis "H200, 8 cores" [--costs TABLE]`.

Run it in the workflow's working directory (PYTHONPATH=workflow/scripts). Rows of the table that were measured now, by
rule, device, kind of VLM and unit, take the place of older ones; all others stay.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from glioma.base.errors import UserError
from glioma.base.files import read_json, write_csv
from glioma.planning import costs, jobs
from glioma.planning.units import Study


def main(study: str, basis: str, table: Path) -> None:
    used, cohort = (Path("results") / study / name for name in ("report/config.json", "cohort/patients.csv"))
    for path in (used, cohort):
        if not path.is_file():
            raise UserError(f"{path}: missing; finish a run in this folder first")
    config = read_json(used)
    every = jobs.dry_run(["--forceall", "--configfile", str(used)])
    held = Study(config, pd.read_csv(cohort, dtype=str, keep_default_na=False))
    measured = costs.measure([job for job in every if job.rule != "all"], held, ".", basis)
    if table.is_file():
        old = costs.read(table)
        key = [*costs.KEY, "unit"]
        again = old.set_index(key).index.isin(measured.set_index(key).index)
        measured = pd.concat([old[~again], measured])
    measured = measured[(measured["seconds"] > 0) | (measured["bytes"] > 0)]
    write_csv(measured.sort_values([*costs.KEY, "unit"], ignore_index=True), table)
    print(f"{table}: {len(measured)} rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--study", default="demo", help="whose finished run in results/ is measured")
    parser.add_argument("--basis", required=True, help="what it was measured on")
    parser.add_argument("--costs", type=Path, default=Path("resources/unit_costs.csv"), help="the table to write into")
    chosen = parser.parse_args()
    try:
        main(chosen.study, chosen.basis, chosen.costs)
    except UserError as fault:
        sys.exit(f"Error: {fault}")
