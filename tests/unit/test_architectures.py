"""Tiny models of the classes that people come with, from conversations to answers: what is labelled, adapted, seen."""

import json
import re
from pathlib import Path

import architectures
import numpy as np
import pytest
import torch
import yaml
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from small_crops import PATIENTS
from transformers import AutoModelForImageTextToText
from transformers.quantizers.quantizers_utils import should_convert_module

from glioma import tasks
from glioma.base.errors import UserError
from glioma.config.entries import Model
from glioma.geometry import slices
from glioma.vlm import backends, conversations, finetune, layers, model_check, models, pictures, processors, prompts
from glioma.vlm.backends import Choices, Decoding, Example, Prompt
from glioma.vlm.collate import IGNORED, Collator
from glioma.vlm.encode import Question, image_features, sizes
from glioma.vlm.images import Crops
from glioma.vlm.loss import answer_loss
from glioma.vlm.requests import Request, slices_of
from glioma.vlm.respond import respond
from glioma.vlm.settings import Picture

SIDE = 64
PROMPT = Path("config/prompts/classify.txt").read_text().strip()
PARSING = {"task": "classification", "side": SIDE, "coordinates": {"order": "row_col", "scale": "128"}}
SETTINGS = {
    "steps": 100, "batch_size": 2, "learning_rate": 1e-2, "warmup": 0, "evaluate_every": 100, "validation_rows": 2,
    "rank": 8, "keep": "last", "select_by": "generation", "generation_rows": 2, "backend": "peft",
}  # fmt: skip
CHOICES = ("0", "1", "2")
REFUSING = ("paligemma",)
"""Models whose template takes no turns but one."""
# What ends the labelled part of a conversation.
ENDS = {
    "mllama": "<|eot_id|>",
    "gemma3": "<end_of_turn>",
    "idefics3": "<end_of_utterance>",
    "smolvlm": "<end_of_utterance>",
    "llava": "</s>",
    "llava_next": "</s>",
    "paligemma": "<eos>",
}
ENTRIES = {
    "mllama": "llama-3-2-11b-vision",
    "qwen2_vl": "qwen2-vl-7b",
    "qwen2_5_vl": "qwen2-5-vl-7b",
    "qwen3_vl": "qwen3-vl-8b",
    "qwen3_vl_thinking": "qwen3-vl-8b-thinking",
    "gemma3": "gemma-3-4b",
    "idefics3": "idefics3-8b",
    "smolvlm": "smolvlm2-2-2b",
    "llava": "llava-1-5-7b",
    "llava_next": "llava-next-7b",
    "llava_onevision": "llava-onevision-7b",
    "internvl": "internvl3-8b",
    "paligemma": "paligemma-2-3b",
}
# Tokens that no label may have.
PICTURE = re.compile(r"<\|?(image|image_pad|image_soft_token|IMG_CONTEXT|row_\d_col_\d|global-img)\|?>")


@pytest.fixture(scope="module", params=architectures.NAMES)
def base(request, tmp_path_factory):
    """The entry of one class's model, without which the tests of another can run."""
    folder = tmp_path_factory.mktemp(request.param)
    architectures.build(request.param, folder)
    entry = {"name": request.param, "path": str(folder)}
    # Without what entries say of images: the hardest way, tiles and all.
    return entry | {"chat": entry_of(request.param)["chat"]}


def entry_of(name):
    """What config/models/ says of the models of a class."""
    path = Path("config/models") / f"{ENTRIES[name]}.yaml"
    return Model.read(yaml.safe_load(path.read_text())).model_dump(mode="json")


@pytest.fixture(scope="module")
def loaded(base):
    return models.load(base)


@pytest.fixture(scope="module")
def files(small_crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("conversations")
    settings = {"side": SIDE, "limit": 3}
    conversations.write(folder, PATIENTS, small_crops, tasks.get("classification"), PROMPT, settings, seed=1)
    return folder / "fold0" / "train.jsonl", folder / "fold0" / "validation.jsonl"


@pytest.fixture(scope="module")
def adapter(base, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    finetune.finetune(base, *files, folder, SETTINGS, seed=5, parsing=PARSING)
    return folder


def collated(loaded, rows, loss="answer"):
    model, processor = loaded
    return Collator(processor, rows, loss, models.end_tokens(model.generation_config, processor))


def labelled(batch, row, processor):
    """The text of a row's labels, special tokens written out."""
    return processor.tokenizer.decode(batch["labels"][row][batch["labels"][row] != IGNORED])


def test_the_answer_and_its_end_are_labelled_and_nothing_else(base, loaded, files):
    model, processor = loaded
    rows = conversations.read(files[0])
    batch = collated(loaded, rows)([{"row": 0}, {"row": 1}])
    end = ENDS.get(base["name"], "<|im_end|>")
    closed = "\n</think>\n\n" if "thinking" in base["name"] else ""
    for row in (0, 1):
        answer = rows[row]["messages"][-1]["content"][0]["text"]
        text = labelled(batch, row, processor)
        assert text.removeprefix(closed).strip() == f"{answer}{end}" and text.startswith(closed)
        ends = models.end_tokens(model.generation_config, processor)
        assert processor.tokenizer.convert_tokens_to_ids(end) in ends
        # The labels are the next tokens of the input, and the input ends with them.
        kept = batch["labels"][row] != IGNORED
        assert torch.equal(batch["labels"][row][kept], batch["input_ids"][row][kept])
        assert kept.nonzero()[-1] == batch["attention_mask"][row].nonzero()[-1]


def test_a_loss_on_the_conversation_covers_the_prompt_but_no_image(loaded, files):
    _, processor = loaded
    batch = collated(loaded, conversations.read(files[0]), "conversation")([{"row": 0}])
    kept = batch["labels"][0] != IGNORED
    assert PROMPT.split(".")[0] in labelled(batch, 0, processor)
    pictures = processor.tokenizer.convert_ids_to_tokens(batch["input_ids"][0][~kept])
    shown = processor.tokenizer.convert_ids_to_tokens(batch["labels"][0][kept])
    assert pictures and not set(pictures) & set(shown) and not {token for token in shown if PICTURE.fullmatch(token)}


@pytest.mark.parametrize("loss", ["answer", "conversation"])
def test_the_loss_and_its_gradient_are_the_models_own(loaded, files, loss):
    """Those of the class, which makes the logits of every position."""
    model, _ = loaded
    batch = collated(loaded, conversations.read(files[0]), loss)([{"row": 0}, {"row": 1}, {"row": 2}])
    weights = model.get_input_embeddings().weight
    found, own = answer_loss(model, batch), model(**batch).loss
    torch.testing.assert_close(found, own, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        *(torch.autograd.grad(value, weights)[0] for value in (found, own)), rtol=1e-3, atol=1e-6
    )
    torch.testing.assert_close(answer_loss(model, batch, 7) * 7, own * (batch["labels"][:, 1:] != IGNORED).sum())


def test_a_training_batch_is_the_processors_own_but_for_the_end(base, loaded, files):
    """Up to where an answer begins, what is trained on is what the processor makes of the conversation."""
    _, processor = loaded
    rows = conversations.read(files[0])
    batch = collated(loaded, rows)([{"row": 0}])
    asked = Question(processor, prompts.messages(PROMPT), ((SIDE, SIDE),))
    for name, value in asked.text.items():
        assert torch.equal(batch[name][:, : asked.length], value), name
    if base["name"] == "paligemma":
        # Its answers are masked causally, its questions are not.
        assert batch["token_type_ids"][0].tolist() == (batch["labels"][0] != IGNORED).long().tolist()


@pytest.mark.parametrize("frame", ["square", "native"])
def test_a_model_sees_the_same_in_training_and_when_it_answers(loaded, small_crops, tmp_path, frame):
    model, processor = loaded
    requests = [Request("gli-a", "coronal", 20), Request("gli-a", "coronal", 22)]
    images = Crops(small_crops).pictures(requests, SIDE, frame)
    rows = []
    for number, (image,) in enumerate(images):
        image.save(tmp_path / f"{number}.png")
        message = prompts.messages(PROMPT, "Choice: 1")
        rows.append({"messages": message, "images": [str(tmp_path / f"{number}.png")]})
    trained = collated(loaded, rows)([{"row": 0}, {"row": 1}])
    question = Question(processor, prompts.messages(PROMPT), sizes(images[0]))
    asked = question.batch(image_features(processor, images))
    # All at once, by the processor as it stands.
    text = processors.chat(processor, prompts.messages(PROMPT), answers=True)
    own = processor(
        text=[text] * 2, images=[list(shown) for shown in images], add_special_tokens=False, return_tensors="pt"
    )
    own.pop("labels", None)
    assert asked.keys() == own.keys()
    for name, value in own.items():
        assert torch.equal(asked[name], value), name
    for name in question.image_names:
        assert torch.equal(trained[name], asked[name]), name
    with torch.no_grad():
        assert torch.isfinite(model(**trained).loss)
        model.generate(**asked, max_new_tokens=2, do_sample=False)


def test_lora_reaches_every_layer_of_attention_and_mlp_in_both_parts(base, loaded):
    model, _ = loaded
    chosen = set(layers.adapted(model))
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    vision = {name for name in linear if re.search("vision|visual", name)}
    language = {name for name in linear if re.search("language_model|text_model", name)}
    # Outside of both: what joins them, and the output layer. The merger of Qwen's is in the vision part, and joins.
    joins = {name for name in vision if re.search("merger|patch_embed|patch_embedding", name)}
    assert chosen == (vision - joins) | language
    assert vision - joins and language


def test_what_stays_in_16_bits_stays_there_by_full_names(base, loaded):
    """As transformers applies the list: Unsloth's names, wherever they stand in a path."""
    model, _ = loaded
    kept = layers.unquantised(model)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            wanted = re.search("lm_head|multi_modal_projector|merger|modality_projection|visual|vision_tower", name)
            assert should_convert_module(name, kept) == (wanted is None), name


def test_plain_peft_gives_the_same_logits(base, adapter, files):
    ours, processor = models.load(base, adapter)
    batch = collated((ours, processor), conversations.read(files[0]))([{"row": 0}])
    plain = AutoModelForImageTextToText.from_pretrained(base["path"], dtype=torch.float32)
    with torch.no_grad():
        untrained = plain(**batch).logits
        adapted = PeftModel.from_pretrained(plain, str(adapter)).eval()(**batch).logits
        assert torch.equal(adapted, ours(**batch).logits)
    assert not torch.allclose(adapted, untrained, atol=1e-4)
    moved = {name for name, value in load_file(adapter / "adapter_model.safetensors").items() if value.abs().max() > 0}
    assert any(re.search(r"(vision|visual).*lora_B", name) for name in moved)


def test_batches_answer_as_one_at_a_time_and_answers_are_parsed(base, adapter, small_crops, tmp_path):
    asked = slices_of(["gli-e"], small_crops, selection="tumour")[:4]
    settings = {"max_new_tokens": 24, "choices": CHOICES, "forced_start": "Choice: ", "side": SIDE}
    found = {}
    for size in (4, 1):
        out = tmp_path / f"{size}.jsonl"
        how = settings | {"batch_size": size}
        respond(base, adapter, asked, small_crops, PROMPT, how, out, tmp_path / f"{size}.timing.csv", 3)
        found[size] = out.read_text()
    assert found[4] == found[1]
    limits = tasks.Limits(SIDE, (10, 15), PARSING["coordinates"])
    for line in found[4].splitlines():
        row = json.loads(line)
        assert row["finish"] == "stop", row["text"]
        assert tasks.get("classification").parse(row["text"], "strict", limits).status == "ok", row["text"]
        assert sum(np.exp(list(row["logprobs"].values()))) == pytest.approx(1, abs=1e-3)


def test_choices_are_scored_with_the_tokens_that_training_used(loaded, files):
    _, processor = loaded
    rows = conversations.read(files[0])
    question = Question(processor, prompts.messages(PROMPT), ((SIDE, SIDE),))
    for choice in CHOICES:
        row = {**rows[0], "messages": prompts.messages(PROMPT, f"Choice: {choice}")}
        batch = collated(loaded, [row])([{"row": 0}])
        trained = batch["input_ids"][0][batch["labels"][0] != IGNORED].tolist()
        forced = question.reply(f"Choice: {choice}")
        assert trained[: len(forced)] == forced and len(trained) == len(forced) + 1


def test_a_model_can_be_asked_as_its_entry_says(base):
    """Settings of its images, its template and the side of its picture, in a question and in an answer to it."""
    entry = entry_of(base["name"])
    said = base | {key: entry[key] for key in ("chat", "processor", "attention", "precision")}
    side = entry["side"] or 128
    tokens = model_check.check(said, side)["tokens"]
    if entry["processor"]:
        assert tokens < model_check.check(base, side)["tokens"]
    backend = backends.build(said)
    backend.load()
    task = tasks.get("bounding_box")
    limits = tasks.Limits(128, convention=entry["coordinates"] | {"shown": entry["side"]})
    text = prompts.read("config/prompts/bounding_box.txt", task.wording(limits))
    assert task.check_prompt(text, limits) is None
    image = Image.new("RGB", (side, side))
    assert backend.answer(Prompt(text, entry["image_first"]), [(image,)] * 2, ["a", "b"], Decoding(3))


def test_greedy_answers_are_those_of_transformers_alone(base, small_crops):
    backend = backends.build(base)
    backend.load()
    flair = np.load(small_crops / "gli-e.npy")[0]
    images = [(slices.render(flair[index], SIDE),) for index in (9, 10, 11)]
    found = backend.answer(Prompt(PROMPT), images, ["a", "b", "c"], Decoding(6))
    text = processors.chat(backend.processor, prompts.messages(PROMPT), answers=True)
    lead = processors.turn(backend.processor, prompts.messages(PROMPT)).lead
    for (image,), answer in zip(images, found, strict=True):
        inputs = backend.processor(text=[text], images=[[image]], add_special_tokens=False, return_tensors="pt")
        inputs.pop("labels", None)
        output = backend.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0]
        alone = backend.processor.tokenizer.decode(output[inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        assert answer.text == alone.removeprefix(lead)


def test_choices_are_scored_after_the_pass_that_answers_begin_with(base, small_crops):
    requests = [Request("gli-e", axis, index) for axis, index in (("axial", 9), ("coronal", 20), ("axial", 11))]
    shown = Crops(small_crops).pictures(requests, SIDE, "native")
    choices, prompt, names = Choices("Choice: ", CHOICES), Prompt(PROMPT), ["a", "b", "c"]
    shared, apart = backends.build(base), backends.build(base)
    for backend in (shared, apart):
        backend.load()
    apart.shares_prefill = False
    answers = [each.answer(prompt, shown, names, Decoding(6, choices=choices)) for each in (shared, apart)]
    assert answers[0] == answers[1]
    assert len(shared.scored[1]) == 3 and not apart.scored[1]
    found, expected = (each.logprobs(prompt, shown, choices) for each in (shared, apart))
    assert np.allclose(found, expected, atol=1e-5)


def test_several_answers_to_a_slice_take_one_pass_over_it(base, small_crops):
    """Drawn and forced ones; the answers are those of a pass each, whatever stands beside them."""
    backend = backends.build(base)
    backend.load()
    requests = [Request("gli-e", "axial", index, repeat) for index in (5, 7, 9, 10, 11) for repeat in (0, 1)]
    requests = [*requests, *(Request("gli-e", "coronal", 20, repeat) for repeat in range(5)), requests[0]]
    shown, names = Crops(small_crops).pictures(requests, SIDE, "native"), [request.name for request in requests]
    choices, prompt, rows = Choices("Choice: ", CHOICES), Prompt(PROMPT), []

    def note(module, args, inputs):
        rows.append(len(inputs["input_ids"]))

    backend.model.register_forward_pre_hook(note, with_kwargs=True)
    found = []
    for backend.shares_prefill in (True, False):
        answers = backend.answer(prompt, shown, names, Decoding(6, temperature=1.0, seed=3, choices=choices))
        found.append((answers, backend.logprobs(prompt, shown, choices)))
    assert found[0][0] == found[1][0] and len({answer.text for answer in answers}) > 3
    assert np.allclose(found[0][1], found[1][1], atol=1e-5)
    firsts = [rows[0], rows[rows.index(5)]]
    assert firsts == [11, 5]


def test_several_pictures_examples_and_a_system_prompt_are_asked_as_the_processor_writes_them(base, small_crops):
    """Two pictures a slice, two answered slices before each question; alone and in a batch."""
    backend = backends.build(base)
    backend.load()
    crop = np.load(small_crops / "gli-e.npy")
    how = Picture(sequences=("flair", "t1ce"), arrange="images")
    shown = [pictures.show(crop, "axial", index, how, SIDE, "square") for index in (5, 7, 9, 10, 11)]
    examples = tuple(Example(shown[number], f"Choice: {number}") for number in (0, 1))
    for system in ("Answer in one line.", None):
        prompt = Prompt(PROMPT, True, system, examples)
        try:
            found = backend.answer(prompt, shown[2:], ["a", "b", "c"], Decoding(6))
        except UserError as error:
            # PaliGemma has no turns but one, and a system prompt is not for every template.
            assert base["name"] in REFUSING and "take the key system or examples out" in str(error)
            continue
        assert base["name"] not in REFUSING or system is None
        messages = prompt.messages(2)
        assert [turn["role"] for turn in messages][-5:] == ["user", "assistant", "user", "assistant", "user"]
        text = processors.chat(backend.processor, messages, answers=True)
        assert len(re.findall(r"Choice: [01]\b", text)) == 2 and (system or "") in text
        for slice_, answer in zip(shown[2:], found, strict=True):
            images = [[*shown[0], *shown[1], *slice_]]
            inputs = backend.processor(text=[text], images=images, add_special_tokens=False, return_tensors="pt")
            inputs.pop("labels", None)
            output = backend.model.generate(**inputs, max_new_tokens=6, do_sample=False)[0]
            alone = backend.processor.tokenizer.decode(output[inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            assert answer.text == alone.removeprefix(processors.turn(backend.processor, messages).lead)
