# What every stage shares: the checked configuration and the names that make up the graph. No rules.

import sys
from pathlib import Path

sys.path.insert(0, f"{workflow.basedir}/workflow/scripts")

from glioma import cohort as cohort_table
from glioma import phantom, settings
from glioma.errors import UserError
from glioma.provenance import code, content
from glioma.vlm import tiny

PHANTOM = "results/phantom"
COHORT = "results/cohort/patients.csv"
CROPS = "results/crops/crops.csv"
FOLDS = "results/folds/folds.csv"
SUMMARY = "results/scores/summary.csv"
REPORT = "results/report/report.html"

# A fault of the user's ends in its one line, not in a traceback.
try:
    settings.check(config, workflow.basedir)
    if config["cohort"]["root"]:
        TABLE = cohort_table.index(config["cohort"]["root"], config["cohort"]["exclude"])
    else:
        TABLE = cohort_table.expected(
            PHANTOM, phantom.roster(config["phantom"]["hgg"], config["phantom"]["lgg"], config["seed"])
        )
except UserError as fault:
    sys.exit(f"Error: {fault}")

TABLE = TABLE.set_index("patient", drop=False)
PATIENTS = TABLE["patient"].tolist()
GRADES = TABLE["grade"].to_dict()
NETWORKS = config["cnn"]["networks"]
SEGMENTERS = [name for name, entry in NETWORKS.items() if entry["task"] == "segmentation"]
CLASSIFIERS = [name for name, entry in NETWORKS.items() if entry["task"] == "classification"]
FOLD_NUMBERS = list(range(config["folds"]["count"]))
RUNS = config["runs"]
SHAPE_TASKS = ["center_point", "bounding_box", "polygon"]
GPU = settings.gpus(config)


wildcard_constraints:
    patient=settings.alternatives(PATIENTS),
    network=settings.alternatives(NETWORKS),
    segmenter=settings.alternatives(SEGMENTERS),
    classifier=settings.alternatives(CLASSIFIERS),
    adapter=settings.alternatives(config["adapters"]),
    model=settings.alternatives(config["models"]),
    run=settings.alternatives(RUNS),
    embedded=settings.alternatives(n for n, m in config["models"].items() if settings.kind(m) == "embedded"),
    hub=settings.alternatives(n for n, m in config["models"].items() if settings.kind(m) == "hub"),
    fold=r"\d+",
    shard=r"\d+",


def digest(path):
    """A digest of one of the project's own files: a moved checkout is no new input, an edited file is."""
    return content(Path(workflow.basedir) / path)
