# Voxels vs Tokens: from raw NIfTI to a traceable comparison of 3D CNNs and vision-language models on glioma MRI.
# This file is the table of contents; every stage stands in workflow/rules/.


# Where it lies in the folder of the run; else (--directory) that beside this file.
if os.path.exists("config/config.yaml"):

    configfile: "config/config.yaml"

else:

    configfile: f"{workflow.current_basedir.get_path_or_uri(secret_free=True)}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/names.smk"
include: "workflow/rules/cohort.smk"
include: "workflow/rules/cnn.smk"
include: "workflow/rules/radiomics.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/vlm.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/cnn_scores.smk"
include: "workflow/rules/sam.smk"
include: "workflow/rules/comparisons.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/pictures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/store.smk"
include: "workflow/rules/workbench.smk"
include: "workflow/rules/view3d.smk"
include: "workflow/rules/start.smk"


report: "workflow/report/workflow.rst"


# On one machine GPU jobs queue for its GPUs (`resources: gpu` of the default profile); a cluster uses all it has.
resource_scopes:
    gpu="local",


# Before the first job, and in the main process alone.
onstart:
    for line in LEFT_OUT:
        print(line, file=sys.stderr)
    check_machine()
    check_cohort()
    runs.began(local=bool(workflow.local_exec))
    show_progress()


onsuccess:
    runs.ended()


onerror:
    runs.ended()


rule all:
    default_target: True
    input:
        REPORT,
        SUMMARY,
        # What the report was made from: a result that was removed is made again, not only when it is asked for.
        CNN_PREDICTIONS,
        [responses(run) for run in RUNS],
        collect("<results>/answers/{run}.csv", run=RUNS),
        rules.summary.input,
        rules.patients_json.output,


rule cohort:
    input:
        COHORT,


rule crops:
    input:
        [crop_set(crops) for crops in CROP_SETS],


rule cnn:
    input:
        CNN_PREDICTIONS,


rule vlm:
    input:
        collect("<results>/answers/{run}.csv", run=RUNS),


# On a machine with a network, before jobs run without one.
rule fetch_models:
    input:
        collect("<models>/{hub}.fetched.json", hub=HUB),


# What publish_adapters would send, to be read before: results/<study>/adapters/<adapter>/hub
rule prepare_adapters:
    input:
        collect("<results>/adapters/{adapter}/hub", adapter=PUBLISHED_ADAPTERS),


rule publish_adapters:
    input:
        collect("<results>/adapters/{adapter}/published.json", adapter=PUBLISHED_ADAPTERS),


rule scores:
    input:
        SUMMARY,
