# What the jobs that are left would cost. Counts them by a dry-run and computes nothing.


rule plan:
    log:
        "<logs>/plan.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        patients=TABLE[["patient", "subject", "grade"]].to_dict("list"),
        costs=f"{PROJECT}/resources/unit_costs.csv",
        gpu=GPU,
    script:
        "../scripts/plan.py"
