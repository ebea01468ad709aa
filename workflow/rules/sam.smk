# Promptable segmenters: masks of the boxes that runs, networks and the truth draw.


rule segment_boxes:
    input:
        crops=lambda wildcards: crop_set(crops_of_sam(wildcards.sam)),
        folds=FOLDS,
        answers=lambda wildcards: [f"{RESULTS}/answers/{run}.csv" for run in drawn_by(wildcards.sam, RUNS)],
        masks=lambda wildcards: [masks_of(network) for network in drawn_by(wildcards.sam, SEGMENTERS)],
        model=lambda wildcards: sam_files(wildcards.sam),
    output:
        boxes="<results>/sam/{sam}/boxes.csv",
        # A folder a source of boxes, and in it a file a patient.
        masks=directory("<results>/sam/{sam}/masks"),
    log:
        "<logs>/segment_boxes/{sam}.log",
    benchmark:
        "<benchmarks>/segment_boxes/{sam}.tsv"
    conda:
        "../envs/sam.yaml"
    resources:
        gpu=ONE_GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        sam=lambda wildcards: ordered(SAM[wildcards.sam]),
        queries=lambda wildcards: settings.sam_queries(config, wildcards.sam),
        runs=lambda wildcards: drawn_by(wildcards.sam, RUNS),
        networks=lambda wildcards: drawn_by(wildcards.sam, SEGMENTERS),
        files=lambda wildcards: stamps(sam_files(wildcards.sam)),
        task=settings.BOXES,
        side=config["slices"]["side"],
        code=code_of("segment_boxes", settings.BOXES),
    script:
        "../scripts/segment_boxes.py"


rule score_sam:
    input:
        crops=lambda wildcards: crop_set(crops_of_sam(wildcards.sam)),
        folds=FOLDS,
        boxes="<results>/sam/{sam}/boxes.csv",
        masks="<results>/sam/{sam}/masks",
    output:
        slices="<results>/scores/sam/{sam}/slices.csv",
        patients="<results>/scores/sam/{sam}/patients.csv",
        summary="<results>/scores/sam/{sam}/summary.csv",
    log:
        "<logs>/score_sam/{sam}.log",
    benchmark:
        "<benchmarks>/score_sam/{sam}.tsv"
    conda:
        "../envs/main.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        model=lambda wildcards: SAM[wildcards.sam]["model"],
        crops=lambda wildcards: crops_of_sam(wildcards.sam),
        settings=settings.scoring(config, *settings.MASKS, *settings.ANSWERED),
        task=settings.BOXES,
        seed=config["seed"],
        code=code_of("score_sam", settings.BOXES),
    script:
        "../scripts/score_sam.py"
