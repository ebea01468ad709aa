"""Every ambiguity of the study is a key: paper.yaml holds its published interpretation, leak-free.yaml ours."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from configuration import resolved
from glioma.config import schema
from glioma.report.tables import interpretations

ROOT = Path(__file__).parents[2]
AMBIGUITIES = ROOT / "resources" / "ambiguities.yaml"
ENTRIES = interpretations.read(AMBIGUITIES)
STUDIES = {"paper": "paper", "default": "leak-free"}
SCHEMA = schema.schema("study")


@pytest.fixture(scope="module", params=sorted(STUDIES))
def reading(request):
    """The name of an interpretation, and the configuration that must hold it."""
    return request.param, resolved(STUDIES[request.param])


def in_schema(pattern: str, level: dict = SCHEMA) -> bool:
    """Whether the schema knows a dotted pattern."""
    level = SCHEMA["$defs"][level["$ref"].rsplit("/", 1)[1]] if "$ref" in level else level
    if not pattern:
        return True
    part, _, rest = pattern.partition(".")
    if part in level.get("properties", {}):
        return in_schema(rest, level["properties"][part])
    return any(in_schema(rest, entry) for entry in level.get("patternProperties", {}).values())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_an_ambiguity_is_a_key_of_the_schema_with_a_reason(entry):
    assert set(entry) == {"id", "question", "paper", "default", "reason", "fixed"}
    assert entry["question"].endswith("?") and len(entry["reason"]) > 60
    assert bool(entry["fixed"]) != bool(entry["paper"]) and bool(entry["paper"]) == bool(entry["default"])
    for pattern in (*entry["paper"], *entry["default"]):
        assert in_schema(pattern), pattern


def test_the_schema_walk_knows_what_is_no_key():
    assert in_schema("networks.*.keep")
    assert not in_schema("networks.*.kept") and not in_schema("votes.draw")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_the_studies_hold_their_interpretations(entry, reading):
    name, config = reading
    for pattern, wanted in entry[name].items():
        found = interpretations.resolve(config, pattern)
        assert found, f"{STUDIES[name]}.yaml: no key {pattern}"
        for key, value in found.items():
            assert interpretations.same(value, wanted), f"{STUDIES[name]}.yaml: {key} is {value!r}, not {wanted!r}"


# What the study's own account leaves open, and the key that must therefore be listed.
OPEN = {
    "votes.tie",
    "votes.no_glioma",
    "votes.unparsed",
    "parsing",
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
    "networks.*.epochs",
    "networks.*.learning_rate",
    "networks.*.batch_size",
    "networks.*.multiple",
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
    "runs.*.generation.max_new_tokens",
    "runs.*.crops",
    "crops.shape",
    "slices.side",
    "folds.published",
    "networks.*.oversample",
    "networks.*.optimiser",
    "networks.*.loss",
    *(f"adapters.*.training.{key}" for key in ("batch_size", "accumulation", "backend", "optimiser")),
    *(f"adapters.*.training.{key}" for key in ("scheduler", "warmup", "weight_decay", "dropout")),
    "adapters.*.folds",
}
# What it leaves open and no key decides.
FIXED = {
    *("grey-values", "components", "segmenter-network", "consistency-slice", "zero-specificity"),
    "abstract-fine-tuned",
}


def test_nothing_left_open_is_missing():
    listed = {interpretations.general(pattern) for entry in ENTRIES for pattern in (*entry["paper"], *entry["default"])}
    assert listed >= OPEN
    assert len({entry["id"] for entry in ENTRIES}) == len(ENTRIES)
    assert {entry["id"] for entry in ENTRIES if entry["fixed"]} == FIXED


def test_no_demo_entry_is_in_another_study(reading):
    _, config = reading
    demo = resolved()
    for section in ("networks", "models", "adapters", "runs"):
        assert not set(config[section]) & set(demo[section])


PUBLISHED = {
    "1/baseline",
    *(f"2/general-{orientation}" for orientation in ("axial", "coronal", "sagittal")),
    *(f"3/{model}" for model in ("general-axial-tumour-slices", "finetuned-100-steps", "finetuned-full-epoch")),
    "4/baseline",
    *("5/general", "6/finetuned-100-steps"),
    *("7/general", "8/finetuned-200-steps"),
    *("9/general", "10/finetuned-150-steps"),
    *("text/abstract-classifier", "text/abstract-general", "text/abstract-finetuned", "text/other-segmenters"),
    *("text/consistency-general", "text/consistency-finetuned"),
}


def test_every_published_experiment_is_an_entry_of_paper_yaml():
    config = resolved("paper")
    entries = {**config["networks"], **config["runs"]}
    replicated = {name: set(entry.get("replicates", [])) for name, entry in entries.items()}
    assert set().union(*replicated.values()) == PUBLISHED
    assert replicated["classifier-sweep"] == {"1/baseline"} and len(entries["classifier-sweep"]["learning_rate"]) == 6
    assert {name for name, rows in replicated.items() if "4/baseline" in rows} == {"segmenter-results"}
    row = {entry: name for name, rows in replicated.items() for entry in rows}
    # Two published rows, two sets of answers.
    assert row["2/general-axial"] != row["3/general-axial-tumour-slices"]
    for table in ("5/general", "6/finetuned-100-steps", "7/general", "8/finetuned-200-steps", "9/general"):
        run = config["runs"][row[table]]
        tumour = config["runs"][f"{row[table]}-tumour"]
        assert (run["crops"], tumour["crops"]) == ("brain", "tumour")
        for name, crops in ((run["adapter"], "brain"), (tumour["adapter"], "tumour")):
            assert name is None or config["adapters"][name]["crops"] == crops
    repeated = {run["adapter"] for run in config["runs"].values() if run["repeats"] == 95}
    assert None in repeated and len(repeated) > 1
    training = {name: adapter["training"] for name, adapter in config["adapters"].items()}
    steps = {name: each["steps"] for name, each in training.items() if not name.endswith("-tumour")}
    assert steps == {"grade-100-steps": 100, "grade-full-epoch": None, "centre-100-steps": 100, "box-200-steps": 200,
                     "polygon-150-steps": 150}  # fmt: skip
    assert {each["batch_size"] * each["accumulation"] for each in training.values()} == {16}


def test_patterns_stand_for_entries_and_not_for_levels():
    config = {"runs": {"a-x": {"generation": {"t": 1}}, "a-y": {"generation": {}}, "b": {"generation": {"t": 2}}}}
    assert interpretations.resolve(config, "runs.a-*.generation.t") == {"runs.a-x.generation.t": 1}
    assert interpretations.resolve(config, "runs.*.generation.t") == {
        "runs.a-x.generation.t": 1,
        "runs.b.generation.t": 2,
    }
    assert interpretations.resolve(config, "runs.*.t") == {}
    assert fnmatchcase("a-x", "a-*")


@pytest.mark.parametrize(
    ("value", "wanted", "equal"),
    [("1e-4", 1e-4, True), (1, 1.0, True), (True, 1, False), (False, 0, False), (None, None, True),
     ("none", None, False),     ([10, 15], [10, 15], True), ("mm", "px", False), ("x", 3, False)],
)  # fmt: skip
def test_values_are_compared_as_yaml_means_them(value, wanted, equal):
    assert interpretations.same(value, wanted) is equal


def verdicts(config: dict, out: Path) -> list[str]:
    """The column "This run reads" of the page of a configuration."""
    interpretations.interpretations_table(AMBIGUITIES, config, "a cohort", out)
    rows = re.findall(r"<tr>\s*(<td.*?)</tr>", out.read_text(encoding="utf-8"), re.DOTALL)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)[4] for row in rows]


def test_the_report_says_how_this_run_reads(tmp_path):
    paper, default = resolved("paper"), resolved("leak-free")
    for config, expected in ((paper, "as published"), (default, "as leak-free")):
        assert set(verdicts(config, tmp_path / "r.html")) == {expected, "as both", "built in"}
    before = verdicts(paper, tmp_path / "r.html")
    paper["votes"]["tie"] = "hgg"
    paper["networks"]["segmenter-methods"]["keep"] = "last"
    paper["runs"] = {"mine": {"selection": "range", "prompt": "classify"}, "yours": {"selection": "all"}}
    after = dict(zip([entry["id"] for entry in ENTRIES], verdicts(paper, tmp_path / "r.html"), strict=True))
    assert after["tie"] == "otherwise"
    assert after["epoch-choice"] == after["slice-choice-grading"] == "some as published, some as leak-free"
    assert after["sampling-min-p"] == "at the default"
    untouched = ("parsing", "crop-centre", "frame", "quantisation", "truth-of-shapes")
    assert [after[name] for name in untouched] == ["as published"] * len(untouched) and len(before) == len(after)


def test_an_empty_configuration_is_at_its_defaults(tmp_path):
    expected = ["built in" if entry["fixed"] else "at the default" for entry in ENTRIES]
    assert verdicts({}, tmp_path / "r.html") == expected
