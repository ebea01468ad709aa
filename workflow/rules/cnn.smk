# The 3D CNNs: one network a fold, then what each says of patients it never saw.

CNN_PREDICTIONS = [
    f"{RESULTS}/cnn/{network}/{'answers' if network in SLICERS else 'predictions'}.csv" for network in NETWORKS
]


# A class or an argument that is not there is told before crops are cut, not after.
rule check_networks:
    output:
        "<results>/cnn/networks.json",
    log:
        "<logs>/check_networks.log",
    benchmark:
        "<benchmarks>/check_networks.tsv"
    priority: 90
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        networks={
            name: settings.only(NETWORKS[name], "architecture", "arguments", "channels", "input", "multiple", "task")
            for name in sorted(NETWORKS)
        },
        shape=config["crops"]["shape"],
        code=code("check_networks"),
    script:
        "../scripts/check_networks.py"


rule train_cnn:
    input:
        # Said once, of all: another network's entry trains nothing again.
        ancient("<results>/cnn/networks.json"),
        crops=lambda wildcards: crop_set_of(NETWORKS[wildcards.network]),
        folds=FOLDS,
    output:
        weights="<results>/cnn/{network}/fold{fold}/weights.safetensors",
        history="<results>/cnn/{network}/fold{fold}/history.csv",
    log:
        "<logs>/train_cnn/{network}.fold{fold}.log",
    benchmark:
        "<benchmarks>/train_cnn/{network}.fold{fold}.tsv"
    conda:
        "../envs/main.yaml"
    # Beside a GPU three more processes read crops; on CPUs folds side by side are faster than threads.
    threads: 4 if GPU else 1
    resources:
        gpu=ONE_GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        network=lambda wildcards: recipe.training_entry(settings.network_entry(config, wildcards.network)),
        shape=config["crops"]["shape"],
        seed=config["seed"],
        code=code("train_cnn"),
    script:
        "../scripts/train_cnn.py"


rule predict_cnn_grade:
    input:
        crops=lambda wildcards: crop_set_of(NETWORKS[wildcards.classifier]),
        folds=FOLDS,
        weights=collect("<results>/cnn/{{classifier}}/fold{fold}/weights.safetensors", fold=FOLD_NUMBERS),
    output:
        "<results>/cnn/{classifier}/predictions.csv",
    log:
        "<logs>/predict_cnn_grade/{classifier}.log",
    benchmark:
        "<benchmarks>/predict_cnn_grade/{classifier}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        gpu=ONE_GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        network=lambda wildcards: recipe.prediction_entry(settings.network_entry(config, wildcards.classifier)),
        shape=config["crops"]["shape"],
        code=code("predict_cnn_grade"),
    script:
        "../scripts/predict_cnn_grade.py"


rule predict_cnn_mask:
    input:
        crops=lambda wildcards: crop_set_of(NETWORKS[wildcards.segmenter]),
        folds=FOLDS,
        weights=collect("<results>/cnn/{{segmenter}}/fold{fold}/weights.safetensors", fold=FOLD_NUMBERS),
    output:
        table="<results>/cnn/{segmenter}/predictions.csv",
        # Folders, a file a patient: for each file that any rule wants, Snakemake goes through all outputs of a rule.
        masks=directory("<results>/cnn/{segmenter}/masks"),
        # Masks by the published fold's model alone, which stand beside published rows.
        single=directory("<results>/cnn/{segmenter}/single"),
        scans=directory("<results>/cnn/{segmenter}/nifti"),
    log:
        "<logs>/predict_cnn_mask/{segmenter}.log",
    benchmark:
        "<benchmarks>/predict_cnn_mask/{segmenter}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        gpu=ONE_GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        network=lambda wildcards: recipe.prediction_entry(settings.network_entry(config, wildcards.segmenter)),
        published=config["folds"]["published"],
        shape=config["crops"]["shape"],
        code=code("predict_cnn_mask"),
    script:
        "../scripts/predict_cnn_mask.py"


rule predict_cnn_slices:
    input:
        crops=lambda wildcards: crop_set_of(NETWORKS[wildcards.slicer]),
        folds=FOLDS,
        weights=collect("<results>/cnn/{{slicer}}/fold{fold}/weights.safetensors", fold=FOLD_NUMBERS),
    output:
        "<results>/cnn/{slicer}/answers.csv",
    log:
        "<logs>/predict_cnn_slices/{slicer}.log",
    benchmark:
        "<benchmarks>/predict_cnn_slices/{slicer}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        gpu=ONE_GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        network=lambda wildcards: recipe.prediction_entry(settings.network_entry(config, wildcards.slicer)),
        shape=config["crops"]["shape"],
        code=code("predict_cnn_slices"),
    script:
        "../scripts/predict_cnn_slices.py"
