# A patient in three dimensions: nothing depends on it.
# snakemake --cores 1 results/<study>/report/3d/<patient>.html
VIEWED_NETWORKS = [name for name in SEGMENTERS if crops_of(NETWORKS[name]) == config["crops"]["mode"]]
VIEWED_RUNS = {
    run: RUNS[run]["task"]
    for run in SCORED_RUNS
    if output_of(run) == "region" and crops_of(RUNS[run]) == config["crops"]["mode"]
}


# Needs a network, as fetch_model does.
rule fetch_niivue:
    output:
        "results/niivue/niivue.js",
    log:
        "<logs>/fetch_niivue.log",
    benchmark:
        "<benchmarks>/fetch_niivue.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("fetch_niivue"),
    script:
        "../scripts/fetch_niivue.py"


rule view_patient:
    input:
        niivue=rules.fetch_niivue.output[0],
        crops=lambda wildcards: known(wildcards.patient) and crop_set(config["crops"]["mode"]),
        folds=FOLDS,
        masks=[masks_of(name) for name in VIEWED_NETWORKS],
        slices=[scores_of(run, "slices.csv") for run in VIEWED_RUNS],
    output:
        "<results>/report/3d/{patient}.html",
    log:
        "<logs>/view_patient/{patient}.log",
    benchmark:
        "<benchmarks>/view_patient/{patient}.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        runs=VIEWED_RUNS,
        side=config["slices"]["side"],
        phantom=IS_PHANTOM,
        label=COHORT_LABEL,
        text=[digest(f"workflow/scripts/glioma/report/view3d/page.{kind}") for kind in ("html.jinja", "js")],
        code=code_of("view_patient", *tasks.names()),
    script:
        "../scripts/view_patient.py"
