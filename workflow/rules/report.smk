# The figures, the tables, and the report that holds them all.


rule compare:
    input:
        networks=collect("results/scores/cnn/{network}/patients.csv", network=NETWORKS),
        runs=collect("results/scores/{run}/patients.csv", run=CLASSIFICATION_RUNS + SHAPE_RUNS),
    output:
        "results/scores/comparisons.csv",
    log:
        "results/logs/compare.log",
    benchmark:
        "results/benchmarks/compare.tsv"
    conda:
        "../envs/main.yaml"
    params:
        networks={name: entry["task"] for name, entry in NETWORKS.items()},
        runs={run: [RUNS[run]["task"], model_label(run)] for run in CLASSIFICATION_RUNS + SHAPE_RUNS},
        code=code("compare"),
    script:
        "../scripts/compare.py"


rule draw_cohort:
    input:
        crops=CROPS,
        folds=FOLDS,
    output:
        sample_scans=figure("sample_scans", "1 Cohort"),
        orientations=figure("orientations", "1 Cohort"),
    log:
        "results/logs/draw_cohort.log",
    benchmark:
        "results/benchmarks/draw_cohort.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        code=code("draw_cohort"),
    script:
        "../scripts/draw_cohort.py"


rule draw_learning:
    input:
        networks=collect("results/cnn/{network}/fold{fold}/history.csv", network=NETWORKS, fold=FOLD_NUMBERS),
        adapters=collect("results/adapters/{adapter}/history.csv", adapter=config["adapters"]),
    output:
        learning_curves_cnn=figure("learning_curves_cnn", "4 Training"),
        learning_curves_vlm=figure("learning_curves_vlm", "4 Training"),
    log:
        "results/logs/draw_learning.log",
    benchmark:
        "results/benchmarks/draw_learning.tsv"
    conda:
        "../envs/main.yaml"
    params:
        code=code("draw_learning"),
    script:
        "../scripts/draw_learning.py"


rule draw_results:
    input:
        summary=SUMMARY,
        crops=CROPS,
        folds=FOLDS,
        classifiers=collect("results/scores/cnn/{network}/patients.csv", network=CLASSIFIERS),
        segmenters=collect("results/scores/cnn/{network}/patients.csv", network=SEGMENTERS),
        baselines="results/scores/baselines/patients.csv",
        classification=collect("results/scores/{run}/patients.csv", run=CLASSIFICATION_RUNS),
        shapes=collect("results/scores/{run}/patients.csv", run=SHAPE_RUNS),
        answers=collect("results/answers/{run}.csv", run=SHAPE_RUNS),
        consistency=collect("results/answers/{run}.csv", run=CONSISTENCY_RUNS),
    output:
        comparison=figure("comparison", "2 Results"),
        gldr=figure("gldr", "2 Results"),
        confusion=figure("confusion", "2 Results"),
        distributions=figure("distributions", "2 Results"),
        consistency=figure("consistency", "2 Results"),
        cnn_overlays=figure("cnn_overlays", "3 Pictures"),
        shape_overlays=figure("shape_overlays", "3 Pictures"),
    log:
        "results/logs/draw_results.log",
    benchmark:
        "results/benchmarks/draw_results.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        unit=config["scores"]["hd95_unit"],
        side=config["slices"]["side"],
        gldr=config["votes"]["gldr_denominator"],
        segmenters=SEGMENTERS,
        shapes=[[RUNS[run]["task"], model_label(run)] for run in SHAPE_RUNS],
        consistency=[model_label(run) for run in CONSISTENCY_RUNS],
        code=code("draw_results"),
    script:
        "../scripts/draw_results.py"


rule write_tables:
    input:
        summary=SUMMARY,
        comparisons="results/scores/comparisons.csv",
        folds=FOLDS,
        crops=CROPS,
        answers=collect("results/answers/{run}.csv", run=RUNS),
        responses=[
            f"results/responses/{run}/shard-{shard}.jsonl" for run in RUNS for shard in range(RUNS[run]["shards"])
        ],
    output:
        comparison=table("comparison_table", "2 Results"),
        tests=table("tests_table", "2 Results"),
        published=table("published_table", "2 Results"),
        summary=table("summary_table", "2 Results"),
        sample_answers=table("sample_answers", "3 Pictures"),
        answer_status=table("answer_status", "2 Results"),
    log:
        "results/logs/write_tables.log",
    benchmark:
        "results/benchmarks/write_tables.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        published=digest("resources/published_tables.csv"),
        phantom=not config["cohort"]["root"],
        unit=config["scores"]["hd95_unit"],
        side=config["slices"]["side"],
        tasks={run: RUNS[run]["task"] for run in RUNS},
        code=code("write_tables"),
    script:
        "../scripts/write_tables.py"


rule write_timing:
    input:
        # Benchmarks are no outputs that Snakemake tracks; what they time is.
        SUMMARY,
        timing=[
            f"results/responses/{run}/shard-{shard}.timing.csv" for run in RUNS for shard in range(RUNS[run]["shards"])
        ],
    output:
        table("timing_table", "4 Training"),
    log:
        "results/logs/write_timing.log",
    benchmark:
        "results/benchmarks/write_timing.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        code=code("write_timing"),
    script:
        "../scripts/write_timing.py"


rule report_parts:
    input:
        rules.draw_cohort.output,
        rules.draw_learning.output,
        rules.draw_results.output,
        rules.write_tables.output,
        rules.write_timing.output,


rule report:
    input:
        rules.report_parts.input,
    output:
        REPORT,
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        config=settings.ordered(config),
        text=[
            digest(path.relative_to(workflow.basedir))
            for path in sorted(Path(workflow.basedir).glob("workflow/report/*.rst"))
        ],
        code=code("report"),
    script:
        "../scripts/report.py"
