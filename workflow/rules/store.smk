# The answer store: what is in it, and what of it is old. Nothing depends on these, and no output is made of it: an
# answer is the same whether it is taken from there or asked for.


rule store:
    log:
        "<logs>/store.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        folder=config["store"],
    script:
        "../scripts/store.py"


rule prune_store:
    log:
        "<logs>/prune_store.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        folder=config["store"],
        days=config["store_days"],
    script:
        "../scripts/prune_store.py"
