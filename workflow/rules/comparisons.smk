# Method against method: the declared tests, and what cropping around the tumour is worth.


BASELINE_PATIENTS = collect("<results>/scores/baselines/{crops}/patients.csv", crops=CROP_SETS)
SCORED_RUNS = [run for run in RUNS if run not in CONSISTENCY_RUNS]
METHOD_PATIENTS = [scores_of(name) for name in [*NETWORKS, *RADIOMICS, *SAM, *SCORED_RUNS]]


# For other programs: every score of every patient by every method.
rule patients_json:
    input:
        patients=[*METHOD_PATIENTS, *BASELINE_PATIENTS],
    output:
        "<results>/scores/patients.json",
    log:
        "<logs>/patients_json.log",
    benchmark:
        "<benchmarks>/patients_json.tsv"
    conda:
        "../envs/main.yaml"
    params:
        study=STUDY,
        label=COHORT_LABEL,
        code=code("patients_json"),
    script:
        "../scripts/patients_json.py"


rule compare:
    input:
        methods=METHOD_PATIENTS,
        baselines=BASELINE_PATIENTS,
    output:
        "<results>/scores/comparisons.csv",
    log:
        "<logs>/compare.log",
    benchmark:
        "<benchmarks>/compare.tsv"
    conda:
        "../envs/main.yaml"
    params:
        # Networks and runs that were given every n-th slice only.
        every={
            name: entry["every"]
            for name, entry in (NETWORKS | RUNS | {method: SAM[name] for method, name in SAM_METHODS.items()}).items()
            if entry["every"] > 1
        },
        pairs=config["comparisons"],
        dimension=config["scores"]["dimension"],
        settings=settings.only(config["scores"], *settings.INTERVALS),
        seed=config["seed"],
        code=code_of("compare", *tasks.names()),
    script:
        "../scripts/compare.py"


rule leak_audit:
    input:
        baselines=BASELINE_PATIENTS,
        brain=[scores_of(name) for name, _ in config["leak_audit"]],
        tumour=[scores_of(name) for _, name in config["leak_audit"]],
    output:
        table="<results>/scores/audit.csv",
        page=table("audit_table", "3 Leak audit"),
        figure=figure("leak_audit", "3 Leak audit"),
    log:
        "<logs>/leak_audit.log",
    benchmark:
        "<benchmarks>/leak_audit.tsv"
    conda:
        "../envs/main.yaml"
    params:
        crops=CROP_SETS,
        pairs=config["leak_audit"],
        label=COHORT_LABEL,
        settings=settings.only(config["scores"], *settings.INTERVALS),
        seed=config["seed"],
        code=code_of("leak_audit", *tasks.names()),
    script:
        "../scripts/leak_audit.py"
