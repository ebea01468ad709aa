# The tables, and the report that holds them and the figures.


rule write_tables:
    input:
        summary=SUMMARY,
        comparisons="<results>/scores/comparisons.csv",
        patients=COHORT,
        folds=FOLDS,
        crops=[crop_set(crops) for crops in CROP_SETS],
        answers=collect("<results>/answers/{run}.csv", run=RUNS),
        responses=[path for run in RUNS for path in responses(run)],
    output:
        participants=table("participants_table", "1 Cohort"),
        interpretations=table("interpretations_table", "7 Methods"),
        comparison=table("comparison_table", "2 Results"),
        tests=table("tests_table", "2 Results"),
        published=table("published_table", "4 Published"),
        derivation=table("derivation_table", "4 Published"),
        summary=table("summary_table", "2 Results", exports=()),
        sample_answers=table("sample_answers", "5 Pictures", exports=()),
        answer_status=table("answer_status", "2 Results"),
    log:
        "<logs>/write_tables.log",
    benchmark:
        "<benchmarks>/write_tables.tsv"
    conda:
        "../envs/main.yaml"
    params:
        label=COHORT_LABEL,
        resources=[
            digest(f"resources/{name}") for name in ("published_tables.csv", "published_text.csv", "ambiguities.yaml")
        ],
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
        rules.draw_comparison.output,
        rules.draw_grading.output,
        rules.draw_reliability.output,
        rules.draw_distributions.output,
        rules.draw_placement.output,
        rules.draw_mask_sizes.output,
        rules.draw_masks.output,
        rules.draw_answers.output,
        rules.write_tables.output,
        rules.write_timing.output,


# What the page shows, in this order. The summary is thousands of rows long and lies beside it.
PAGE_TABLES = [
    *("comparison_table", "tests_table", "audit_table", "published_table", "derivation_table", "answer_status"),
    *("participants_table", "interpretations_table", "timing_table"),
]
PAGE_FIGURES = [
    *("comparison", "gldr", "confusion", "reliability", "abstention", "distributions", "box_distributions"),
    *("polygon_distributions", "centre_distances", "placement", "mask_sizes", "leak_audit", "consistency"),
    *("cnn_overlays", "cnn_failures", "answer_overlays", "sample_scans", "orientations", "shapes_truth"),
    *("learning_curves_cnn", "learning_rates", "learning_curves_vlm"),
]
PAGE_SETS = sorted(CROP_SETS, key=lambda crops: crops != config["crops"]["mode"])
"""The crop sets of the page, the study's own first: of it all four sequences are shown."""
FETCHED = collect("<models>/{hub}.fetched.json", hub=[name for name in HUB if name in ASKED])
LOCATING = [*SEGMENTERS, *(run for run in RUNS if output_of(run) == "region")]


rule report:
    input:
        rules.report_parts.input,
        summary=SUMMARY,
        comparisons="<results>/scores/comparisons.csv",
        audit="<results>/scores/audit.csv",
        folds=FOLDS,
        graders=[scores_of(name) for name in GRADING],
        regions=[scores_of(name) for name in LOCATING],
        crops=[crop_set(crops) for crops in PAGE_SETS],
        masks=[masks_of(name) for name in SEGMENTERS],
        slices=[f"{RESULTS}/scores/{run}/slices.csv" for run in SCORED_RUNS],
        responses=[path for run in SCORED_RUNS for path in responses(run)],
        tables=collect("<results>/report/tables/{table}.html", table=PAGE_TABLES),
        figures=collect("<results>/report/figures/{figure}.png", figure=PAGE_FIGURES),
        fetched=FETCHED,
    output:
        page=REPORT,
        others=[directory(f"{RESULTS}/report/patients")] if config["report"]["others"] else [],
        # What was used, of which Snakemake's own report and unit costs are made.
        config="<results>/report/config.json",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    # Short, and the commit that the page names is known where Snakemake is.
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        config=settings.study(config),
        title=config["title"] or STUDY,
        label=COHORT_LABEL,
        phantom=IS_PHANTOM,
        pairs=config["comparisons"],
        constrained=settings.constrained_pairs(config),
        margins=ordered(config["report"]["margins"]),
        patients=config["report"]["patients"],
        confidence=config["scores"]["confidence"],
        side=config["slices"]["side"],
        crop_sets=PAGE_SETS,
        graders=GRADING,
        regions=LOCATING,
        segmenters={crops: [name for name in SEGMENTERS if crops_of(NETWORKS[name]) == crops] for crops in CROP_SETS},
        runs={run: facts(run) | {"files": len(responses(run))} for run in SCORED_RUNS},
        text=[
            digest(path.relative_to(PROJECT))
            for pattern in ("workflow/report/*.rst", "workflow/scripts/glioma/report/page/page.*")
            for path in sorted(PROJECT.glob(pattern))
        ],
        code=code_of("report", *tasks.names()),
    script:
        "../scripts/report.py"


# The figures at 88 and 180 mm, for a manuscript: snakemake --cores 1 print_figures
rule print_figures:
    input:
        collect("<results>/report/figures/{figure}.pdf", figure=PAGE_FIGURES),
    output:
        directory("<results>/report/print"),
    log:
        "<logs>/print_figures.log",
    benchmark:
        "<benchmarks>/print_figures.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        code=code("print_figures"),
    script:
        "../scripts/print_figures.py"


# Snakemake's own report of the same figures and tables, for those who know their way in it; on demand.
rule snakemake_report:
    input:
        rules.report_parts.input,
        config=rules.report.output.config,
    output:
        "<results>/report/snakemake.html",
    log:
        "<logs>/snakemake_report.log",
    benchmark:
        "<benchmarks>/snakemake_report.tsv"
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        text=[digest(path.relative_to(PROJECT)) for path in sorted(PROJECT.glob("workflow/report/*.rst"))],
        code=code("snakemake_report"),
    script:
        "../scripts/snakemake_report.py"
