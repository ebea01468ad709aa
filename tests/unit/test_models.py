"""What a model's and an adapter's own files may decide, and what is refused: weights that miss, or fit nowhere."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file

from glioma.base.errors import UserError
from glioma.base.files import atomic_path
from glioma.vlm import backends, model_check, models, processors, prompts
from glioma.vlm.backends import Decoding, Prompt
from glioma.vlm.processors import chat

WEIGHTS = "model.safetensors"


@pytest.fixture
def copy(tiny_mllama, tmp_path):
    """The model in a folder of its own, whose files a test may edit."""
    shutil.copytree(tiny_mllama["path"], tmp_path / "model")
    return {"name": "m", "path": str(tmp_path / "model")}


def edit(path: Path, **keys) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def answers(base: dict) -> list:
    backend = backends.build(base)
    backend.load()
    images = [(Image.new("RGB", (128, 128), (shade, shade, shade)),) for shade in (20, 90, 200)]
    return backend.answer(Prompt("Where is it?"), images, ["a", "b", "c"], Decoding(24))


def test_generation_fields_of_the_models_own_files_change_no_answer(copy):
    before = answers(copy)
    path = Path(copy["path"]) / "generation_config.json"
    penalties = {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1, "length_penalty": -9.0, "num_beams": 3}
    harmful = {**penalties, "min_new_tokens": 24, "do_sample": True, "temperature": 9.0, "suppress_tokens": [5, 6, 7]}
    edit(path, **harmful)
    assert answers(copy) == before
    # They would have changed them.
    model, _ = models.load(copy)
    assert model.generation_config.repetition_penalty is None and model.generation_config.suppress_tokens is None
    assert model.generation_config.eos_token_id == json.loads(path.read_text())["eos_token_id"]


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_a_model_whose_weights_do_not_fit_is_refused_by_name(copy, change):
    path = Path(copy["path"]) / WEIGHTS
    weights = load_file(path)
    name = sorted(weights)[3]
    if change == "missing":
        del weights[name]
    else:
        weights["model.another.weight"] = torch.zeros(2)
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(
        UserError, match=f"{'missing from its files' if change == 'missing' else 'fit nowhere'}"
    ) as fault:
        models.load(copy)
    assert "\n" not in str(fault.value) and "1 weights" in str(fault.value)


def test_an_index_that_leaves_the_folder_is_refused(copy, tmp_path):
    folder = Path(copy["path"])
    outside = tmp_path / "elsewhere.safetensors"
    names = list(load_file(folder / WEIGHTS))
    shutil.move(folder / WEIGHTS, outside)
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "../elsewhere.safetensors")}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"index\.json names \.\./elsewhere\.safetensors"):
        models.load(copy)


@pytest.mark.parametrize("change", ["renamed", "half"])
def test_an_adapter_that_does_not_apply_is_refused_by_name(copy, tmp_path, change):
    base, _ = models.load(copy)
    config = LoraConfig(r=2, target_modules=r".*language_model.*q_proj", init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    models.load(copy, tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = load_file(file)
    if change == "renamed":
        weights = {f"base_model.model.{name}": value for name, value in weights.items()}
    else:
        weights = {name: weights[name] for name in sorted(weights)[::2]}
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(UserError, match="are missing from its files, such as base_model") as fault:
        models.load(copy, tmp_path / "adapter")
    assert str(fault.value).startswith(f"adapter {tmp_path / 'adapter'}: ")


def test_files_of_weights_are_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_text("")
    with atomic_path(tmp_path / "weights.safetensors") as temporary:
        save_file({"a": torch.zeros(1)}, temporary)
    assert (tmp_path / "weights.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_model_that_can_be_asked_passes(copy):
    assert model_check.check(copy, 128)["tokens"] > 10


def spoil(base: dict, how: str) -> None:
    """Break one of a model's files in a way that was met."""
    folder = Path(base["path"])
    template = folder / "chat_template.jinja"
    if how == "cut off":
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1000])
    elif how == "no weights":
        (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    elif how == "quantised":
        edit(folder / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    elif how == "tokenizer":
        (folder / "tokenizer.json").write_text('{"model": 1}')
    elif how == "no picture":
        template.write_text("{{ bos_token }}{{ messages[0]['content'][0]['text'] }}")
    elif how == "no question":
        template.write_text("{{ bos_token }}<|image|>{{ messages[1]['content'][0]['text'] if messages | length > 1 }}")
    elif how == "no answer":
        template.write_text("{{ bos_token }}<|image|>{{ messages[0]['content'][0]['text'] }}")
    elif how == "no template":
        template.unlink()
    elif how == "syntax":
        template.write_text("{% for message in messages %}")
    elif how == "endless":
        rounds = "".join(f"{{% for {name} in range(99999) %}}" for name in "abc")
        template.write_text(f"{rounds}{{% endfor %}}{{% endfor %}}{{% endfor %}}")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut off", "model.safetensors is damaged or cut off"),
        ("no weights", "no .safetensors in"),
        ("quantised", "are quantised already, which needs CUDA"),
        ("tokenizer", "no usable processor in"),
        ("no picture", "its "),
        ("no question", "its chat template leaves the question out"),
        ("no answer", "chat template leaves the answer out"),
        ("no template", "no chat template"),
        ("syntax", "its processor cannot make a question"),
        ("endless", "its chat template does not come to an end in 1 s"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused_in_one_line(copy, how, message, monkeypatch):
    monkeypatch.setattr(model_check, "SECONDS", 1)
    spoil(copy, how)
    with pytest.raises(UserError, match=message) as fault:
        model_check.check(copy, 128)
    assert str(fault.value).startswith("model m: ") and "\n" not in str(fault.value)


@pytest.mark.parametrize(
    "words", ["{{ strftime_now('%d %b %Y') }}", "{{ date_string if date_string is defined else strftime_now('%Y') }}"]
)
def test_a_question_is_the_same_on_every_day(copy, words):
    template = Path(copy["path"]) / "chat_template.jinja"
    template.write_text(f"Today: {words} {template.read_text()}")
    text = chat(processors.load(copy), prompts.messages("Where is it?"), answers=True)
    assert text.startswith("Today: 26 Jul 2024 ") and "Where is it?" in text
