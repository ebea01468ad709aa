"""The cut of the demo goes through SLURM as it goes through one machine."""

import math
import re
from collections import Counter

import observe
import pandas as pd
from project import CUT, RESULTS

LOCAL_RULES = {"all", "report"}
GROUPED = {"phantom_patient", "crop"}


def test_every_job_goes_through_slurm(done):
    assert {job.state for job in done.jobs} == {"COMPLETED"}
    submitted = Counter(job.rule for job in done.jobs)
    groups = sum(n for rule, n in submitted.items() if rule.startswith("scans"))
    expected = {rule: n for rule, n in done.planned.items() if rule not in LOCAL_RULES | GROUPED}
    assert {rule: n for rule, n in submitted.items() if not rule.startswith("scans")} == expected
    # Eight patients are one group of scans.
    assert groups == math.ceil(done.planned["phantom_patient"] / 20) == 1
    assert {script.rule for script in done.watch.seen if script.job is None} <= LOCAL_RULES
    assert {script.rule for script in done.watch.seen} >= GROUPED | observe.GPU_RULES


def test_gpu_rules_hold_a_gpu_and_no_others_do(done):
    assert {job.rule for job in done.jobs if job.gpus} == observe.GPU_RULES
    for job in done.jobs:
        assert job.gpus == (job.rule in observe.GPU_RULES), job
    seen = {script for script in done.watch.seen if script.job}
    assert {script.gpus for script in seen if script.rule in observe.GPU_RULES} == {"0", "1"}
    assert {script.gpus for script in seen if script.rule not in observe.GPU_RULES} == {None}


def test_slurm_uses_all_gpus_and_one_machine_never_shares_one(done, local):
    jobs = [job for job in done.jobs if job.gpus]
    assert observe.most_at_once([(job.start, job.end) for job in jobs]) == 2
    assert done.watch.most_gpu_scripts == 2
    # On one machine, with a GPU for each job that asks for one: two folds wait for each other.
    before = local.project.scores()
    local.project.remove("cnn/monai-unet/fold*", "cnn/monai-unet/predictions.csv")
    with observe.Watch(local.project.folder) as watch:
        local.project.run("cnn", "--cores", "2", *CUT, "gpus_per_job=1")
    assert Counter(script.rule for script in watch.seen)["train_cnn"] == 2
    assert watch.most_gpu_scripts == 1
    local.project.run("scores", "--cores", "2", *CUT)
    assert local.project.scores() == before


def test_scores_are_those_of_one_machine(done, local):
    ours, theirs = done.project.scores(), local.project.scores()
    assert len(ours) > 10 and ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_what_scheduling_costs(done, local, record_property):
    """Seconds a job spends in SLURM beyond its own work; the figures go to the terminal."""
    jobs = [job for job in done.jobs if not job.rule.startswith("scans")]
    work = {path.stem: pd.read_csv(path, sep="\t")["s"].iloc[0] for path in benchmarks(done.project)}
    spent = sum(job.end - job.start for job in jobs)
    own = sum(seconds for name, seconds in work.items() if not re.match(r"phantom-|brain\.phantom-", name))
    cost = (spent - own) / len(jobs)
    print(f"\n{len(jobs)} jobs, {cost:.1f} s of overhead each; SLURM {done.seconds:.0f} s, local {local.seconds:.0f} s")
    assert 0 < cost < 60


def benchmarks(project):
    return (project.folder / RESULTS / "benchmarks").rglob("*.tsv")
