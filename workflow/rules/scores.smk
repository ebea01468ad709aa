# Scores: raw text, parsed answer and score are three files; everything ends in one tidy table.


rule answers:
    input:
        responses=lambda wildcards: responses(wildcards.run),
        crops=lambda wildcards: crop_set_of(RUNS[wildcards.run]),
        folds=FOLDS,
    output:
        "<results>/answers/{run}.csv",
    log:
        "<logs>/answers/{run}.log",
    benchmark:
        "<benchmarks>/answers/{run}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=lambda wildcards: settings.parsing(config, wildcards.run),
        queries=lambda wildcards: settings.queries(config, wildcards.run),
        parts=lambda wildcards: settings.parts(config, wildcards.run),
        code=lambda wildcards: code_of("answers", RUNS[wildcards.run]["task"]),
    script:
        "../scripts/answers.py"


rule score_run:
    input:
        crops=lambda wildcards: crop_set_of(RUNS[wildcards.run]),
        folds=FOLDS,
        answers="<results>/answers/{run}.csv",
    output:
        slices="<results>/scores/{run}/slices.csv",
        patients="<results>/scores/{run}/patients.csv",
        summary="<results>/scores/{run}/summary.csv",
    log:
        "<logs>/score_run/{run}.log",
    benchmark:
        "<benchmarks>/score_run/{run}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        run=lambda wildcards: settings.only(
            RUNS[wildcards.run], "task", "model", "adapter", "repeats", "orientations", "samples", "selection"
        ),
        crops=lambda wildcards: crops_of(RUNS[wildcards.run]),
        settings=lambda wildcards: settings.scoring_of_run(config, wildcards.run),
        seed=config["seed"],
        code=lambda wildcards: code_of("score_run", RUNS[wildcards.run]["task"]),
    script:
        "../scripts/score_run.py"


rule score_baselines:
    input:
        cohort=COHORT,
        crops=lambda wildcards: crop_set(wildcards.crops),
        folds=FOLDS,
    output:
        patients="<results>/scores/baselines/{crops}/patients.csv",
        summary="<results>/scores/baselines/{crops}/summary.csv",
    log:
        "<logs>/score_baselines/{crops}.log",
    benchmark:
        "<benchmarks>/score_baselines/{crops}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=settings.scoring(config, "calibration_bins", *settings.MASKS, *settings.ANSWERED),
        seed=config["seed"],
        code=code_of("score_baselines", *tasks.names()),
    script:
        "../scripts/score_baselines.py"


rule summary:
    input:
        collect("<results>/scores/cnn/{network}/summary.csv", network=NETWORKS),
        [scores_of(name, "summary.csv") for name in [*RADIOMICS, *SAM, *RUNS]],
        collect("<results>/scores/baselines/{crops}/summary.csv", crops=CROP_SETS),
    output:
        SUMMARY,
    log:
        "<logs>/summary.log",
    benchmark:
        "<benchmarks>/summary.tsv"
    conda:
        "../envs/main.yaml"
    params:
        code=code("summary"),
    script:
        "../scripts/summary.py"
