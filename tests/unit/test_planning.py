"""The plan: reading a dry-run, counting what jobs hold, and turning counts into costs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_crops

from configuration import resolved
from glioma.base.errors import UserError
from glioma.cohort import folds
from glioma.config import settings
from glioma.demo.phantom import roster
from glioma.planning import costs, jobs, summary
from glioma.planning.jobs import Job
from glioma.planning.units import Study
from glioma.vlm import requests

BASE = Path(__file__).parents[2]
LISTING = """
Building DAG of jobs...

[Mon Jan  1 00:00:00 2024]
rule train_cnn:
    input: results/crops/brain/crops.csv, results/folds/folds.csv
    output: results/cnn/net/fold0/weights.safetensors, results/cnn/net/fold0/history.csv
    log: results/logs/train_cnn/net.fold0.log
    jobid: 60
    benchmark: results/benchmarks/train_cnn/net.fold0.tsv
    reason: Missing output files: results/cnn/net/fold0/history.csv; Code has changed, output: none
    wildcards: network=net, fold=0
    threads: 4
    resources: tmpdir=/tmp, gpu=1, runtime=240, mem_mb=8000, mem=8 GB
[Mon Jan  1 00:00:00 2024]
localrule all:
    input: results/report/report.html
    jobid: 0
    resources: tmpdir=/tmp

Job stats:
job          count
"""


@pytest.fixture
def config():
    return resolved()


@pytest.fixture
def study(config):
    patients = roster(24, 16, config["seed"])
    return Study(config, patients.assign(subject=patients["patient"]))


def table(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=costs.COLUMNS)


def test_a_listing_becomes_jobs():
    trained, everything = jobs.parse(LISTING)
    assert trained == Job(
        rule="train_cnn",
        wildcards={"network": "net", "fold": "0"},
        outputs=("results/cnn/net/fold0/weights.safetensors", "results/cnn/net/fold0/history.csv"),
        benchmark="results/benchmarks/train_cnn/net.fold0.tsv",
        threads=4,
        gpu=1,
        memory_mb=8000,
    )
    assert everything == Job("all")


def test_a_failing_dry_run_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="dry-run failed") as caught:
        jobs.dry_run(["nothing"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("part", ["test", "everyone", "fold1"])
def test_answers_are_those_that_a_run_asks_for(config, tmp_path, part, every):
    """All slices of small crops, counted without them, against the rule's own list."""
    small_crops.write(tmp_path)
    config["crops"]["shape"] = list(small_crops.SHAPE)
    config["runs"]["classification-general"] |= {"every": every, "orientations": ["axial", "coronal", "sagittal"]}
    config["folds"] |= {"count": 2, "test_fraction": 0.25}
    # A cohort of six subjects, so that the split is the rule's.
    patients = small_crops.PATIENTS[["patient", "subject", "grade"]]
    extra = [(name, name, grade) for name, grade in (("gli-f", "LGG"), ("gli-g", "HGG"), ("gli-h", "LGG"))]
    cohort = pd.concat([patients, pd.DataFrame(extra, columns=patients.columns)])
    for name in ("gli-f", "gli-g", "gli-h"):
        np.save(tmp_path / f"{name}.mask.npy", np.load(tmp_path / "gli-a.mask.npy"))
    config["sam"] = {"s": {"boxes": ["truth"], "every": every, "patients": "test" if part == "test" else "all"}}
    study = Study(config, cohort)
    asked = settings.queries(config, "classification-general")
    wanted = requests.of_run(folds.make(cohort, 0.25, 2, config["seed"]), tmp_path, asked, part)
    assert study.answers("classification-general", part) == len(wanted) > 0
    if part in ("test", "everyone"):
        split = folds.make(cohort, 0.25, 2, config["seed"])
        segmented = requests.of_run(split, tmp_path, settings.sam_queries(config, "s"), part)
        assert study.units(Job("segment_boxes", {"sam": "s"}))["slice"] == len(segmented) > 0


def test_every_rule_of_the_demo_has_a_measured_cost(study):
    """The table that is shipped: measured for every rule without a GPU, estimated and marked so for those with one."""
    shipped = costs.read(BASE / "resources" / "unit_costs.csv")
    on_cpu = shipped[shipped["device"] == "cpu"]
    assert {"respond", "finetune", "train_cnn", "crop", "report"} <= set(on_cpu["rule"])
    assert shipped.loc[shipped["device"] == "gpu", "basis"].str.startswith(costs.ESTIMATE).all()
    run = Job("respond", {"run": "classification-general", "part": "test", "shard": "0"}, gpu=1)
    (row,) = costs.estimate([run], study, shipped).to_dict("records")
    assert row["seconds"] > 0 and row["estimate"].startswith(costs.ESTIMATE)


def test_costs_by_hand_and_a_rule_without_one(study):
    priced = table(
        ["crop", "cpu", "", "job", 2, 0, "measured"],
        ["crop", "cpu", "", "patient", 3, 100, "measured"],
        ["respond", "gpu", "embedded", "answer", 0.5, 10, costs.ESTIMATE],
    )
    crop = Job("crop", {"crops": "brain", "patient": "x"}, threads=2)
    run = Job("respond", {"run": "consistency-general", "part": "test", "shard": "0"}, gpu=1)
    first, second = costs.estimate([crop, run], study, priced).to_dict("records")
    assert (first["seconds"], first["bytes"], first["estimate"]) == (5, 100, "")
    assert (second["seconds"], second["fixed"]) == (2 * 95 * 0.5, 0) and second["estimate"] == costs.ESTIMATE
    with pytest.raises(UserError, match="no cost of rule report on a cpu"):
        costs.estimate([Job("report")], study, priced, "costs.csv")


def test_measuring_finds_what_a_run_was_made_of(study, tmp_path):
    """Benchmarks written from known costs: two seconds to start, a quarter for an answer, a tenth for a step."""
    found = []
    for run, part in (
        ("classification-general", "test"),
        ("classification-general", "everyone"),
        ("consistency-general", "test"),
        ("paper-polygon-general", "test"),
    ):
        name = f"{run}.{part}"
        job = Job("respond", {"run": run, "part": part, "shard": "0"}, (f"{name}.jsonl",), f"{name}.tsv")
        units = study.units(job)
        (tmp_path / job.outputs[0]).write_bytes(bytes(round(7 * units["answer"])))
        pd.DataFrame({"s": [2 + 0.25 * units["answer"] + 0.1 * units["step"]]}).to_csv(
            tmp_path / job.benchmark, sep="\t", index=False
        )
        found.append(job)
    unfinished = Job("respond", {"run": "wording-expert", "part": "test", "shard": "0"}, (), "none.tsv")
    measured = costs.measure([*found, unfinished], study, tmp_path, "here").set_index("unit")
    assert measured["seconds"].to_dict() == pytest.approx({"job": 2, "answer": 0.25, "step": 0.1}, abs=1e-3)
    assert measured["bytes"].to_dict() == {"job": 0, "answer": 7, "step": 0}


def test_a_measured_whole_is_not_added_to_the_estimate_of_its_parts(study, tmp_path):
    """A site's own figures for a rule leave nothing of the shipped estimate."""
    found = []
    for network in ("paper-segmenter", "paper-segmenter-brain", "monai-unet"):
        found.append(Job("predict_cnn_mask", {"segmenter": network}, (), f"{network}.tsv", gpu=1))
        pd.DataFrame({"s": [100.0]}).to_csv(tmp_path / found[-1].benchmark, sep="\t", index=False)
    measured = costs.measure(found, study, tmp_path, "here")
    shipped = costs.read(BASE / "resources" / "unit_costs.csv")
    own = (shipped["rule"] == "predict_cnn_mask") & (shipped["device"] == "gpu")
    assert set(measured["unit"]) >= set(shipped.loc[own, "unit"])
    again = costs.estimate(found, study, measured)
    assert again["seconds"].tolist() == pytest.approx([100] * 3, rel=0.01) and not again["estimate"].any()


@pytest.mark.parametrize(
    ("text", "message"), [("rule,device\n", "no column model"), (None, "no such table"), ("-1", "no number from 0 on")]
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, text, message):
    path = tmp_path / "costs.csv"
    if text == "-1":
        table(["crop", "cpu", "", "job", -1, 0, "x"]).to_csv(path, index=False)
    elif text:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        costs.read(path)


def priced(seconds: float, run: str, fixed: float = 60.0) -> dict:
    return {"rule": "respond", "device": "gpu", "run": run, "gpu": 1, "threads": 1, "memory_mb": 16000,
            "seconds": seconds, "fixed": fixed, "bytes": 5e6, "estimate": ""}  # fmt: skip


def test_shards_that_are_too_short_or_too_long_are_named():
    found = pd.DataFrame([priced(100, "short"), priced(9 * 3600, "long"), priced(3600, "fine"), priced(100, "single")])
    short, long = sorted(summary.advice(found, {"short": 8, "long": 2, "fine": 4, "single": 1}), reverse=True)
    assert short.startswith("runs.short.shards: 8 makes jobs of up to 2 min") and "set it to 1 " in short
    # 2 x (9 h - 1 min) in jobs of an hour.
    assert long.startswith("runs.long.shards: 2") and "set it to 18 " in long


def test_the_text_adds_up():
    rows = [priced(1800, "a"), priced(5400, "a")]
    rows += [priced(3600, "") | {"rule": "crop", "gpu": 0, "threads": 4, "estimate": f"{costs.ESTIMATE}; a guess"}]
    text = summary.text(pd.DataFrame(rows), {"a": 2})
    total = next(line for line in text.splitlines() if line.startswith("total"))
    assert total.split() == ["total", "*", "3", "4.0", "h", "2.0", "h", "16", "GB", "15", "MB"]
    assert "crop: a guess" in text and "2 h" not in total.replace("2.0 h", "")
    (run,) = [line for line in text.splitlines() if line.startswith("a ")]
    assert run.split() == ["a", "2", "2", "30", "min", "1", "h", "30", "min"]
    assert summary.text(pd.DataFrame(), {}) == "Nothing is left to be done."


def test_outputs_are_weighed_with_their_folders(tmp_path):
    """`written` counts files in folders, too, and a file that two jobs share once."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(bytes(10))
    (tmp_path / "t.csv").write_bytes(bytes(5))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "t.csv").hardlink_to(tmp_path / "t.csv")
    assert jobs.written(Job("x", outputs=("images", "t.csv", "missing")), tmp_path) == 12
    assert jobs.written(Job("x", outputs=("images", "t.csv", "set")), tmp_path) == 15
