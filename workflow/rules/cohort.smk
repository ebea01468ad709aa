# The cohort, its crops and its folds. A BraTS 2020 folder and the phantom take the same path.


rule phantom_template:
    output:
        directory("results/phantom_template"),
    log:
        "results/logs/phantom_template.log",
    benchmark:
        "results/benchmarks/phantom_template.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("phantom_template"),
    script:
        "../scripts/phantom_template.py"


rule phantom_patient:
    input:
        "results/phantom_template",
    output:
        multiext(
            f"{PHANTOM}/{{patient}}/{{patient}}_",
            "flair.nii.gz",
            "t1.nii.gz",
            "t1ce.nii.gz",
            "t2.nii.gz",
            "seg.nii.gz",
        ),
    log:
        "results/logs/phantom_patient/{patient}.log",
    benchmark:
        "results/benchmarks/phantom_patient/{patient}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        grade=lambda wildcards: GRADES[wildcards.patient],
        seed=config["seed"],
        code=code("phantom_patient"),
    script:
        "../scripts/phantom_patient.py"


rule phantom_mapping:
    output:
        f"{PHANTOM}/name_mapping.csv",
    log:
        "results/logs/phantom_mapping.log",
    benchmark:
        "results/benchmarks/phantom_mapping.tsv"
    conda:
        "../envs/main.yaml"
    params:
        phantom=config["phantom"],
        seed=config["seed"],
        code=code("phantom_mapping"),
    script:
        "../scripts/phantom_mapping.py"


rule patients:
    input:
        sources=f"{PHANTOM}/name_mapping.csv" if IS_PHANTOM else cohort_index.sources(config["cohort"]),
        scans=[TABLE.at[patient, scan] for patient in PATIENTS for scan in SCANS],
    output:
        COHORT,
    log:
        "results/logs/patients.log",
    benchmark:
        "results/benchmarks/patients.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        cohort=settings.ordered({**config["cohort"], "root": PHANTOM} if IS_PHANTOM else config["cohort"]),
        code=code("patients"),
    script:
        "../scripts/patients.py"


rule crop:
    input:
        **{scan: (lambda wildcards, scan=scan: TABLE.at[wildcards.patient, scan]) for scan in SCANS},
    output:
        image="results/crops/{crops}/{patient}.npy",
        mask="results/crops/{crops}/{patient}.mask.npy",
        geometry="results/crops/{crops}/{patient}.json",
    log:
        "results/logs/crop/{crops}.{patient}.log",
    benchmark:
        "results/benchmarks/crop/{crops}.{patient}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        crops=lambda wildcards: settings.ordered({"mode": wildcards.crops, "shape": config["crops"]["shape"]}),
        labels=LABELS,
        code=code("crop"),
    script:
        "../scripts/crop.py"


# What later stages depend on: one table that changes when any crop does, instead of three files a patient.
rule crop_table:
    input:
        collect("results/crops/{{crops}}/{patient}{kind}", patient=PATIENTS, kind=[".npy", ".mask.npy", ".json"]),
    output:
        "results/crops/{crops}/crops.csv",
    log:
        "results/logs/crop_table/{crops}.log",
    benchmark:
        "results/benchmarks/crop_table/{crops}.tsv"
    conda:
        "../envs/main.yaml"
    params:
        patients=PATIENTS,
        code=code("crop_table"),
    script:
        "../scripts/crop_table.py"


rule folds:
    input:
        COHORT,
    output:
        FOLDS,
    log:
        "results/logs/folds.log",
    benchmark:
        "results/benchmarks/folds.tsv"
    conda:
        "../envs/main.yaml"
    params:
        folds=settings.ordered(config["folds"]),
        seed=config["seed"],
        code=code("folds"),
    script:
        "../scripts/folds.py"
