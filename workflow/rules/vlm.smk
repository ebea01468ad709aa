# The vision-language models: conversations, LoRA adapters, and what each run answers.


rule conversations:
    input:
        crops=lambda wildcards: crop_set_of(ADAPTERS[wildcards.adapter]),
        folds=FOLDS,
        prompt=lambda wildcards: prompt_of(ADAPTERS[wildcards.adapter]),
        system=lambda wildcards: system_of(ADAPTERS[wildcards.adapter]),
    output:
        images=directory("<results>/conversations/{adapter}/images"),
        train=collect("<results>/conversations/{{adapter}}/fold{fold}/train.jsonl", fold=FOLD_NUMBERS),
        validation=collect("<results>/conversations/{{adapter}}/fold{fold}/validation.jsonl", fold=FOLD_NUMBERS),
        test="<results>/conversations/{adapter}/test.jsonl",
    log:
        "<logs>/conversations/{adapter}.log",
    benchmark:
        "<benchmarks>/conversations/{adapter}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        task=lambda wildcards: ADAPTERS[wildcards.adapter]["task"],
        # By content, too: an older file in its place is another prompt.
        prompt=lambda wildcards: stamp(prompt_of(ADAPTERS[wildcards.adapter])),
        system=lambda wildcards: stamps(system_of(ADAPTERS[wildcards.adapter])),
        settings=lambda wildcards: settings.conversations(config, wildcards.adapter),
        wording=lambda wildcards: settings.wording(config, ADAPTERS[wildcards.adapter]),
        folds=FOLD_NUMBERS,
        seed=config["seed"],
        code=lambda wildcards: code_of("conversations", ADAPTERS[wildcards.adapter]["task"]),
    script:
        "../scripts/conversations.py"


rule finetune:
    input:
        lambda wildcards: checked(ADAPTERS[wildcards.adapter]["model"]),
        model=lambda wildcards: model_files(ADAPTERS[wildcards.adapter]["model"]),
        template=lambda wildcards: template_of(ADAPTERS[wildcards.adapter]["model"]),
        # The images are read through the conversations; naming them makes a lost one be written again.
        images="<results>/conversations/{adapter}/images",
        train="<results>/conversations/{adapter}/fold{fold}/train.jsonl",
        validation="<results>/conversations/{adapter}/fold{fold}/validation.jsonl",
    output:
        "<results>/adapters/{adapter}/fold{fold}/adapter_config.json",
        "<results>/adapters/{adapter}/fold{fold}/adapter_model.safetensors",
        history="<results>/adapters/{adapter}/fold{fold}/history.csv",
    log:
        "<logs>/finetune/{adapter}.fold{fold}.log",
    benchmark:
        "<benchmarks>/finetune/{adapter}.fold{fold}.tsv"
    conda:
        "../envs/unsloth.yaml"
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=lambda wildcards, attempt: 480 * attempt,
    params:
        # Whatever answers in the end, training is the same.
        base=lambda wildcards: settings.only(base(ADAPTERS[wildcards.adapter]["model"]), "name", *ENTRY),
        parsing=lambda wildcards: settings.adapter_parsing(config, wildcards.adapter),
        settings=lambda wildcards: ordered(ADAPTERS[wildcards.adapter]["training"]),
        seed=config["seed"],
        code=lambda wildcards: code_of("finetune", ADAPTERS[wildcards.adapter]["task"]),
    script:
        "../scripts/finetune.py"


# Answered slices of patients whom a part does not ask about.
rule examples:
    input:
        crops=lambda wildcards: crop_set_of(RUNS[wildcards.run]),
        folds=FOLDS,
    output:
        examples="<results>/examples/{run}/{part}/examples.jsonl",
        images=directory("<results>/examples/{run}/{part}/images"),
    log:
        "<logs>/examples/{run}.{part}.log",
    benchmark:
        "<benchmarks>/examples/{run}.{part}.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        task=lambda wildcards: RUNS[wildcards.run]["task"],
        settings=lambda wildcards: settings.examples(config, wildcards.run),
        seed=config["seed"],
        code=lambda wildcards: code_of("examples", RUNS[wildcards.run]["task"]),
    script:
        "../scripts/examples.py"


rule respond:
    input:
        lambda wildcards: checked(RUNS[wildcards.run]["model"]),
        model=lambda wildcards: model_files(RUNS[wildcards.run]["model"]),
        template=lambda wildcards: template_of(RUNS[wildcards.run]["model"]),
        adapter=lambda wildcards: adapter_files(wildcards.run, wildcards.part),
        crops=lambda wildcards: crop_set_of(RUNS[wildcards.run]),
        folds=FOLDS,
        prompt=lambda wildcards: prompt_of(RUNS[wildcards.run]),
        system=lambda wildcards: system_of(RUNS[wildcards.run]),
        examples=lambda wildcards: examples_of(wildcards.run, wildcards.part),
    output:
        responses="<results>/responses/{run}/{part}-{shard}.jsonl",
        timing="<results>/responses/{run}/{part}-{shard}.timing.csv",
    log:
        "<logs>/respond/{run}.{part}-{shard}.log",
    benchmark:
        "<benchmarks>/respond/{run}.{part}-{shard}.tsv"
    conda:
        lambda wildcards: environment_of(RUNS[wildcards.run]["model"])
    resources:
        gpu=lambda wildcards: gpus_of(wildcards.run),
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        base=lambda wildcards: base(RUNS[wildcards.run]["model"]),
        prompt=lambda wildcards: stamp(prompt_of(RUNS[wildcards.run])),
        system=lambda wildcards: stamps(system_of(RUNS[wildcards.run])),
        wording=lambda wildcards: settings.wording(config, RUNS[wildcards.run]),
        task=lambda wildcards: RUNS[wildcards.run]["task"],
        queries=lambda wildcards: settings.queries(config, wildcards.run),
        generation=lambda wildcards: settings.generation(config, wildcards.run),
        seed=config["seed"],
        code=lambda wildcards: code_of_answers(wildcards.run),
    script:
        "../scripts/respond.py"


# Nothing depends on these two: an adapter leaves the machine only when it names a repository and they are asked for.
rule prepare_adapter:
    input:
        adapters=lambda wildcards: collect(
            "<results>/adapters/{{adapter}}/fold{fold}/{file}",
            fold=ADAPTERS[wildcards.adapter]["folds"],
            file=ADAPTER_FILES,
        ),
        folds=FOLDS,
        prompt=lambda wildcards: prompt_of(ADAPTERS[wildcards.adapter]),
        system=lambda wildcards: system_of(ADAPTERS[wildcards.adapter]),
        summary=SUMMARY,
    output:
        directory("<results>/adapters/{adapter}/hub"),
    log:
        "<logs>/prepare_adapter/{adapter}.log",
    benchmark:
        "<benchmarks>/prepare_adapter/{adapter}.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        adapter=lambda wildcards: ordered(
            ADAPTERS[wildcards.adapter] | {"conversations": settings.conversations(config, wildcards.adapter)}
        ),
        wording=lambda wildcards: settings.wording(config, ADAPTERS[wildcards.adapter]),
        base=lambda wildcards: settings.only(
            config["models"][ADAPTERS[wildcards.adapter]["model"]], "source", "revision"
        ),
        facts=lambda wildcards: {
            "study": config["title"] or STUDY,
            "cohort": COHORT_LABEL,
            "phantom": IS_PHANTOM,
            "crops": crops_of(ADAPTERS[wildcards.adapter]),
        },
        code=lambda wildcards: code_of("prepare_adapter", ADAPTERS[wildcards.adapter]["task"]),
    script:
        "../scripts/prepare_adapter.py"


rule publish_adapter:
    input:
        "<results>/adapters/{adapter}/hub",
    output:
        "<results>/adapters/{adapter}/published.json",
    log:
        "<logs>/publish_adapter/{adapter}.log",
    benchmark:
        "<benchmarks>/publish_adapter/{adapter}.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        publish=lambda wildcards: ADAPTERS[wildcards.adapter]["publish"],
        code=code("publish_adapter"),
    script:
        "../scripts/publish_adapter.py"
