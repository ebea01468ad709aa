# The figures, the tables, and the report that holds them all.


rule draw_cohort:
    input:
        crops=crops_table(config["crops"]["mode"]),
        folds=FOLDS,
    output:
        sample_scans=figure("sample_scans", "1 Cohort"),
        orientations=figure("orientations", "1 Cohort"),
        shapes_truth=figure("shapes_truth", "1 Cohort"),
    log:
        "<logs>/draw_cohort.log",
    benchmark:
        "<benchmarks>/draw_cohort.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        side=config["slices"]["side"],
        code=code_of("draw_cohort", *tasks.names()),
    script:
        "../scripts/draw_cohort.py"


rule draw_learning:
    input:
        networks=collect("<results>/cnn/{network}/fold{fold}/history.csv", network=NETWORKS, fold=FOLD_NUMBERS),
        adapters=[
            f"{RESULTS}/adapters/{adapter}/fold{fold}/history.csv"
            for adapter in ADAPTERS
            for fold in settings.adapter_folds(config, adapter)
        ],
    output:
        learning_curves_cnn=figure("learning_curves_cnn", "6 Training"),
        learning_rates=figure("learning_rates", "6 Training"),
        learning_curves_vlm=figure("learning_curves_vlm", "6 Training"),
    log:
        "<logs>/draw_learning.log",
    benchmark:
        "<benchmarks>/draw_learning.tsv"
    conda:
        "../envs/main.yaml"
    params:
        code=code("draw_learning"),
    script:
        "../scripts/draw_learning.py"


rule draw_results:
    input:
        summary=SUMMARY,
        crops=[crops_table(crops) for crops in CROP_SETS],
        folds=FOLDS,
        classifiers=collect("<results>/scores/cnn/{network}/patients.csv", network=CLASSIFIERS + SLICERS),
        segmenters=collect("<results>/scores/cnn/{network}/patients.csv", network=SEGMENTERS),
        baselines=BASELINE_PATIENTS,
        classification=collect("<results>/scores/{run}/patients.csv", run=CLASSIFICATION_RUNS),
        shapes=collect("<results>/scores/{run}/patients.csv", run=SHAPE_RUNS),
        slices=collect("<results>/scores/{run}/slices.csv", run=SHAPE_RUNS),
        answers=collect("<results>/answers/{run}.csv", run=SHAPE_RUNS),
        consistency=collect("<results>/answers/{run}.csv", run=CONSISTENCY_RUNS),
    output:
        comparison=figure("comparison", "2 Results"),
        gldr=figure("gldr", "2 Results"),
        confusion=figure("confusion", "2 Results"),
        reliability=figure("reliability", "2 Results"),
        consistency=figure("consistency", "2 Results"),
        distributions=figure("distributions", "2 Results"),
        box_distributions=figure("box_distributions", "2 Results"),
        polygon_distributions=figure("polygon_distributions", "2 Results"),
        centre_distances=figure("centre_distances", "2 Results"),
        cnn_overlays=figure("cnn_overlays", "5 Pictures"),
        cnn_failures=figure("cnn_failures", "5 Pictures"),
        box_overlays=figure("box_overlays", "5 Pictures"),
        polygon_overlays=figure("polygon_overlays", "5 Pictures"),
        centre_overlays=figure("centre_overlays", "5 Pictures"),
        shape_overlays=figure("shape_overlays", "5 Pictures"),
    log:
        "<logs>/draw_results.log",
    benchmark:
        "<benchmarks>/draw_results.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        # Every patient by a model that has not seen it, where a reader has that; its test patients where not.
        cohort="pooled",
        unit=config["scores"]["hd95_unit"],
        bins=config["scores"]["calibration_bins"],
        side=config["slices"]["side"],
        gldr=config["votes"]["gldr_denominator"],
        segmenters=[[name, crops_of(NETWORKS[name]), f"{RESULTS}/cnn/{name}/masks"] for name in SEGMENTERS],
        shapes=[facts(run) for run in SHAPE_RUNS],
        consistency=[facts(run) for run in CONSISTENCY_RUNS],
        code=code_of("draw_results", *tasks.names()),
    script:
        "../scripts/draw_results.py"


rule write_tables:
    input:
        summary=SUMMARY,
        comparisons="<results>/scores/comparisons.csv",
        patients=COHORT,
        folds=FOLDS,
        crops=[crops_table(crops) for crops in CROP_SETS],
        answers=collect("<results>/answers/{run}.csv", run=RUNS),
        responses=[path for run in RUNS for path in responses(run)],
    output:
        participants=table("participants_table", "1 Cohort"),
        interpretations=table("interpretations_table", "7 Methods"),
        comparison=table("comparison_table", "2 Results"),
        tests=table("tests_table", "2 Results"),
        published=table("published_table", "4 Published"),
        derivation=table("derivation_table", "4 Published"),
        summary=table("summary_table", "2 Results"),
        sample_answers=table("sample_answers", "5 Pictures"),
        answer_status=table("answer_status", "2 Results"),
    log:
        "<logs>/write_tables.log",
    benchmark:
        "<benchmarks>/write_tables.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        resources=[digest("resources/published_tables.csv"), digest("resources/ambiguities.yaml")],
        phantom=IS_PHANTOM,
        exclude=config["cohort"]["exclude"],
        config=settings.study(config),
        scoring=ordered(config["scores"] | config["slices"]),
        replicates={name: entry["replicates"] for name, entry in (NETWORKS | RUNS).items() if entry.get("replicates")},
        tasks={run: RUNS[run]["task"] for run in RUNS},
        crops={run: crops_of(RUNS[run]) for run in RUNS},
        code=code_of("write_tables", *tasks.names()),
    script:
        "../scripts/write_tables.py"


rule write_timing:
    input:
        # Benchmarks are no outputs that Snakemake tracks; what they time is.
        SUMMARY,
        timing=[path for run in RUNS for path in responses(run, ".timing.csv")],
    output:
        table("timing_table", "6 Training"),
    log:
        "<logs>/write_timing.log",
    benchmark:
        "<benchmarks>/write_timing.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        benchmarks=f"{RESULTS}/benchmarks",
        code=code("write_timing"),
    script:
        "../scripts/write_timing.py"


rule report_parts:
    input:
        rules.leak_audit.output,
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
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        config=settings.study(config),
        text=[
            digest(path.relative_to(workflow.basedir))
            for path in sorted(Path(workflow.basedir).glob("workflow/report/*.rst"))
        ],
        code=code("report"),
    script:
        "../scripts/report.py"
