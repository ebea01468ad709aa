"""What makes a configuration: studies, what they extend, and every error in one line."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from configuration import resolved
from glioma.base.errors import UserError
from glioma.base.section import ordered
from glioma.cnn import recipe
from glioma.cnn.recipe import Recipe
from glioma.config import check, schema, settings, study
from glioma.demo.tiny_vlm.paper import PAPER
from glioma.metrics import with_medpy
from workspace import REPOSITORY

SERVED = {
    "models": {"served": {"backend": "endpoint", "source": "m", "endpoint": {"url": "http://127.0.0.1:8000/v1"}}},
    "runs": {"asked": {"like": "classification-general", "model": "served"}},
}
STUDIES = sorted(path.stem for path in (REPOSITORY / "config/studies").glob("*.yaml"))


@pytest.fixture
def config():
    return resolved()


@pytest.fixture
def written(tmp_path):
    """A function that writes a study of one's own and resolves it."""

    def write(text: str, name: str = "own", **more) -> dict:
        (tmp_path / f"{name}.yaml").write_text(text)
        return resolved(str(tmp_path / f"{name}.yaml"), **more)

    return write


@pytest.mark.parametrize("name", STUDIES)
def test_the_studies_are_complete_and_hold_nothing_of_each_other(name):
    """No study stands on another, takes anything out, or sets what would otherwise come from elsewhere to null."""
    content = yaml.safe_load((REPOSITORY / f"config/studies/{name}.yaml").read_text())
    assert not {"extends", "without"} & set(content)
    assert all(entry for section in study.ENTRIES for entry in content.get(section, {}).values())
    assert resolved(name)["study"] == name


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"cohort": {"rot": "x"}}, r"key cohort\.rot: unknown key 'rot'; did you mean root\?"),
        ({"sed": 1}, r"key sed: unknown key; did you mean seed\?"),
        ({"seed": "2.5"}, r"key seed: 2\.5 must be"),
        ({"seed": True}, "key seed: true and false are no numbers"),
        ({"slices": None}, "key slices: an empty section"),
        ({"scores": {"confidence": float("nan")}}, r"key scores\.confidence: nan must be"),
        ({"scores": {"nsd_tolerance": ".inf"}}, r"key scores\.nsd_tolerance: "),
        ({"folds": {"count": "many"}}, r"key folds\.count: 'many'"),
        ({"crops": {"mode": "brian"}}, r"key crops\.mode: 'brian' must be 'brain' or 'tumour'"),
        ({"runs": {"paper-polygon-general": {"prompt": "nowhere"}}}, r"key runs\.paper-polygon-general\.prompt"),
        (
            {"runs": {"paper-polygon-general": {"model": "tiny-mlama"}}},
            r"key runs\.paper-polygon-general\.model: no entry 'tiny-mlama'; did you mean tiny-mllama\?",
        ),
        (
            {"runs": {"paper-polygon-finetuned": {"adapter": "paper-classification"}}},
            r"key runs\.paper-polygon-finetuned\.task",
        ),
        (
            {"adapters": {"paper-polygon": {"training": {"learning_rat": 1}}}},
            r"unknown key 'learning_rat'; did you mean learning_rate\?",
        ),
        ({"runs": {"bad name": {"like": "wording-plain"}}}, r"key runs\.bad name"),
        ({"runs": {"baselines": {"like": "wording-plain"}}}, r"key runs\.baselines: that name is taken"),
        ({"runs": {"other": {"like": "wording-plane"}}}, r"key runs\.other\.like: no entry 'wording-plane'; did you"),
        ({"runs": {"other": {"like": "other"}}}, r"key runs\.other: is like itself"),
        ({"runs": {"wording-plain": None}}, r"key runs\.wording-plain: None is no entry"),
        ({"runs": {"wording-plain": {"task": "segmentation"}}}, "is no task of a VLM; use one of classification"),
        ({"runs": {"wording-plain": {"choices": ["LGG", "LGG", "HGG"]}}}, "is no order of LGG, HGG, no glioma"),
        ({"adapters": {"bounding_box": {"folds": [3]}}}, r"key adapters\.bounding_box\.folds: no fold 3"),
        ({"adapters": {"paper-polygon": {"conversations": {"polygon_points": [12, 3]}}}}, r"write \[3, 12\]"),
        ({"runs": {"bounding_box-finetuned": {"patients": "all"}}}, "'bounding_box' has no model of fold1, fold2"),
        (
            {"runs": {"bounding_box-finetuned": {"generation": {"image_first": True}}}},
            "trained with image_first: false",
        ),
        (
            {"runs": {"bounding_box-finetuned": {"picture": {"neighbours": [-1, 0, 1]}}}},
            r"key runs\.bounding_box-finetuned\.picture: its adapter 'bounding_box' was trained with another",
        ),
        (
            {"runs": {"bounding_box-finetuned": {"system": "system/radiologist"}}},
            r"key runs\.bounding_box-finetuned\.system: its adapter 'bounding_box' was trained with another",
        ),
        (
            {"runs": {"wording-plain": {"system": "system/nobody"}}},
            r"key runs\.wording-plain\.system: .* does not exist",
        ),
        (
            {"runs": {"bounding_box-general": {"picture": {"sequences": ["flair", "t2"], "arrange": "montage"}}}},
            r"key runs\.bounding_box-general\.picture\.arrange: on a montage nobody knows",
        ),
        ({"runs": {"wording-plain": {"picture": {"sequences": ["flair", "t2"]}}}}, "2 views cannot be the colours"),
        (
            {"runs": {"wording-permuted": {"examples": 2}}},
            r"key runs\.wording-permuted\.examples: .* leave choices out",
        ),
        ({"runs": {"wording-plain": {"samples": 3}}}, "3 greedy answers are one; set generation.temperature"),
        ({"networks": {"monai-unet": {"patience": 3}}}, r"key networks\.monai-unet: keep: last does not go with"),
        ({"networks": {"wording-plain": {"like": "monai-unet"}}}, "a network has that name, too"),
        ({"radiomics": {"r": {"segmenter": "unett"}}}, r"key radiomics\.r\.segmenter: no entry 'unett'; did you mean"),
        ({"radiomics": {"r": {"segmenter": "paper-classifier"}}}, r"key radiomics\.r\.segmenter: no entry"),
        ({"radiomics": {"monai-unet": {"segmenter": "monai-unet"}}}, "a network has that name, too"),
        ({"radiomics": {"wording-plain": {"segmenter": "monai-unet"}}}, "a radiomics grader has that name, too"),
        (
            {"radiomics": {"r": {"segmenter": "monai-unet", "strengths": []}}},
            r"key radiomics\.r\.strengths: \[\] is too short; name at least 1",
        ),
        ({"sam": {"s": {"boxes": []}}}, r"key sam\.s\.boxes: \[\] is too short; name at least 1"),
        ({"sam": {"s": {"boxes": ["truth", "truth"]}}}, r"key sam\.s\.boxes: truth stands twice; keep one"),
        ({"sam": {"s": {"boxes": ["monai-unett"]}}}, r"key sam\.s\.boxes: no entry 'monai-unett'; did you mean"),
        ({"sam": {"s": {"boxes": ["presence-general"]}}}, r"key sam\.s\.boxes: no entry 'presence-general'"),
        ({"sam": {"s": {"boxes": ["bounding_box-general"], "every": 6}}}, r"sam\.s\.every: 6, but .* one slice in 4"),
        (
            {"sam": {"s": {"boxes": ["bounding_box-finetuned"], "every": 4, "patients": "all"}}},
            r"key sam\.s\.patients: all, but 'bounding_box-finetuned' is asked about test patients only",
        ),
        (
            {"sam": {"s": {"boxes": ["monai-unet", "paper-segmenter"]}}},
            r"key sam\.s\.boxes: their crops differ \(brain, tumour\); make an entry of each",
        ),
        (
            {"sam": {"s": {"boxes": ["truth"], "model": "/nowhere"}}},
            r"key sam\.s\.model: /nowhere holds no config\.json",
        ),
        (
            {"sam": {"wording-plain": {"boxes": ["truth"]}}},
            "or run has the name 'wording-plain'; give one of them another",
        ),
        (
            {"sam": {"monai": {"boxes": ["truth"]}}, "networks": {"monai-truth": {"like": "monai-unet"}}},
            "'monai-truth'",
        ),
        ({"comparisons": [["radiomics", "monai-unet"]]}, "'radiomics' gives a grade, 'monai-unet' a region"),
        ({"comparisons": [["monai-unet", "nobody"]]}, r"key comparisons: no entry 'nobody'"),
        ({"comparisons": [["monai-unet"]]}, "is no pair of two names"),
        ({"leak_audit": [["paper-classifier", "paper-classifier-brain"]]}, r"'paper-classifier' has tumour crops"),
        ({"cohort": {"root": "/x", "labels": {"4": "bone"}}}, r"key cohort\.labels: 'bone' is no tissue"),
        ({"cohort": {"root": "/x", "layout": "phantom"}}, "root is given, but the layout is phantom"),
        ({"cohort": {"root": "/x", "hgg": 5}}, "hgg is given, but the layout is auto"),
        ({"study": "papr"}, r"key study: 'papr' is no study; did you mean paper\?"),
        (
            {"votes": {"ballot": "probability"}} | SERVED,
            r"key votes\.ballot: the endpoint of 'served', which runs\.asked asks, names no probabilities; set its",
        ),
        ({"votes": {"tie": "probability"}} | SERVED, r"key votes\.tie: the endpoint of 'served'"),
    ],
)
def test_an_error_names_its_key_in_one_line(more, message):
    with pytest.raises(UserError, match=message) as error:
        resolved(**({"name": more.pop("study")} if "study" in more else {}), **more)
    assert "\n" not in str(error.value)


def test_an_error_says_whether_its_key_stands_in_the_study_or_over_it(written):
    with pytest.raises(UserError, match=r"^configuration, key votes\.balot: unknown key 'balot'; did you mean ballot"):
        resolved(votes={"balot": "choice"})
    with pytest.raises(UserError, match=r"^\S+own\.yaml, key votes\.balot: unknown key 'balot'"):
        written("extends: demo\nvotes: {balot: choice}\n")
    # What is typed is right; what is wrong stands in the file.
    with pytest.raises(UserError, match=r"^\S+own\.yaml, key votes\.balot"):
        written("extends: demo\nvotes: {balot: choice}\n", votes={"tie": "hgg"})


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "demo"])
def test_a_cohort_is_named_and_never_guessed(name):
    with pytest.raises(UserError, match=rf"no cohort of its own.*--config study={name} 'cohort=") as error:
        resolved(name, cohort={})
    # The remedy works when it is typed.
    assert resolved(name, cohort=yaml.safe_load(re.search(r"'cohort=(\{\"layout.*?\})'", str(error.value))[1]))


def test_the_cohort_of_the_site_takes_the_place_of_the_studys():
    cohort = resolved(cohort={"root": "/data/brats"})["cohort"]
    assert (cohort["layout"], cohort["root"]) == ("auto", "/data/brats")


def test_numbers_that_arrive_as_text_are_read():
    """`--config 'cohort={"hgg": 8}'` and an exponent without a decimal point reach the workflow as text."""
    config = resolved(
        cohort={"layout": "phantom", "hgg": "8"},
        networks={"paper-segmenter": {"learning_rate": ["1e-4", "5E-7"], "epochs": 3.0, "micro_batch": "null"}},
    )
    assert config["cohort"]["hgg"] == 8
    network = config["networks"]["paper-segmenter"]
    assert network["learning_rate"] == [1e-4, 5e-7] and network["epochs"] == 3 and network["micro_batch"] is None
    assert config["models"]["tiny-mllama"]["coordinates"]["scale"] == "128"


def test_a_study_extends_another_and_takes_out_what_it_does_not_want(written):
    config = written(
        """
        extends: demo
        without: [runs.wording-plain, networks.slice-classifier]
        seed: 7
        comparisons: []
        runs:
          wording-expert: {every: 9}
          mine: {like: wording-expert, prompt: classify}
        """
    )
    demo = resolved("demo")
    assert list(config["runs"]) == [*(name for name in demo["runs"] if name != "wording-plain"), "mine"]
    assert set(demo["networks"]) - set(config["networks"]) == {"slice-classifier"}
    assert config["seed"] == 7 and settings.study(config)["study"] == "own"
    assert config["runs"]["wording-expert"] == demo["runs"]["wording-expert"] | {"every": 9}
    assert config["runs"]["mine"] == config["runs"]["wording-expert"] | {"prompt": "classify"}


@pytest.mark.parametrize("text", ["extends: demo\n", "extends: demo\nwithout: [runs.wording-plain]\nseed: 7\n"])
def test_what_is_resolved_resolves_to_itself(written, text):
    """`snakemake --report` is started from the configuration that a run was resolved to."""
    config = written(text)
    again, name = study.resolve(config)
    assert again == config and name == "own"
    assert [list(again[section]) for section in study.ENTRIES] == [list(config[section]) for section in study.ENTRIES]


def test_what_a_study_extends_is_found_beside_it_and_in_no_circle(written):
    written("extends: demo\nseed: 5\n", "base")
    assert written("extends: base\n")["seed"] == 5
    with pytest.raises(UserError, match="extends itself"):
        written("extends: base\n", "base")
    with pytest.raises(UserError, match=r"key without: no entry runs\.nothing"):
        written("extends: demo\nwithout: [runs.nothing]\n")
    with pytest.raises(UserError, match=r"key without: 'runs' is no list; write without: \[runs\]"):
        written("extends: demo\nwithout: runs\n")
    for section in ("sam", "seed", "cohort", "seed.x"):
        with pytest.raises(UserError, match=f"key without: no entry {section}; write a section such as runs"):
            written(f"extends: demo\nwithout: [{section}]\n")


def test_a_section_is_taken_out_whole_and_never_by_an_empty_one(written):
    """Laid over another, an empty mapping would leave everything as it is, without a word."""
    alone = "comparisons: []\nleak_audit: []\n"
    found = written(f"extends: demo\nwithout: [networks, radiomics]\n{alone}")
    assert not found["networks"] and not found["radiomics"] and found["runs"] == resolved("demo")["runs"]
    kept = "runs: {mine: {like: box-general}, wording-plain: {every: 9}, two: {like: mine, variants: {a: {}, b: {}}}}"
    found = written(f"extends: demo\nwithout: [runs]\n{alone}{kept}\n")
    assert list(found["runs"]) == ["wording-plain", "mine", "two-a", "two-b"]
    assert found["runs"]["two-b"] | {"replicates": []} == resolved("demo")["runs"]["box-general"] | {"replicates": []}
    with pytest.raises(UserError, match="radiomics"):
        written("extends: demo\nradiomics: null\n")
    with pytest.raises(UserError, match=r"own.yaml, key networks: empty, which takes nothing .*; write without: \[net"):
        written("extends: demo\nnetworks: {}\n")
    with pytest.raises(UserError, match="configuration, key runs: empty, .*; write a study that extends it, with with"):
        study.resolve({"study": "demo", "runs": {}})


def test_entries_like_another_and_in_variants(written):
    config = written(
        """
        cohort: {layout: phantom}
        networks:
          unet:
            task: segmentation
            architecture: monai:UNet
            augmentation: {flip: 0.5, shift: 2}
            replicates: [4/baseline]
            variants: {a: {}, b: {augmentation: {flip: 0.1}, epochs: 3}}
          last: {like: unet-b, keep: last}
        """
    )
    networks = config["networks"]
    assert list(networks) == ["unet-a", "unet-b", "last"]
    assert networks["unet-b"]["augmentation"] == {"flip": 0.1, "intensity": 0, "shift": 2}
    # A published row is repeated by the entry that says so.
    assert networks["unet-b"]["replicates"] == ["4/baseline"] and networks["last"]["replicates"] == []
    assert networks["last"]["epochs"] == 3 and networks["last"]["keep"] == "last"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\ncohort: {layout: phantom}\nseed: 2\n", r"line 1: key seed stands twice"),
        ("- a\n", "holds no keys"),
        ("a: [\n", "not valid YAML"),
        ("cohort: {layout: phantom}\nfolds:\n", "key folds: an empty section"),
    ],
)
def test_a_file_that_is_no_study_is_named(written, text, message):
    with pytest.raises(UserError, match=message) as error:
        written(text)
    assert "own.yaml" in str(error.value) and "\n" not in str(error.value)


def test_settings_are_complete(config):
    """A job is told every value: nothing is left to a default of the code that it runs."""
    for name in config["networks"]:
        assert settings.network_entry(config, name)["optimiser"] == "adam"
    for name in config["adapters"]:
        assert {"rank", "alpha", "dropout", "validation_rows"} <= set(config["adapters"][name]["training"])
    assert config["scores"]["resamples"] == 2000 and config["votes"]["tie"] == "undecided"


def test_who_answers_for_whom(config):
    assert settings.parts(config, "classification-general") == ["everyone"]
    assert settings.parts(config, "classification-finetuned") == ["test", "fold0", "fold1", "fold2"]
    assert settings.adapter_fold(config, "classification-finetuned", "fold2") == 2
    assert settings.adapter_fold(config, "classification-finetuned", "test") == 0
    assert settings.crops_of(config, config["runs"]["paper-polygon-finetuned"]) == "tumour"
    assert settings.crops_of(config, config["runs"]["bounding_box-finetuned"]) == "brain"


def test_names_match_themselves_only():
    pattern = re.compile(settings.alternatives(["a.b", "c"]))
    assert pattern.fullmatch("a.b") and pattern.fullmatch("c") and not pattern.fullmatch("axb")
    assert not re.compile(settings.alternatives([])).fullmatch("")


def test_names_alike_are_one_short_pattern_for_any_number_of_patients():
    names = [f"BraTS.2021_{number:05d}" for number in range(5000)]
    pattern = settings.alike(names)
    assert len(pattern) < 40 and all(re.fullmatch(pattern, name) for name in names)
    for other in ("BraTS.2021_0001", "BraTSx2021_00001", "BraTS.2021_0000a", "BraTS.2021_00001.mask", ""):
        assert not re.fullmatch(pattern, other)
    odd = ["a", "b-1", "c (left)"]
    assert [bool(re.fullmatch(settings.alike(odd), name)) for name in [*odd, "b-2", "d"]] == [True] * 4 + [False]
    assert not re.fullmatch(settings.alike([]), "")


def test_order_of_keys_does_not_matter():
    assert str(ordered({"b": [{"d": 1, "c": 2}], "a": 1})) == str(ordered({"a": 1, "b": [{"c": 2, "d": 1}]}))


def test_the_site_majority_is_compared_only_where_sites_are_known(config):
    config["comparisons"] = [["monai-unet", "FLAIR threshold"], ["flair-classifier", "site majority"]]
    assert check.drop_site_pairs(config, ["TCIA01", "CBICA", ""]) == [] and len(config["comparisons"]) == 2
    (line,) = check.drop_site_pairs(config, ["CBICA", "", "CBICA"])
    assert "[flair-classifier, site majority]" in line and "1 sites" in line
    assert config["comparisons"] == [["monai-unet", "FLAIR threshold"]]


def test_the_complete_example_of_the_readme_is_a_study(written):
    example = re.search(r"```yaml\n(.*?)```", (REPOSITORY / "config/README.md").read_text(), re.DOTALL)[1]
    config = written(example, cohort={"layout": "phantom"})
    assert list(config["runs"]) == ["box-general", "box-plain", "box-finetuned"]
    assert config["runs"]["box-finetuned"]["adapter"] == "box" and config["networks"]["unet"]["keep"] == "last"


@pytest.mark.parametrize("name", schema.FILES)
def test_the_schemas_for_editors_are_fresh(name):
    """Made by: PYTHONPATH=workflow/scripts python -m glioma.config.schema"""
    assert (REPOSITORY / f"workflow/schemas/{name}.schema.json").read_text() == schema.text(name)


def test_the_reference_of_keys_is_fresh():
    assert (REPOSITORY / "config/KEYS.md").read_text() == schema.reference()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("config", REPOSITORY / "config/config.yaml"),
        *(("study", REPOSITORY / f"config/studies/{name}.yaml") for name in STUDIES),
        *(("study", REPOSITORY / "tests" / name) for name in ("workflow/small.yaml", "slurm/cut.yaml")),
        *(("model", path) for path in sorted((REPOSITORY / "config/models").glob("*.yaml"))),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_the_projects_own_files_follow_the_schemas(kind, path):
    content = json.loads(json.dumps(study.load_yaml(path)))
    # YAML 1.1 has 1e-3 for text, which the workflow reads as a number and an editor's YAML 1.2 does, too.
    text = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")

    def numbers(value):
        if isinstance(value, dict):
            return {key: numbers(item) for key, item in value.items()}
        if isinstance(value, list):
            return [numbers(item) for item in value]
        return float(value) if isinstance(value, str) and text.fullmatch(value) else value

    jsonschema.validate(numbers(content), schema.schema(kind))


def test_what_is_known_at_the_start_is_said_at_the_start(monkeypatch):
    config = resolved()
    config["scores"]["backend"] = "medpy"
    check.check(config)
    monkeypatch.setattr(with_medpy, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"key scores\.backend: medpy is not installed; pip install medpy"):
        check.check(config)
    config = resolved()
    config["runs"]["consistency-general"]["replicates"] = ["text/consistency-genral"]
    with pytest.raises(UserError, match=r"runs\.consistency-general\.replicates: .* did you mean text/consistency-g"):
        check.check(config)


def test_weights_from_the_network_are_refused():
    config = resolved()
    entry = config["networks"]["monai-unet"] | {"architecture": "monai:DenseNet121", "arguments": {"pretrained": True}}
    with pytest.raises(UserError, match=r"arguments\.pretrained"):
        Recipe.read(recipe.training_entry(settings.network_entry({**config, "networks": {"a": entry}}, "a")))


def test_what_needs_a_gpu_is_named_with_what_to_set_instead():
    assert check.without_gpu(resolved("demo")) is None and check.without_gpu(resolved("leak-free")) is None
    config = resolved("paper")
    for message in (
        "key models.llama-3-2-11b-vision.backend: unsloth needs CUDA; run where there is a GPU",
        "key models.llama-3-2-11b-vision.quantisation: 4bit needs CUDA",
        "key adapters.grade-100-steps.training.backend: unsloth needs CUDA; run where there is a GPU, or set backend",
        "key adapters.grade-100-steps.training.optimiser: adamw_8bit needs CUDA",
    ):
        assert message in check.without_gpu(config)
        section, name, *keys = message.split(":")[0].removeprefix("key ").split(".")
        entry = config[section][name] if len(keys) == 1 else config[section][name][keys[0]]
        entry[keys[-1]] = re.search(r"set \w+: (\w+)$", check.without_gpu(config))[1]
    assert "adapters.grade-full-epoch.training.backend" in check.without_gpu(config)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"coordinates": {"form": "loc", "scale": "unit"}}, "form loc has a token for each whole number"),
        ({"coordinates": {"form": "points"}}, "set order: x_y"),
        ({"chat": {"template": "config/none.jinja"}}, "models.tiny-mllama.chat.template: no file config/none.jinja"),
        ({"attention": "flash"}, "attention: 'flash'"),
        ({"source": "owner/name", "recipe": {}}, "recipe trains the embedded model, not owner/name; leave it out"),
        ({"recipe": {"stepps": 3}}, "did you mean steps?"),
    ],
)
def test_what_a_model_entry_cannot_be_is_refused(model, said):
    with pytest.raises(UserError, match=re.escape(said)):
        resolved(models={"tiny-mllama": model})


def test_the_studys_own_words_are_refused_for_a_model_that_speaks_otherwise(tmp_path, monkeypatch):
    prompt = tmp_path / "fixed.txt"
    prompt.write_text(PAPER["center_point"])
    own = settings.prompt_file
    monkeypatch.setattr(settings, "prompt_file", lambda name: str(prompt) if "center" in name else own(name))
    with pytest.raises(UserError, match=r"fixed\.txt puts row first, but its model's coordinates begin with x"):
        resolved(models={"tiny-mllama": {"coordinates": {"order": "x_y"}}})


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"task": "bounding_box", "prompt": "box"}, "bounding_box has no choices; leave it out"),
        ({"generation": {"constrained": True}}, "nothing is decoded, so that constrained means nothing"),
        ({"generation": {"temperature": 0.5}}, "nothing is decoded, so that temperature means nothing"),
        ({"generation": {"stop": ["]"]}}, "nothing is decoded, so that stop means nothing"),
    ],
)
def test_choices_alone_are_refused_where_there_are_none_or_something_is_decoded(run, said):
    entry = {"model": "tiny-mllama", "task": "classification", "prompt": "classify"} | run
    entry["generation"] = {**run.get("generation", {}), "choices_only": True}
    with pytest.raises(UserError, match=re.escape(f"key runs.quick.generation.choices_only: {said}")):
        resolved(runs={"quick": entry})


def test_a_constrained_run_is_paired_with_the_one_that_differs_in_nothing_else():
    runs = {
        "free": {"like": "paper-polygon-general"},
        "kept": {"like": "free", "generation": {"constrained": True, "batch_size": 4}},
        "colder": {"like": "kept", "generation": {"temperature": 0.3}},
    }
    pairs = settings.constrained_pairs(resolved(runs=runs))
    assert [first for first, _ in pairs] == ["kept"] and pairs[0][1] in ("free", "paper-polygon-general")
