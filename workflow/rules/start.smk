# What happens before the first job, in the main process alone. No rules.

from snakemake.logging import logger
from snakemake.settings.enums import Quietness


def planned(*proxies):
    """Whether one of these rules has jobs to do; as a module's they may go by other names."""
    return bool({proxy.rule for proxy in proxies} & {job.rule for job in workflow.persistence.dag.needrun_jobs()})


def check_machine():
    """Before hours of crops and CNNs on this machine: can its adapters be trained and its models loaded here at all?"""
    if GPU or not workflow.local_exec:
        return
    lacking = check.without_gpu(config) if planned(rules.finetune, rules.respond) else None
    if lacking:
        sys.exit(f"Error: configuration, {lacking}")


def check_cohort():
    """List all errors of the user's scans at once, and not again while scans and labels are those that were checked.

    Whether its folds can be had, too, for any cohort.
    """
    try:
        if planned(rules.folds):
            test_fraction, count = (config["folds"][key] for key in ("test_fraction", "count"))
            cohort_folds.make(TABLE.reset_index(drop=True), test_fraction, count, config["seed"])
        # A plan or a page reads no scan.
        if IS_PHANTOM or not SCANS_HERE or not planned(rules.patients, rules.crop):
            return
        checked = Path(".snakemake/glioma-checked") / f"{Path(COHORT_FOLDER).name}.json"
        scans = [path for own in SCANS_OF.values() for path in own.values()]
        labels = {str(value): tissue for value, tissue in LABELS.items()}
        now = {
            "code": code("patients", "glioma.cohort.index"),
            "labels": labels,
            "scans": dict(zip(scans, stamps(scans))),
        }
        if checked.exists() and read_json(checked) == now:
            return
        cohort_index.check(TABLE, LABELS, workflow.cores or 1)
        write_json(now, checked)
    except UserError as error:
        sys.exit(f"Error: {error}")


def show_progress():
    """A line a finished stage, where the terminal is not to have one a job anyway (`quiet` of the default profile)."""
    if Quietness.RULES not in workflow.output_settings.quiet:
        return
    from glioma.planning import progress

    known = progress.expected(PROJECT / "resources/unit_costs.csv", "gpu" if GPU else "cpu", len(PATIENTS))
    progress.watch(logger, workflow.persistence.dag.needrun_jobs(), known)
