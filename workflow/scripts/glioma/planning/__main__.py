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

USED, COHORT = Path("results/report/config.json"), Path("results/cohort/patients.csv")


def main(basis: str, table: Path) -> None:
    for path in (USED, COHORT):
        if not path.is_file():
            raise UserError(f"{path}: missing; finish a run in this folder first")
    config = read_json(USED)
    for level in (config["cnn"]["networks"], config["models"], config["adapters"], config["runs"]):
        for name in [name for name, entry in level.items() if entry is None]:
            del level[name]
    every = jobs.dry_run(["--forceall", "--configfile", str(USED)])
    study = Study(config, pd.read_csv(COHORT, dtype=str, keep_default_na=False))
    measured = costs.measure([job for job in every if job.rule != "all"], study, ".", basis)
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
    parser.add_argument("--basis", required=True, help="what it was measured on")
    parser.add_argument("--costs", type=Path, default=Path("resources/unit_costs.csv"), help="the table to write into")
    chosen = parser.parse_args()
    try:
        main(chosen.basis, chosen.costs)
    except UserError as fault:
        sys.exit(f"Error: {fault}")
