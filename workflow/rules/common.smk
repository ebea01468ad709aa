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
GPU = settings.gpus(config)
HUB = [name for name, entry in config["models"].items() if settings.kind(entry) == "hub"]
EMBEDDED = [name for name, entry in config["models"].items() if settings.kind(entry) == "embedded"]
CLASSIFICATION_RUNS = [run for run, entry in RUNS.items() if entry["task"] == "classification" and not entry["repeats"]]
CONSISTENCY_RUNS = [run for run, entry in RUNS.items() if entry["repeats"]]
SHAPE_RUNS = [run for run, entry in RUNS.items() if entry["task"] != "classification"]
COHORT_LABEL = "phantom cohort" if not config["cohort"]["root"] else f"cohort {Path(config['cohort']['root']).name}"


wildcard_constraints:
    patient=settings.alternatives(PATIENTS),
    network=settings.alternatives(NETWORKS),
    segmenter=settings.alternatives(SEGMENTERS),
    classifier=settings.alternatives(CLASSIFIERS),
    adapter=settings.alternatives(config["adapters"]),
    run=settings.alternatives(RUNS),
    embedded=settings.alternatives(EMBEDDED),
    hub=settings.alternatives(HUB),
    fold=r"\d+",
    shard=r"\d+",


def digest(path):
    """A digest of one of the project's own files: a moved checkout is no new input, an edited file is."""
    return content(Path(workflow.basedir) / path)


def base(name):
    """What the package needs to load a model: its name, folder and quantisation (a hub id is in a folder by then)."""
    entry = config["models"][name]
    folder = entry["source"] if settings.kind(entry) == "local" else f"results/models/{name}"
    return {"name": name, "path": folder, "quantisation": entry["quantisation"]}


def base_files(name):
    """The files of a model, so that an edited one is seen; a fetched model is pinned by its revision instead."""
    if name in EMBEDDED:
        return collect("results/models/{name}/{file}", name=name, file=tiny.FILES)
    if name in HUB:
        return [f"results/models/{name}/fetched.json"]
    return settings.model_files(config["models"][name]["source"])


def adapter_files(adapter):
    if adapter is None:
        return []
    return collect(
        "results/adapters/{adapter}/{file}", adapter=adapter, file=["adapter_config.json", "adapter_model.safetensors"]
    )


def figure(name, category):
    """A figure in both formats; the report shows the PNG."""
    shown = report(
        f"results/report/figures/{name}.png",
        category=category,
        caption=f"../report/{name}.rst",
        labels={"what": name.replace("_", " "), "as": "figure"},
    )
    return [shown, f"results/report/figures/{name}.svg"]


def table(name, category):
    """A table as one HTML file that needs nothing else."""
    return report(
        f"results/report/tables/{name}.html",
        category=category,
        caption=f"../report/{name}.rst",
        labels={"what": name.replace("_", " "), "as": "table"},
    )


def model_label(run):
    return f"{RUNS[run]['model']} {RUNS[run]['label']}"
