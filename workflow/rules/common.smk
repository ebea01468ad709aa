# What every stage shares: the checked configuration and the names that make up the graph. No rules.

import sys
from functools import cache
from pathlib import Path

from snakemake.settings.types import SharedFSUsage

# Not workflow.basedir: that is the folder of another Snakefile where this one is imported as a module.
PROJECT = Path(str(workflow.current_basedir.get_path_or_uri(secret_free=True))).resolve().parents[1]
sys.path.insert(0, f"{PROJECT}/workflow/scripts")

from glioma import tasks
from glioma.base import provenance, runs
from glioma.base.errors import UserError
from glioma.base.files import find, read_json, stamp, write_json
from glioma.base.provenance import code, content
from glioma.base.section import ordered
from glioma.cnn import recipe
from glioma.cohort import folds as cohort_folds
from glioma.cohort import index as cohort_index
from glioma.cohort.sequences import SCANS
from glioma.config import check, settings, study
from glioma.demo import phantom, tiny_vlm
from glioma.sam.settings import LITE
from glioma.vlm import backends
from glioma.vlm.settings import ADAPTER_FILES, ENTRY

# Else scans lie in a storage, and are seen by jobs alone.
SCANS_HERE = SharedFSUsage.INPUT_OUTPUT in workflow.storage_settings.shared_fs_usage
# An error of the user's ends in its one line, not in a traceback.
try:
    check.folder(Path.cwd(), sys.executable)
    if not workflow.remote_exec and (said := runs.release(sys.argv[1:])):
        print(said, file=sys.stderr)
    for path in workflow.configfiles:
        study.load_yaml(Path(path))  # refuses a key that stands twice, of which Snakemake would take the last
    resolved, STUDY = study.resolve(config)
    config.clear()
    config.update(resolved)
    check.check(config)
    provenance.configuration(config, job=workflow.remote_exec)
    COHORT_FOLDER = f"results/cohorts/{cohort_index.name(config['cohort'])}"
    PHANTOM = f"{COHORT_FOLDER}/scans"
    IS_PHANTOM = config["cohort"]["layout"] == "phantom"
    LABELS = cohort_index.labels(config["cohort"])
    if IS_PHANTOM:
        TABLE = cohort_index.expected(
            PHANTOM, phantom.roster(*(config["cohort"][key] for key in ("hgg", "lgg", "seed")))
        )
    else:
        TABLE = cohort_index.index(config["cohort"], SCANS_HERE)
    LEFT_OUT = check.drop_site_pairs(config, TABLE["site"])
except UserError as error:
    sys.exit(f"Error: {error}")

# What belongs to the study lies apart from other studies; scans and crops are shared by all that cut a cohort alike.
RESULTS = f"results/{STUDY}"
CROPS = f"{COHORT_FOLDER}/crops-{'x'.join(map(str, config['crops']['shape']))}"
COHORT = f"{RESULTS}/cohort/patients.csv"
FOLDS = f"{RESULTS}/folds/folds.csv"
SUMMARY = f"{RESULTS}/scores/summary.csv"
REPORT = f"{RESULTS}/report/report.html"


pathvars:
    results=RESULTS,
    crops=CROPS,
    cohort=COHORT_FOLDER,
    scans=PHANTOM,
    models="results/models",
    logs=f"{RESULTS}/logs",
    benchmarks=f"{RESULTS}/benchmarks",


TABLE = TABLE.set_index("patient", drop=False)
PATIENTS = TABLE["patient"].tolist()
# Of each patient the paths of his scans. No table: one of its cells takes as long to find as a job to plan.
SCANS_OF = TABLE[list(SCANS)].to_dict("index")
GRADES = TABLE["grade"].to_dict()
NETWORKS = config["networks"]
SEGMENTERS = [name for name, entry in NETWORKS.items() if entry["task"] == "segmentation"]
# Networks on single slices, whose patients' grades are voted as those of a VLM are.
SLICERS = [name for name, entry in NETWORKS.items() if entry["architecture"].startswith("slice:")]
CLASSIFIERS = [name for name in NETWORKS if name not in SEGMENTERS + SLICERS]
RADIOMICS = config["radiomics"]
SAM = config["sam"]
SAM_METHODS = settings.sam_methods(config)
FOLD_NUMBERS = list(range(config["folds"]["count"]))
ADAPTERS = config["adapters"]
PUBLISHED_ADAPTERS = [name for name, entry in ADAPTERS.items() if entry["publish"]]
RUNS = config["runs"]
CROP_SETS = settings.crop_sets(config)


def output_of(run):
    """What the task of a run delivers, see glioma/tasks/_task.py."""
    return tasks.get(RUNS[run]["task"]).output


GPU = settings.gpus(config)
# A network has room on one.
ONE_GPU = min(GPU, 1)
ASKED = {entry["model"] for entry in (*ADAPTERS.values(), *RUNS.values())}
HUB = [name for name, entry in config["models"].items() if settings.origin(entry) == "hub"]
SERVED = [name for name, entry in config["models"].items() if settings.origin(entry) == "endpoint"]
EMBEDDED = [name for name, entry in config["models"].items() if settings.origin(entry) == "embedded"]
TRAINED = [name for name in EMBEDDED if config["models"][name]["recipe"]]
CLASSIFICATION_RUNS = [run for run in RUNS if output_of(run) == "grade" and not RUNS[run]["repeats"]]
CONSISTENCY_RUNS = [run for run, entry in RUNS.items() if entry["repeats"]]
SHAPE_RUNS = [run for run in RUNS if output_of(run) in ("region", "point")]
COHORT_LABEL = "phantom cohort" if IS_PHANTOM else f"cohort {Path(config['cohort']['root'] or '.').resolve().name}"


wildcard_constraints:
    patient=settings.alike(PATIENTS),
    network=settings.alternatives(NETWORKS),
    segmenter=settings.alternatives(SEGMENTERS),
    classifier=settings.alternatives(CLASSIFIERS),
    slicer=settings.alternatives(SLICERS),
    radiomics=settings.alternatives(RADIOMICS),
    sam=settings.alternatives(SAM),
    adapter=settings.alternatives(ADAPTERS),
    run=settings.alternatives(RUNS),
    trained=settings.alternatives(TRAINED),
    hub=settings.alternatives(HUB),
    foreign=settings.alternatives(name for name in config["models"] if name not in EMBEDDED),
    crops="brain|tumour",
    part=r"test|everyone|fold\d+",
    fold=r"\d+",
    shard=r"\d+",
