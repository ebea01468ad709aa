# Radiomics: grades from features of a segmenter's masks.


rule predict_radiomics:
    input:
        crops=lambda wildcards: crop_set_of(segmenter_of(wildcards.radiomics)),
        masks=lambda wildcards: masks_of(RADIOMICS[wildcards.radiomics]["segmenter"]),
        folds=FOLDS,
    output:
        features="<results>/radiomics/{radiomics}/features.csv",
        coefficients="<results>/radiomics/{radiomics}/coefficients.csv",
        predictions="<results>/radiomics/{radiomics}/predictions.csv",
    log:
        "<logs>/predict_radiomics/{radiomics}.log",
    benchmark:
        "<benchmarks>/predict_radiomics/{radiomics}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        radiomics=lambda wildcards: ordered(RADIOMICS[wildcards.radiomics]),
        seed=config["seed"],
        code=code("predict_radiomics"),
    script:
        "../scripts/predict_radiomics.py"
