# Figures that are pictures: scans, and what networks and VLMs drew on them.


rule draw_cohort:
    input:
        crops=crop_set(config["crops"]["mode"]),
        folds=FOLDS,
    output:
        sample_scans=figure("sample_scans", "1 Cohort"),
        orientations=figure("orientations", "1 Cohort"),
        shapes_truth=figure("shapes_truth", "1 Cohort"),
    log:
        "<logs>/draw_cohort.log",
    benchmark:
        "<benchmarks>/draw_cohort.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        side=config["slices"]["side"],
        code=code_of("draw_cohort", *tasks.names()),
    script:
        "../scripts/draw_cohort.py"


rule draw_masks:
    input:
        patients=[scores_of(name) for name in SEGMENTERS],
        masks=[masks_of(name) for name in SEGMENTERS],
        crops=[crop_set_of(NETWORKS[name]) for name in SEGMENTERS],
    output:
        cnn_overlays=figure("cnn_overlays", "5 Pictures"),
        cnn_failures=figure("cnn_failures", "5 Pictures"),
    log:
        "<logs>/draw_masks.log",
    benchmark:
        "<benchmarks>/draw_masks.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        cohort=SHOWN_COHORT,
        networks={name: crops_of(NETWORKS[name]) for name in SEGMENTERS},
        code=code("draw_masks"),
    script:
        "../scripts/draw_masks.py"


rule draw_answers:
    input:
        slices=collect("<results>/scores/{run}/slices.csv", run=SHAPE_RUNS),
        crops=[crop_set_of(RUNS[run]) for run in SHAPE_RUNS],
    output:
        answer_overlays=figure("answer_overlays", "5 Pictures"),
    log:
        "<logs>/draw_answers.log",
    benchmark:
        "<benchmarks>/draw_answers.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        runs=[facts(run) for run in SHAPE_RUNS],
        side=config["slices"]["side"],
        code=code_of("draw_answers", *tasks.names()),
    script:
        "../scripts/draw_answers.py"
