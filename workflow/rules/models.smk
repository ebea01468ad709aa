# The base models of VLMs: the embedded one, those of the hub, and whether a model can be asked at all.


# The embedded model with a recipe of its own: the one that the project holds is trained already.
rule tiny_vlm:
    output:
        collect("<results>/models/{{trained}}/{file}", file=tiny_vlm.FILES),
        history="<results>/models/{trained}/history.csv",
    log:
        "<logs>/tiny_vlm/{trained}.log",
    benchmark:
        "<benchmarks>/tiny_vlm/{trained}.tsv"
    priority: 50
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        recipe=lambda wildcards: ordered(config["models"][wildcards.trained]["recipe"]),
        seed=config["seed"],
        code=code("tiny_vlm"),
    script:
        "../scripts/tiny_vlm.py"


# Run it where there is a network (`snakemake --cores 1 fetch_models`): but for this, and for publish_adapter and
# fetch_niivue, which no result depends on, all rules run without one.
rule fetch_model:
    output:
        folder=directory("<models>/{hub}"),
        fetched="<models>/{hub}.fetched.json",
    log:
        "<logs>/fetch_model/{hub}.log",
    benchmark:
        "<benchmarks>/fetch_model/{hub}.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        model=lambda wildcards: {key: config["models"][wildcards.hub][key] for key in ("revision", "source")},
        code=code("fetch_model"),
    script:
        "../scripts/fetch_model.py"


# Before hours of training: can it be asked about a picture at all?
rule check_model:
    input:
        model=lambda wildcards: model_files(wildcards.foreign),
        template=lambda wildcards: template_of(wildcards.foreign),
    output:
        "<results>/models/{foreign}.checked.json",
    log:
        "<logs>/check_model/{foreign}.log",
    benchmark:
        "<benchmarks>/check_model/{foreign}.tsv"
    priority: 90
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        base=lambda wildcards: settings.only(base(wildcards.foreign), "name", "chat", "processor"),
        # An older file in place of a newer one is another model, too.
        files=lambda wildcards: stamps([*model_files(wildcards.foreign), *template_of(wildcards.foreign)]),
        side=config["slices"]["side"],
        code=code("check_model"),
    script:
        "../scripts/check_model.py"
