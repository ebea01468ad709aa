"""Every ambiguity of the study is a key: paper.yaml holds its published reading, brats2020.yaml the defensible one."""

import copy
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from glioma.cnn.recipe import Recipe
from glioma.config import settings
from glioma.report.tables import readings

ROOT = Path(__file__).parents[2]
AMBIGUITIES = ROOT / "resources" / "ambiguities.yaml"
ENTRIES = readings.read(AMBIGUITIES)
OVERLAYS = {"paper": "paper", "default": "brats2020"}
DEMO = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))


def read_config(overlay: str) -> dict:
    """The demo's configuration under an overlay, merged and checked as the workflow does it."""
    config = copy.deepcopy(DEMO)
    update_config(config, yaml.safe_load((ROOT / f"config/{overlay}.yaml").read_text(encoding="utf-8")))
    settings.check(config, ROOT)
    return config


@pytest.fixture(autouse=True, scope="module")
def at_the_root():
    # Prompts are looked up in the working directory.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield


@pytest.fixture(scope="module", params=sorted(OVERLAYS))
def reading(request, at_the_root):
    """The name of a reading, and the configuration that must hold it."""
    return request.param, read_config(OVERLAYS[request.param])


def in_schema(schema: dict, pattern: str, place: dict) -> bool:
    """Whether the schema knows a dotted pattern."""
    place = schema["$defs"][place["$ref"].rsplit("/", 1)[1]] if "$ref" in place else place
    if not pattern:
        return True
    part, _, rest = pattern.partition(".")
    if part in place.get("properties", {}):
        return in_schema(schema, rest, place["properties"][part])
    return isinstance(place.get("additionalProperties"), dict) and in_schema(
        schema, rest, place["additionalProperties"]
    )


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_an_ambiguity_is_a_key_of_the_schema_with_a_reason(entry):
    schema = yaml.safe_load((ROOT / settings.SCHEMA).read_text(encoding="utf-8"))
    assert set(entry) == {"id", "question", "paper", "default", "reason"}
    assert entry["question"].endswith("?") and len(entry["reason"]) > 60
    for pattern in (*entry["paper"], *entry["default"]):
        assert in_schema(schema, pattern, schema), pattern


def test_the_schema_walk_knows_what_is_no_key():
    schema = yaml.safe_load((ROOT / settings.SCHEMA).read_text(encoding="utf-8"))
    assert in_schema(schema, "cnn.networks.*.keep", schema)
    assert not in_schema(schema, "cnn.networks.*.kept", schema) and not in_schema(schema, "votes.draw", schema)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_the_overlays_hold_their_readings(entry, reading):
    name, config = reading
    for pattern, wanted in entry[name].items():
        found = readings.resolve(config, pattern)
        assert found, f"{OVERLAYS[name]}.yaml: no key {pattern}"
        for key, value in found.items():
            assert readings.same(value, wanted), f"{OVERLAYS[name]}.yaml: {key} is {value!r}, not {wanted!r}"


# What the study's own account leaves open, and the key that must therefore be listed.
OPEN = {
    "votes.tie",
    "votes.no_glioma",
    "votes.unparsed",
    "answers.reading",
    "votes.gldr_denominator",
    "crops.mode",
    "runs.*.selection",
    "models.*.coordinates.order",
    "scores.square_box",
    "adapters.*.conversations.box",
    "scores.box_maximum",
    "scores.truth",
    "scores.hd95_unit",
    "scores.dimension",
    "cnn.networks.*.epochs",
    "cnn.networks.*.learning_rate",
    "cnn.networks.*.batch_size",
    "cnn.networks.*.multiple",
    "runs.*.generation.temperature",
    "runs.*.generation.min_p",
    "adapters.*.training.loss",
    "adapters.*.conversations.image_first",
    "runs.*.generation.image_first",
    "models.*.source",
    "models.*.quantisation",
    "slices.frame",
    "cohort.exclude",
    "runs.*.prompt",
    "scores.hd95_empty",
    "adapters.*.conversations.polygon_points",
    "adapters.*.training.learning_rate",
    "adapters.*.training.evaluate_every",
    "scores.unreadable",
}


def test_nothing_left_open_is_missing():
    listed = {readings.general(pattern) for entry in ENTRIES for pattern in (*entry["paper"], *entry["default"])}
    assert listed >= OPEN
    assert len({entry["id"] for entry in ENTRIES}) == len(ENTRIES)


def test_no_demo_entry_survives_in_an_overlay(reading):
    _, config = reading
    for section in ("models", "adapters", "runs"):
        assert not set(config[section]) & set(DEMO[section])
    assert not set(config["cnn"]["networks"]) & set(DEMO["cnn"]["networks"])


def test_networks_of_the_overlays_are_recipes(reading):
    for entry in reading[1]["cnn"]["networks"].values():
        Recipe.read(entry)


PUBLISHED = {
    "1/baseline",
    *(f"2/general-{orientation}" for orientation in ("axial", "coronal", "sagittal")),
    *(f"3/{model}" for model in ("general-axial-tumour-slices", "finetuned-100-steps", "finetuned-full-epoch")),
    "4/baseline",
    *("5/general", "6/finetuned-100-steps"),
    *("7/general", "8/finetuned-200-steps"),
    *("9/general", "10/finetuned-150-steps"),
}


def test_every_published_experiment_is_an_entry_of_paper_yaml():
    config = read_config("paper")
    entries = {**config["cnn"]["networks"], **config["runs"]}
    replicated = {name: set(entry.get("replicates", [])) for name, entry in entries.items()}
    assert set().union(*replicated.values()) == PUBLISHED
    assert replicated["classifier-sweep"] == {"1/baseline"} and len(entries["classifier-sweep"]["learning_rate"]) == 6
    assert {name for name, rows in replicated.items() if "4/baseline" in rows} == {
        "segmenter-methods",
        "segmenter-results",
    }
    repeated = {run["adapter"] for run in config["runs"].values() if run["repeats"] == 95}
    assert None in repeated and len(repeated) > 1
    steps = {name: adapter["training"]["steps"] for name, adapter in config["adapters"].items()}
    assert steps == {"grade-100-steps": 100, "grade-full-epoch": None, "centre-100-steps": 100, "box-200-steps": 200,
                     "polygon-150-steps": 150}  # fmt: skip


def test_patterns_stand_for_entries_and_not_for_levels():
    config = {"runs": {"a-x": {"generation": {"t": 1}}, "a-y": {"generation": {}}, "b": {"generation": {"t": 2}}}}
    assert readings.resolve(config, "runs.a-*.generation.t") == {"runs.a-x.generation.t": 1}
    assert readings.resolve(config, "runs.*.generation.t") == {"runs.a-x.generation.t": 1, "runs.b.generation.t": 2}
    assert readings.resolve(config, "runs.*.t") == {}
    assert fnmatchcase("a-x", "a-*")


@pytest.mark.parametrize(
    ("value", "wanted", "equal"),
    [("1e-4", 1e-4, True), (1, 1.0, True), (True, 1, False), (False, 0, False), (None, None, True),
     ("none", None, False),     ([10, 15], [10, 15], True), ("mm", "px", False), ("x", 3, False)],
)  # fmt: skip
def test_values_are_compared_as_yaml_means_them(value, wanted, equal):
    assert readings.same(value, wanted) is equal


def verdicts(config: dict, out: Path) -> list[str]:
    """The column "This run reads" of the page of a configuration."""
    readings.readings_table(AMBIGUITIES, config, "a cohort", out)
    rows = re.findall(r"<tr>\s*(<td.*?)</tr>", out.read_text(encoding="utf-8"), re.DOTALL)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)[4] for row in rows]


def test_the_report_says_how_this_run_reads(tmp_path):
    paper, default = read_config("paper"), read_config("brats2020")
    for config, expected in ((paper, "as published"), (default, "as defensible")):
        assert set(verdicts(config, tmp_path / "r.html")) == {expected, "as both"}
    before = verdicts(paper, tmp_path / "r.html")
    paper["votes"]["tie"] = "hgg"
    paper["cnn"]["networks"]["segmenter-methods"]["keep"] = "last"
    paper["runs"] = {"mine": {"selection": "range", "prompt": "classify"}, "yours": {"selection": "all"}}
    after = dict(zip([entry["id"] for entry in ENTRIES], verdicts(paper, tmp_path / "r.html"), strict=True))
    assert after["tie"] == "otherwise"
    assert after["epoch-choice"] == after["slice-choice-grading"] == "some as published, some as defensible"
    assert after["sampling-min-p"] == "at the default"
    untouched = ("reading", "crop-centre", "frame", "quantisation", "truth-of-shapes")
    assert [after[name] for name in untouched] == ["as published"] * len(untouched) and len(before) == len(after)


def test_an_empty_configuration_is_at_its_defaults(tmp_path):
    assert verdicts({}, tmp_path / "r.html") == ["at the default"] * len(ENTRIES)
