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
# The task whose answers it is given.
BOXES = next(name for name in tasks.located() if getattr(tasks.get(name), "drawn", "") == "box")
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
CLASSIFICATION_RUNS = [run for run in RUNS if output_of(run) == "grade" and not RUNS[run]["repeats"]]
CONSISTENCY_RUNS = [run for run, entry in RUNS.items() if entry["repeats"]]
SHAPE_RUNS = [run for run in RUNS if output_of(run) in ("region", "point")]
COHORT_LABEL = "phantom cohort" if IS_PHANTOM else f"cohort {Path(config['cohort']['root'] or '.').resolve().name}"


wildcard_constraints:
    patient=settings.alternatives(PATIENTS),
    network=settings.alternatives(NETWORKS),
    segmenter=settings.alternatives(SEGMENTERS),
    classifier=settings.alternatives(CLASSIFIERS),
    slicer=settings.alternatives(SLICERS),
    radiomics=settings.alternatives(RADIOMICS),
    sam=settings.alternatives(SAM),
    adapter=settings.alternatives(ADAPTERS),
    run=settings.alternatives(RUNS),
    embedded=settings.alternatives(EMBEDDED),
    hub=settings.alternatives(HUB),
    foreign=settings.alternatives(name for name in config["models"] if name not in EMBEDDED),
    crops="brain|tumour",
    part=r"test|everyone|fold\d+",
    fold=r"\d+",
    shard=r"\d+",


stamped = cache(stamp)


def stamps(paths):
    """What tells other contents of a user's files, newer or older; each is looked at once a start."""
    return [stamped(path) for path in paths]


def code_of(script, *names):
    """The code of a script that works on these tasks, which it imports by their names."""
    return code(script, *(tasks.module(name) for name in names))


def digest(path):
    """A digest of one of the project's own files: a moved checkout is no new input, an edited file is."""
    return content(PROJECT / path)


def base(name):
    """What the package needs to load and ask a model, beside its files: name, and its entry's keys."""
    keys = ("backend", "source", "revision", "chat", "endpoint") if name in SERVED else ("backend", *ENTRY)
    return {"name": name, **settings.only(config["models"][name], *keys)}


def model_files(name):
    """The files of a model, all in one folder, so that an edited one is seen; of a fetched one, pinned by its revision, the
    folder."""
    if name in EMBEDDED:
        return collect(f"{RESULTS}/models/{name}/{{file}}", file=tiny_vlm.FILES)
    if name in SERVED:
        return []
    if name in HUB:
        return [f"results/models/{name}"]
    return [local(path) for path in settings.model_files(config["models"][name]["source"])]


def template_of(name):
    """The file of the chat template that a model's entry names, if it names one."""
    template = config["models"][name]["chat"]["template"]
    return [local(find(template))] if template else []


def checked(name):
    """The word that a model can be used; that of the embedded one is its own recipe's, that of an endpoint comes with its
    first answer."""
    return [] if name in EMBEDDED + SERVED else [f"{RESULTS}/models/{name}.checked.json"]


def prompt_of(entry):
    """The file of the prompt of a run or adapter: one of the checkout, which every job has, and of no storage."""
    return local(settings.prompt_file(entry["prompt"]))


def gpus_of(run):
    """GPUs that a run's jobs ask for: what a server answers needs none of ours."""
    return 0 if RUNS[run]["model"] in SERVED else GPU


def code_of_answers(run):
    """The code that answers depend on, that of the backend included."""
    return code("respond", backends.module(config["models"][RUNS[run]["model"]]["backend"]))


def system_of(entry):
    """The file of the system prompt of a run or adapter, if it has one."""
    file = settings.system_file(config, entry)
    return [local(file)] if file else []


def examples_of(run, part):
    """The file of a run's examples and their pictures, if it has any."""
    folder = f"{RESULTS}/examples/{run}/{part}"
    return [f"{folder}/examples.jsonl", f"{folder}/images"] if RUNS[run]["examples"] else []


def adapter_files(run, part):
    """The files of the adapter that answers for a part of a run; none for a model off the shelf."""
    adapter = RUNS[run]["adapter"]
    if not adapter:
        return []
    folder = f"{RESULTS}/adapters/{adapter}/fold{settings.adapter_fold(config, run, part)}"
    return [f"{folder}/{file}" for file in ADAPTER_FILES]


def crops_of(entry):
    return settings.crops_of(config, entry)


def crop_set(crops):
    """The folder of the study's crops of one set."""
    return f"{CROPS}/{crops}/{STUDY}"


def crop_set_of(entry):
    """The crops that a network, an adapter or a run is given."""
    return crop_set(crops_of(entry))


def scores_of(name, file="patients.csv"):
    """A file of the scores of a network, a radiomics grader, a promptable segmenter or a run."""
    sections = {"cnn/": NETWORKS, "radiomics/": RADIOMICS, "sam/": SAM}
    folder = next((folder for folder, entries in sections.items() if name in entries), "")
    return f"{RESULTS}/scores/{folder}{name}/{file}"


def crops_of_sam(name):
    """The crop set of the boxes of a promptable segmenter."""
    (crops,) = settings.crops_of_sam(config, name)
    return crops


def drawn_by(sam, those):
    """The sources of a promptable segmenter's boxes that are among these."""
    return [source for source in SAM[sam]["boxes"] if source in those]


def sam_files(name):
    """The files of a promptable segmenter that lies in a folder of the user's."""
    model = SAM[name]["model"]
    return [] if model == LITE else [local(path) for path in settings.model_files(model)]


def segmenter_of(radiomics):
    """The entry of the network whose masks a radiomics grader describes."""
    return NETWORKS[RADIOMICS[radiomics]["segmenter"]]


def masks_of(segmenter):
    """The folder of the masks that a network predicts of all patients."""
    return f"{RESULTS}/cnn/{segmenter}/masks"


def responses(run, kind=".jsonl"):
    """The files of all parts and shards of a run, in the order of their answers."""
    shards = range(RUNS[run]["shards"])
    return [
        f"{RESULTS}/responses/{run}/{part}-{shard}{kind}" for part in settings.parts(config, run) for shard in shards
    ]


def figure(name, category):
    """A figure in both formats; the report shows the PNG."""
    shown = report(
        f"{RESULTS}/report/figures/{name}.png",
        category=category,
        caption=f"../report/{name}.rst",
        labels={"what": name.replace("_", " "), "as": "figure"},
    )
    return [shown, f"{RESULTS}/report/figures/{name}.svg"]


def table(name, category, exports=("csv", "tex")):
    """A table as one HTML file that needs nothing else, and as CSV and LaTeX."""
    shown = report(
        f"{RESULTS}/report/tables/{name}.html",
        category=category,
        caption=f"../report/{name}.rst",
        labels={"what": name.replace("_", " "), "as": "table"},
    )
    return [shown, *(f"{RESULTS}/report/tables/{name}.{suffix}" for suffix in exports)]


def facts(run):
    """The columns that say in every table whose rows a run's are."""
    entry = RUNS[run]
    names = {"task": entry["task"], "family": "vlm", "run": run, "model": entry["model"]}
    return {**names, "adapter": entry["adapter"] or "", "crops": crops_of(entry)}
