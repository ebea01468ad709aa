# Which files belong to what: functions that rules call, and no rules.

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


def known(patient):
    """A patient of the cohort; another one, which only looks like one, is an error."""
    if patient not in GRADES:
        raise WorkflowError(f"patient {patient}: none of this cohort; the first one is {PATIENTS[0]}")
    return patient


def base(name):
    """What the package needs to load and ask a model, beside its files: name, and its entry's keys."""
    keys = ("backend", "source", "revision", "chat", "endpoint") if name in SERVED else ("backend", *ENTRY)
    return {"name": name, **settings.only(config["models"][name], *keys)}


def model_files(name):
    """The files of a model, all in one folder, so that an edited one is seen; of a fetched one, pinned by its revision, the
    folder."""
    if name in TRAINED:
        return collect(f"{RESULTS}/models/{name}/{{file}}", file=tiny_vlm.FILES)
    if name in EMBEDDED:
        return [local(find(f"{tiny_vlm.FOLDER}/{file}")) for file in tiny_vlm.FILES]
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
    """The word that a model can be used; the embedded one can, and that of an endpoint comes with its first answer."""
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


def environment_of(model):
    """The environment of what answers: vLLM's own, or that of the other backends."""
    own = "vllm" if config["models"][model]["backend"] == "vllm" else "unsloth"
    return f"../envs/{own}.yaml"


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
    """A figure in its three formats; the report shows the PNG."""
    shown = report(
        f"{RESULTS}/report/figures/{name}.png",
        category=category,
        caption=f"../report/{name}.rst",
        labels={"what": name.replace("_", " "), "as": "figure"},
    )
    return [shown, *(f"{RESULTS}/report/figures/{name}.{suffix}" for suffix in ("svg", "pdf"))]


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
