import copy
from pathlib import Path

import pytest
import yaml

from glioma.base.errors import UserError
from glioma.config import settings

BASE = Path(__file__).parents[2]


@pytest.fixture
def config(monkeypatch):
    monkeypatch.chdir(BASE)
    return yaml.safe_load((BASE / "config" / "config.yaml").read_text())


def at(config, path, value):
    changed = copy.deepcopy(config)
    *parents, key = path.split(".")
    place = changed
    for parent in parents:
        place = place[parent]
    place[key] = value
    return changed


def test_the_default_is_valid(config):
    settings.check(config, BASE)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("cohort.rot", "x", r"key cohort: .*'rot' was unexpected"),
        ("folds.count", "many", r"key folds\.count"),
        ("crops.mode", "brian", r"key crops\.mode: 'brian'"),
        ("runs.paper-polygon-general.prompt", "nowhere", r"key runs\.paper-polygon-general\.prompt"),
        (
            "runs.paper-polygon-general.model",
            "gpt",
            r"key runs\.paper-polygon-general\.model: no entry 'gpt'; there are tiny-mllama",
        ),
        ("runs.paper-polygon-finetuned.adapter", "paper-classification", r"key runs\.paper-polygon-finetuned\.task"),
        ("adapters.paper-polygon.training", {"learning_rat": 1}, r"'learning_rat' was unexpected"),
        ("runs.bad name", {}, r"key runs"),
        ("adapters.bounding_box.folds", [3], r"key adapters\.bounding_box\.folds: no fold 3"),
        ("runs.bounding_box-finetuned.patients", "all", r"adapter 'bounding_box' has no model of fold1, fold2"),
        ("runs.bounding_box-finetuned.generation.image_first", True, r"trained with image_first: false"),
        ("cnn.networks.monai-unet.patience", 3, r"key cnn\.networks\.monai-unet: "),
        ("comparisons", [["monai-unet", "nobody"]], r"key comparisons: no entry 'nobody'"),
        ("leak_audit", [["paper-classifier", "paper-classifier-brain"]], r"'paper-classifier' has tumour crops"),
        ("cohort.labels", {"4": "bone"}, r"key cohort\.labels"),
    ],
)
def test_a_fault_names_its_key_in_one_line(config, path, value, message):
    with pytest.raises(UserError, match=message) as fault:
        settings.check(at(config, path, value), BASE)
    assert "\n" not in str(fault.value)


def test_numbers_that_arrive_as_text_are_read(config):
    """`--config 'phantom={"hgg": 8}'` and an exponent without a decimal point reach the workflow as text."""
    changed = at(at(config, "phantom.hgg", "8"), "cnn.networks.paper-segmenter.learning_rate", ["1e-4", "5E-7"])
    settings.check(changed, BASE)
    assert changed["phantom"]["hgg"] == 8
    assert changed["cnn"]["networks"]["paper-segmenter"]["learning_rate"] == [1e-4, 5e-7]
    assert changed["models"]["tiny-mllama"]["coordinates"]["scale"] == "128"


def test_an_entry_that_is_null_is_taken_out_and_an_overlay_says_so(config):
    defaults = copy.deepcopy(config)
    changed = at(at(config, "runs.wording-plain", None), "cnn.networks.flair-classifier", None)
    changed["comparisons"] = []
    settings.check(changed, BASE)
    assert "wording-plain" not in changed["runs"] and "flair-classifier" not in changed["cnn"]["networks"]
    again = settings.overlay(changed, defaults)
    assert again["runs"]["wording-plain"] is None and again["cnn"]["networks"]["flair-classifier"] is None
    settings.check(again, BASE)
    assert settings.ordered(again) == settings.ordered(changed)


def test_who_answers_for_whom(config):
    settings.check(config, BASE)
    assert settings.parts(config, "classification-general") == ["test", "development"]
    assert settings.parts(config, "classification-finetuned") == ["test", "fold0", "fold1", "fold2"]
    assert settings.adapter_fold(config, "classification-finetuned", "fold2") == 2
    assert settings.adapter_fold(config, "classification-finetuned", "test") == 0
    assert settings.crops_of(config, config["runs"]["paper-polygon-finetuned"]) == "tumour"
    assert settings.crops_of(config, config["runs"]["bounding_box-finetuned"]) == "brain"


def test_names_match_themselves_only():
    import re

    pattern = re.compile(settings.alternatives(["a.b", "c"]))
    assert pattern.fullmatch("a.b") and pattern.fullmatch("c") and not pattern.fullmatch("axb")
    assert not re.compile(settings.alternatives([])).fullmatch("")


def test_order_of_keys_does_not_matter():
    assert str(settings.ordered({"b": [{"d": 1, "c": 2}], "a": 1})) == str(
        settings.ordered({"a": 1, "b": [{"c": 2, "d": 1}]})
    )


def test_the_site_majority_is_compared_only_where_sites_are_known(config):
    config["comparisons"] = [["monai-unet", "FLAIR threshold"], ["flair-classifier", "site majority"]]
    assert settings.drop_site_pairs(config, ["TCIA01", "CBICA", ""]) == [] and len(config["comparisons"]) == 2
    (line,) = settings.drop_site_pairs(config, ["CBICA", "", "CBICA"])
    assert "[flair-classifier, site majority]" in line and "1 sites" in line
    assert config["comparisons"] == [["monai-unet", "FLAIR threshold"]]
