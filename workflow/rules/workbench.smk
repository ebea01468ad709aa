# The prompt workbench: nothing depends on it. After an edit of a run's prompt:
# snakemake --cores 1 results/<study>/try/<run>/<patient>.html


rule try_prompt:
    input:
        lambda wildcards: checked(RUNS[wildcards.run]["model"]),
        model=lambda wildcards: model_files(RUNS[wildcards.run]["model"]),
        template=lambda wildcards: template_of(RUNS[wildcards.run]["model"]),
        adapter=lambda wildcards: adapter_files(wildcards.run, "test"),
        crops=lambda wildcards: known(wildcards.patient) and crop_set_of(RUNS[wildcards.run]),
        folds=FOLDS,
        prompt=lambda wildcards: prompt_of(RUNS[wildcards.run]),
        system=lambda wildcards: system_of(RUNS[wildcards.run]),
        examples=lambda wildcards: examples_of(wildcards.run, "test"),
    output:
        page="<results>/try/{run}/{patient}.html",
        responses="<results>/try/{run}/{patient}.jsonl",
        timing="<results>/try/{run}/{patient}.timing.csv",
    log:
        "<logs>/try_prompt/{run}.{patient}.log",
    conda:
        lambda wildcards: environment_of(RUNS[wildcards.run]["model"])
    resources:
        gpu=lambda wildcards: gpus_of(wildcards.run),
        mem_mb=16000,
        runtime=60,
    params:
        base=lambda wildcards: base(RUNS[wildcards.run]["model"]),
        prompt=lambda wildcards: stamp(prompt_of(RUNS[wildcards.run])),
        system=lambda wildcards: stamps(system_of(RUNS[wildcards.run])),
        wording=lambda wildcards: settings.wording(config, RUNS[wildcards.run]),
        queries=lambda wildcards: settings.queries(config, wildcards.run),
        generation=lambda wildcards: settings.generation(config, wildcards.run),
        parsing=lambda wildcards: settings.parsing(config, wildcards.run),
        truth=lambda wildcards: settings.truth(config, wildcards.run),
        phantom=IS_PHANTOM,
        seed=config["seed"],
        # That of `respond`: its answers are those of the run.
        code=lambda wildcards: code_of_answers(wildcards.run),
    script:
        "../scripts/try_prompt.py"
