# The vision-language models: base model, conversations, LoRA adapters, and what each run answers.

HUB = [name for name, entry in config["models"].items() if settings.kind(entry) == "hub"]
EMBEDDED = [name for name, entry in config["models"].items() if settings.kind(entry) == "embedded"]


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


rule tiny_vlm:
    output:
        collect("results/models/{{embedded}}/{file}", file=tiny.FILES),
        history="results/models/{embedded}/history.csv",
    log:
        "results/logs/tiny_vlm/{embedded}.log",
    benchmark:
        "results/benchmarks/tiny_vlm/{embedded}.tsv"
    priority: 50
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=settings.ordered(config["tiny_vlm"]),
        seed=config["seed"],
        code=code("tiny_vlm"),
    script:
        "../scripts/tiny_vlm.py"


# The one rule that talks to the hub: run it where there is a network (`snakemake fetch_models`), all others run without.
rule fetch_model:
    output:
        "results/models/{hub}/fetched.json",
    log:
        "results/logs/fetch_model/{hub}.log",
    benchmark:
        "results/benchmarks/fetch_model/{hub}.tsv"
    localrule: True
    params:
        model=lambda wildcards: {key: config["models"][wildcards.hub][key] for key in ("revision", "source")},
        code=code("fetch_model"),
    script:
        "../scripts/fetch_model.py"


rule conversations:
    input:
        crops=CROPS,
        folds=FOLDS,
        prompt=lambda wildcards: settings.prompt_file(config["adapters"][wildcards.adapter]["prompt"]),
    output:
        images=directory("results/conversations/{adapter}/images"),
        train="results/conversations/{adapter}/train.jsonl",
        validation="results/conversations/{adapter}/validation.jsonl",
        test="results/conversations/{adapter}/test.jsonl",
    log:
        "results/logs/conversations/{adapter}.log",
    benchmark:
        "results/benchmarks/conversations/{adapter}.tsv"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        task=lambda wildcards: config["adapters"][wildcards.adapter]["task"],
        settings=lambda wildcards: settings.conversations(config, wildcards.adapter),
        seed=config["seed"],
        code=code("conversations"),
    script:
        "../scripts/conversations.py"


rule finetune:
    input:
        lambda wildcards: base_files(config["adapters"][wildcards.adapter]["model"]),
        # The images are read through the conversations; naming them makes a lost one be written again.
        images="results/conversations/{adapter}/images",
        train="results/conversations/{adapter}/train.jsonl",
        validation="results/conversations/{adapter}/validation.jsonl",
    output:
        "results/adapters/{adapter}/adapter_config.json",
        "results/adapters/{adapter}/adapter_model.safetensors",
        history="results/adapters/{adapter}/history.csv",
    log:
        "results/logs/finetune/{adapter}.log",
    benchmark:
        "results/benchmarks/finetune/{adapter}.tsv"
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=lambda wildcards, attempt: 480 * attempt,
    params:
        base=lambda wildcards: base(config["adapters"][wildcards.adapter]["model"]),
        settings=lambda wildcards: settings.ordered(config["adapters"][wildcards.adapter]["training"]),
        seed=config["seed"],
        code=code("finetune"),
    script:
        "../scripts/finetune.py"


rule respond:
    input:
        lambda wildcards: base_files(RUNS[wildcards.run]["model"]),
        lambda wildcards: adapter_files(RUNS[wildcards.run]["adapter"]),
        crops=CROPS,
        folds=FOLDS,
        prompt=lambda wildcards: settings.prompt_file(RUNS[wildcards.run]["prompt"]),
    output:
        responses="results/responses/{run}/shard-{shard}.jsonl",
        timing="results/responses/{run}/shard-{shard}.timing.csv",
    log:
        "results/logs/respond/{run}.{shard}.log",
    benchmark:
        "results/benchmarks/respond/{run}.{shard}.tsv"
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        base=lambda wildcards: base(RUNS[wildcards.run]["model"]),
        adapter=lambda wildcards: RUNS[wildcards.run]["adapter"],
        asked=lambda wildcards: settings.asked(config, wildcards.run),
        generation=lambda wildcards: settings.generation(config, wildcards.run),
        seed=config["seed"],
        code=code("respond"),
    script:
        "../scripts/respond.py"
