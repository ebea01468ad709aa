# The figures.


rule draw_learning:
    input:
        networks=collect("<results>/cnn/{network}/fold{fold}/history.csv", network=NETWORKS, fold=FOLD_NUMBERS),
        adapters=[
            f"{RESULTS}/adapters/{adapter}/fold{fold}/history.csv"
            for adapter in ADAPTERS
            for fold in settings.adapter_folds(config, adapter)
        ],
    output:
        learning_curves_cnn=figure("learning_curves_cnn", "6 Training"),
        learning_rates=figure("learning_rates", "6 Training"),
        learning_curves_vlm=figure("learning_curves_vlm", "6 Training"),
    log:
        "<logs>/draw_learning.log",
    benchmark:
        "<benchmarks>/draw_learning.tsv"
    conda:
        "../envs/main.yaml"
    params:
        code=code("draw_learning"),
    script:
        "../scripts/draw_learning.py"


# A rule a module of figures: what one of them shows is drawn again alone.
SHOWN_COHORT = "pooled"
"""Every patient by a model that has not seen it, where a method has that; its test patients where not."""
GRADING = [*CLASSIFIERS, *SLICERS, *RADIOMICS, *CLASSIFICATION_RUNS]
GRADERS = [scores_of(name) for name in GRADING]


rule draw_comparison:
    input:
        summary=SUMMARY,
    output:
        comparison=figure("comparison", "2 Results"),
    log:
        "<logs>/draw_comparison.log",
    benchmark:
        "<benchmarks>/draw_comparison.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        cohort=SHOWN_COHORT,
        declared=sorted({name for pair in config["comparisons"] for name in pair}),
        code=code("draw_comparison"),
    script:
        "../scripts/draw_comparison.py"


rule draw_grading:
    input:
        graders=GRADERS,
        consistency=collect("<results>/answers/{run}.csv", run=CONSISTENCY_RUNS),
        folds=FOLDS,
    output:
        gldr=figure("gldr", "2 Results"),
        confusion=figure("confusion", "2 Results"),
        consistency=figure("consistency", "2 Results"),
    log:
        "<logs>/draw_grading.log",
    benchmark:
        "<benchmarks>/draw_grading.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        cohort=SHOWN_COHORT,
        gldr=config["votes"]["gldr_denominator"],
        runs=[facts(run) for run in CONSISTENCY_RUNS],
        temperatures=[RUNS[run]["generation"]["temperature"] for run in CONSISTENCY_RUNS],
        code=code("draw_grading"),
    script:
        "../scripts/draw_grading.py"


rule draw_reliability:
    input:
        graders=GRADERS,
    output:
        reliability=figure("reliability", "2 Results"),
        abstention=figure("abstention", "2 Results"),
    log:
        "<logs>/draw_reliability.log",
    benchmark:
        "<benchmarks>/draw_reliability.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        cohort=SHOWN_COHORT,
        bins=config["scores"]["calibration_bins"],
        code=code("draw_reliability"),
    script:
        "../scripts/draw_reliability.py"


rule draw_distributions:
    input:
        [scores_of(name) for name in SEGMENTERS + SHAPE_RUNS],
        BASELINE_PATIENTS,
    output:
        distributions=figure("distributions", "2 Results"),
        box_distributions=figure("box_distributions", "2 Results"),
        polygon_distributions=figure("polygon_distributions", "2 Results"),
        centre_distances=figure("centre_distances", "2 Results"),
    log:
        "<logs>/draw_distributions.log",
    benchmark:
        "<benchmarks>/draw_distributions.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        cohort=SHOWN_COHORT,
        unit=config["scores"]["hd95_unit"],
        code=code_of("draw_distributions", *tasks.names()),
    script:
        "../scripts/draw_distributions.py"


rule draw_placement:
    input:
        collect("<results>/scores/{run}/slices.csv", run=SHAPE_RUNS),
    output:
        placement=figure("placement", "2 Results"),
    log:
        "<logs>/draw_placement.log",
    benchmark:
        "<benchmarks>/draw_placement.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        side=config["slices"]["side"],
        code=code_of("draw_placement", *tasks.names()),
    script:
        "../scripts/draw_placement.py"


rule draw_mask_sizes:
    input:
        [scores_of(name) for name in SEGMENTERS],
        BASELINE_PATIENTS,
    output:
        mask_sizes=figure("mask_sizes", "2 Results"),
    log:
        "<logs>/draw_mask_sizes.log",
    benchmark:
        "<benchmarks>/draw_mask_sizes.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        cohort=SHOWN_COHORT,
        code=code("draw_mask_sizes"),
    script:
        "../scripts/draw_mask_sizes.py"
