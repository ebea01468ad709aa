# The cohort, its crops and its folds. A BraTS 2020 folder and the phantom take the same path.


rule phantom_template:
    output:
        directory("<cohort>/template"),
    log:
        "<logs>/phantom_template.log",
    benchmark:
        "<benchmarks>/phantom_template.tsv"
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
        "<cohort>/template",
    output:
        multiext(
            "<scans>/{patient}/{patient}_",
            "flair.nii.gz",
            "t1.nii.gz",
            "t1ce.nii.gz",
            "t2.nii.gz",
            "seg.nii.gz",
        ),
    log:
        "<logs>/phantom_patient/{patient}.log",
    benchmark:
        "<benchmarks>/phantom_patient/{patient}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        grade=lambda wildcards: GRADES[known(wildcards.patient)],
        seed=config["cohort"]["seed"],
        code=code("phantom_patient"),
    script:
        "../scripts/phantom_patient.py"


rule phantom_mapping:
    output:
        "<scans>/name_mapping.csv",
    log:
        "<logs>/phantom_mapping.log",
    benchmark:
        "<benchmarks>/phantom_mapping.tsv"
    conda:
        "../envs/main.yaml"
    params:
        cohort=settings.only(config["cohort"], "hgg", "lgg", "seed"),
        code=code("phantom_mapping"),
    script:
        "../scripts/phantom_mapping.py"


rule patients:
    input:
        "<scans>/name_mapping.csv" if IS_PHANTOM else map(local, cohort_index.sources(config["cohort"])),
    output:
        COHORT,
    log:
        "<logs>/patients.log",
    benchmark:
        "<benchmarks>/patients.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        # Found when the workflow starts, where all of a cohort can be looked at: no job needs to.
        table=TABLE.to_dict("list"),
        code=code("patients"),
    script:
        "../scripts/patients.py"


rule crop:
    input:
        **{scan: (lambda wildcards, scan=scan: SCANS_OF[known(wildcards.patient)][scan]) for scan in SCANS},
    output:
        image="<crops>/{crops}/{patient}.npy",
        mask="<crops>/{crops}/{patient}.mask.npy",
        geometry="<crops>/{crops}/{patient}.json",
    log:
        "<logs>/crop/{crops}.{patient}.log",
    benchmark:
        "<benchmarks>/crop/{crops}.{patient}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        crops=lambda wildcards: ordered({"mode": wildcards.crops, "shape": config["crops"]["shape"]}),
        labels=LABELS,
        # Phantoms are made by a rule of their own, and before that there is nothing to tell apart.
        scans=lambda wildcards: [] if IS_PHANTOM else stamps(SCANS_OF[wildcards.patient].values()),
        code=code("crop"),
    script:
        "../scripts/crop.py"


# What later stages depend on: one folder that changes when any crop of the study does, instead of three files a patient.
rule crop_set:
    input:
        collect("<crops>/{{crops}}/{patient}{kind}", patient=PATIENTS, kind=[".npy", ".mask.npy", ".json"]),
    output:
        directory(f"{CROPS}/{{crops}}/{STUDY}"),
    log:
        "<logs>/crop_set/{crops}.log",
    benchmark:
        "<benchmarks>/crop_set/{crops}.tsv"
    conda:
        "../envs/main.yaml"
    params:
        patients=PATIENTS,
        code=code("crop_set"),
    script:
        "../scripts/crop_set.py"


rule folds:
    input:
        COHORT,
    output:
        FOLDS,
    log:
        "<logs>/folds.log",
    benchmark:
        "<benchmarks>/folds.tsv"
    conda:
        "../envs/main.yaml"
    params:
        folds=settings.only(config["folds"], "test_fraction", "count"),
        seed=config["seed"],
        code=code("folds"),
    script:
        "../scripts/folds.py"
