# The 3D CNNs: one network a fold, then what each says of patients it never saw.

CNN_PREDICTIONS = collect("results/cnn/{network}/predictions.csv", network=NETWORKS)


rule train_cnn:
    input:
        crops=CROPS,
        folds=FOLDS,
    output:
        weights="results/cnn/{network}/fold{fold}/weights.safetensors",
        history="results/cnn/{network}/fold{fold}/history.csv",
    log:
        "results/logs/train_cnn/{network}.fold{fold}.log",
    benchmark:
        "results/benchmarks/train_cnn/{network}.fold{fold}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        network=lambda wildcards: settings.ordered(NETWORKS[wildcards.network]),
        shape=config["crops"]["shape"],
        seed=config["seed"],
        code=code("train_cnn"),
    script:
        "../scripts/train_cnn.py"


rule predict_cnn_grade:
    input:
        crops=CROPS,
        folds=FOLDS,
        weights=collect("results/cnn/{{classifier}}/fold{fold}/weights.safetensors", fold=FOLD_NUMBERS),
    output:
        "results/cnn/{classifier}/predictions.csv",
    log:
        "results/logs/predict_cnn_grade/{classifier}.log",
    benchmark:
        "results/benchmarks/predict_cnn_grade/{classifier}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        network=lambda wildcards: settings.ordered(NETWORKS[wildcards.classifier]),
        shape=config["crops"]["shape"],
        code=code("predict_cnn_grade"),
    script:
        "../scripts/predict_cnn_grade.py"


rule predict_cnn_mask:
    input:
        crops=CROPS,
        folds=FOLDS,
        weights=collect("results/cnn/{{segmenter}}/fold{fold}/weights.safetensors", fold=FOLD_NUMBERS),
    output:
        table="results/cnn/{segmenter}/predictions.csv",
        masks=collect("results/cnn/{{segmenter}}/masks/{patient}.npy", patient=PATIENTS),
        scans=collect("results/cnn/{{segmenter}}/nifti/{patient}.nii.gz", patient=PATIENTS),
    log:
        "results/logs/predict_cnn_mask/{segmenter}.log",
    benchmark:
        "results/benchmarks/predict_cnn_mask/{segmenter}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        network=lambda wildcards: settings.ordered(NETWORKS[wildcards.segmenter]),
        shape=config["crops"]["shape"],
        code=code("predict_cnn_mask"),
    script:
        "../scripts/predict_cnn_mask.py"
