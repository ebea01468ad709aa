# Scores of what networks and radiomics predicted.


rule score_classifier:
    input:
        folds=FOLDS,
        predictions="<results>/cnn/{classifier}/predictions.csv",
    output:
        patients="<results>/scores/cnn/{classifier}/patients.csv",
        summary="<results>/scores/cnn/{classifier}/summary.csv",
    log:
        "<logs>/score_classifier/{classifier}.log",
    benchmark:
        "<benchmarks>/score_classifier/{classifier}.tsv"
    conda:
        "../envs/main.yaml"
    params:
        facts=lambda wildcards: {
            "family": "cnn",
            "run": wildcards.classifier,
            "model": NETWORKS[wildcards.classifier]["architecture"],
            "crops": crops_of(NETWORKS[wildcards.classifier]),
        },
        settings=settings.scoring(config, "calibration_bins"),
        published=config["folds"]["published"],
        seed=config["seed"],
        code=code("score_classifier"),
    script:
        "../scripts/score_classifier.py"


use rule score_classifier as score_radiomics with:
    input:
        folds=FOLDS,
        predictions="<results>/radiomics/{radiomics}/predictions.csv",
    output:
        patients="<results>/scores/radiomics/{radiomics}/patients.csv",
        summary="<results>/scores/radiomics/{radiomics}/summary.csv",
    log:
        "<logs>/score_radiomics/{radiomics}.log",
    benchmark:
        "<benchmarks>/score_radiomics/{radiomics}.tsv"
    params:
        facts=lambda wildcards: {
            "family": "radiomics",
            "run": wildcards.radiomics,
            "model": f"radiomics of {RADIOMICS[wildcards.radiomics]['segmenter']}",
            "crops": crops_of(segmenter_of(wildcards.radiomics)),
        },
        # The published fold's model alone stands beside published rows, which have none of these.
        published=None,


rule score_segmenter:
    input:
        crops=lambda wildcards: crop_set_of(NETWORKS[wildcards.segmenter]),
        folds=FOLDS,
        masks=lambda wildcards: masks_of(wildcards.segmenter),
        single="<results>/cnn/{segmenter}/single",
    output:
        patients="<results>/scores/cnn/{segmenter}/patients.csv",
        summary="<results>/scores/cnn/{segmenter}/summary.csv",
    log:
        "<logs>/score_segmenter/{segmenter}.log",
    benchmark:
        "<benchmarks>/score_segmenter/{segmenter}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        crops=lambda wildcards: crops_of(NETWORKS[wildcards.segmenter]),
        model=lambda wildcards: NETWORKS[wildcards.segmenter]["architecture"],
        settings=settings.scoring(config, *settings.MASKS),
        published=config["folds"]["published"],
        seed=config["seed"],
        code=code("score_segmenter"),
    script:
        "../scripts/score_segmenter.py"


rule score_slices:
    input:
        crops=lambda wildcards: crop_set_of(NETWORKS[wildcards.slicer]),
        folds=FOLDS,
        answers="<results>/cnn/{slicer}/answers.csv",
    output:
        slices="<results>/scores/cnn/{slicer}/slices.csv",
        patients="<results>/scores/cnn/{slicer}/patients.csv",
        summary="<results>/scores/cnn/{slicer}/summary.csv",
    log:
        "<logs>/score_slices/{slicer}.log",
    benchmark:
        "<benchmarks>/score_slices/{slicer}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        crops=lambda wildcards: crops_of(NETWORKS[wildcards.slicer]),
        model=lambda wildcards: NETWORKS[wildcards.slicer]["architecture"],
        settings=settings.scoring(config, "calibration_bins", votes=True),
        seed=config["seed"],
        code=code("score_slices"),
    script:
        "../scripts/score_slices.py"
