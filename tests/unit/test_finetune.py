import ast
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from killed import run_and_kill
from safetensors.torch import load_file
from small_crops import PATIENTS, SIDE

from glioma import tasks
from glioma.base.errors import UserError
from glioma.base.files import read_json
from glioma.geometry import slices
from glioma.vlm import conversations, finetune, generation_evaluator, models
from glioma.vlm.backends import Prompt
from glioma.vlm.backends.transformers import Transformers
from glioma.vlm.collate import IGNORED, Collator
from glioma.vlm.images import Crops
from glioma.vlm.requests import Request
from glioma.vlm.respond import answer
from glioma.vlm.settings import Responses, Training

PROMPT = "Output the center point of the tumor as a single coordinate (row, col)."
PARSING = {"task": "center_point", "side": SIDE, "coordinates": {"order": "row_col", "scale": "128"}}
SETTINGS = {
    "steps": 8, "batch_size": 4, "accumulation": 2, "learning_rate": 3e-3, "warmup": 1, "evaluate_every": 2, "rank": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(small_crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune")
    settings = {"side": SIDE, "limit": 4}
    conversations.write(folder / "c", PATIENTS, small_crops, tasks.get("center_point"), PROMPT, settings, seed=1)
    return folder


@pytest.fixture(scope="module")
def files(folder):
    return folder / "c" / "fold0" / "train.jsonl", folder / "c" / "fold0" / "validation.jsonl"


@pytest.fixture(scope="module")
def tuned(tiny_mllama, folder, files):
    """An adapter's folder and its learning curve."""
    curve = finetune.finetune(tiny_mllama, *files, folder / "adapter", SETTINGS, seed=5)
    return folder / "adapter", curve


def validation_loss(base, adapter, rows):
    """Mean cross entropy of the answers' tokens, each row alone and without padding."""
    model, processor = models.load(base, adapter)
    collator = Collator(processor, rows)
    losses, tokens = 0.0, 0
    for number in range(len(rows)):
        batch = collator([{"row": number}])
        labels = batch.pop("labels")[0, 1:]
        with torch.no_grad():
            logits = model(**batch).logits[0, :-1]
        losses += torch.nn.functional.cross_entropy(logits, labels, reduction="sum", ignore_index=IGNORED).item()
        tokens += (labels != IGNORED).sum().item()
    return losses / tokens


def test_the_loss_covers_exactly_the_answers_tokens(tiny_mllama, files):
    _, processor = models.load(tiny_mllama)
    rows = conversations.read(files[0])
    batch = Collator(processor, rows)([{"row": number} for number in range(len(rows))])
    assert batch["labels"].shape == batch["input_ids"].shape
    for row, tokens, labels, attention in zip(
        rows, batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True
    ):
        kept = labels != IGNORED
        assert torch.equal(labels[kept], tokens[kept])
        answer = row["messages"][1]["content"][0]["text"]
        assert processor.tokenizer.decode(tokens[kept]) == answer + processor.tokenizer.eos_token
        assert kept.nonzero().flatten().tolist() == list(range(int(attention.sum()) - int(kept.sum()), attention.sum()))


def test_a_loss_on_the_conversation_covers_the_prompt_but_no_image_or_padding(tiny_mllama, files):
    _, processor = models.load(tiny_mllama)
    batch = Collator(processor, conversations.read(files[0]), "conversation")([{"row": 0}, {"row": 1}])
    kept = batch["labels"] != IGNORED
    expected = (batch["attention_mask"] == 1) & (batch["input_ids"] != processor.image_token_id)
    assert torch.equal(kept, expected)


def test_a_batch_equals_the_processors_own(tiny_mllama, files):
    from PIL import Image

    _, processor = models.load(tiny_mllama)
    rows = conversations.read(files[0])[:3]
    rows[1]["messages"][1]["content"][0]["text"] = "(1, 2) and some more words"
    expected = processor(
        text=[processor.apply_chat_template(row["messages"], tokenize=False) for row in rows],
        images=[[Image.open(row["images"][0])] for row in rows],
        add_special_tokens=False,
        padding=True,
        padding_side="right",
        return_tensors="pt",
    )
    for cache_bytes in (0, 2**30):
        collator = Collator(processor, rows, cache_bytes=cache_bytes)
        batch = collator([{"row": number} for number in range(3)])
        assert set(batch) == set(expected) | {"labels"}
        for tensors in (batch, expected):  # what a padding token may look at means nothing
            tensors["cross_attention_mask"] = (
                tensors["cross_attention_mask"] * tensors["attention_mask"][..., None, None]
            )
        assert all(torch.equal(batch[name], expected[name]) for name in expected)
        assert len(collator.images) == (len({row["images"][0] for row in rows}) if cache_bytes else 0)


def test_lora_adapts_attention_and_mlp_of_vision_and_language(tiny_mllama):
    model, _ = finetune.load(tiny_mllama, Training.read({"rank": 4}), seed=0)
    adapted = {re.sub(r"\.lora_A.*", "", name) for name, _ in model.named_parameters() if "lora_A" in name}
    for part in ("vision_model", "language_model"):
        names = {name.rsplit(".", 1)[1] for name in adapted if part in name}
        mlp = {"fc1", "fc2"} if part == "vision_model" else {"gate_proj", "up_proj", "down_proj"}
        assert names == {"q_proj", "k_proj", "v_proj", "o_proj"} | mlp
    assert any("cross_attn" in name for name in adapted)
    assert all("lora" in name for name, weight in model.named_parameters() if weight.requires_grad)


def test_fine_tuning_writes_an_adapter_and_its_curve(tuned, tiny_mllama):
    adapter, curve = tuned
    assert sorted(path.name for path in adapter.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "history.csv",
    ]  # fmt: skip
    config = (adapter / "adapter_config.json").read_text()
    said = read_json(adapter / "adapter_config.json")
    assert said["base_model_name_or_path"] == "tiny-mllama" and said["target_modules"] == sorted(said["target_modules"])
    assert str(adapter.parent) not in config and tiny_mllama["path"] not in config
    assert curve["step"].tolist() == [0, 2, 4, 6, 8]
    assert curve["eval_loss"].notna().all() and curve["train_loss"][1:].notna().all()
    assert curve["eval_loss"].min() < 0.9 * curve["eval_loss"][0]
    assert curve["generation"].isna().all()
    pd.testing.assert_frame_equal(pd.read_csv(adapter / "history.csv"), curve)


def test_the_kept_adapter_has_the_best_validation_loss_of_the_curve(tuned, tiny_mllama, files):
    adapter, curve = tuned
    rows = conversations.read(files[1])
    assert len(rows) <= SETTINGS["batch_size"]  # one batch: the trainer's mean of means is the mean
    assert validation_loss(tiny_mllama, adapter, rows) == pytest.approx(curve["eval_loss"][1:].min(), rel=1e-4)
    assert validation_loss(tiny_mllama, None, rows) == pytest.approx(curve["eval_loss"][0], rel=1e-4)


def test_a_reloaded_adapter_reproduces_the_logits(tiny_mllama, files, tmp_path):
    model, processor = finetune.load(tiny_mllama, Training.read({"rank": 4}), seed=0)
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1, generator=generator)
    batch = Collator(processor, conversations.read(files[0]))([{"row": 0}, {"row": 1}])
    model.save_pretrained(tmp_path / "checkpoint", save_embedding_layers=False)
    finetune._save(tmp_path / "checkpoint", "tiny-mllama", pd.DataFrame({"step": [0]}), tmp_path)
    reloaded, _ = models.load(tiny_mllama, tmp_path)
    base, _ = models.load(tiny_mllama)
    with torch.no_grad():
        expected, again, plain = (m.eval()(**batch).logits for m in (model, reloaded, base))
    assert torch.equal(again, expected) and not torch.allclose(plain, expected, atol=1e-3)


def test_a_killed_job_goes_on_to_the_same_adapter(tuned, tiny_mllama, files, tmp_path):
    adapter, curve = tuned
    checkpoints = tmp_path / "again" / "checkpoints"
    code = f"""
from glioma.vlm.finetune import finetune
finetune({tiny_mllama!r}, {str(files[0])!r}, {str(files[1])!r}, "again", {SETTINGS!r}, 5)
"""
    run_and_kill(code, (checkpoints / "checkpoint-4" / "trainer_state.json").exists, tmp_path)
    assert not (tmp_path / "again" / "adapter_model.safetensors").exists()
    newest = max(int(path.name.split("-")[1]) for path in checkpoints.glob("checkpoint-*"))
    torn = checkpoints / f"checkpoint-{newest + 2}"  # as a kill in the middle of saving would leave it
    shutil.copytree(checkpoints / f"checkpoint-{newest}", torn, dirs_exist_ok=True)
    (torn / "trainer_state.json").write_text('{"epoch":')

    resumed = finetune.finetune(tiny_mllama, *files, tmp_path / "again", SETTINGS, seed=5)
    pd.testing.assert_frame_equal(resumed, curve)
    for name in ("adapter_model.safetensors", "adapter_config.json", "history.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (adapter / name).read_bytes()


def test_a_job_killed_after_its_last_step_only_has_to_save(tuned, tiny_mllama, files, tmp_path, monkeypatch):
    adapter, curve = tuned

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(finetune, "_save", killed)
        finetune.finetune(tiny_mllama, *files, tmp_path, SETTINGS, seed=5)
    pd.testing.assert_frame_equal(finetune.finetune(tiny_mllama, *files, tmp_path, SETTINGS, seed=5), curve)
    weights = "adapter_model.safetensors"
    assert (tmp_path / weights).read_bytes() == (adapter / weights).read_bytes()


def test_validation_rows_are_spread():
    assert finetune._spread(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert finetune._spread([1, 2], 5) == [1, 2]


def test_checkpoints_of_other_settings_are_not_gone_on_with(tmp_path):
    finetune._discard_foreign(tmp_path / "checkpoints", "one")
    (tmp_path / "checkpoints" / "checkpoint-2").mkdir()
    finetune._discard_foreign(tmp_path / "checkpoints", "one")
    assert (tmp_path / "checkpoints" / "checkpoint-2").exists()
    finetune._discard_foreign(tmp_path / "checkpoints", "two")
    assert not (tmp_path / "checkpoints" / "checkpoint-2").exists()


def test_checkpoints_of_other_code_are_not_gone_on_with(tiny_mllama, files, tmp_path, monkeypatch):
    marks = []
    monkeypatch.setattr(finetune, "_discard_foreign", lambda _, mark: marks.append(mark) or sys.exit())
    for code in ("one", "one", "two"):
        with pytest.raises(SystemExit):
            finetune.finetune(tiny_mllama, *files, tmp_path, SETTINGS, seed=5, code=code)
    assert marks[0] == marks[1] != marks[2]


def test_gradient_checkpointing_and_keeping_the_last_work(tiny_mllama, files, tmp_path):
    settings = {**SETTINGS, "steps": 2, "gradient_checkpointing": True, "keep": "last", "loss": "conversation"}
    settings |= {"select_by": "generation"}
    curve = finetune.finetune(tiny_mllama, *files, tmp_path, settings, seed=5, parsing=PARSING)
    assert curve["step"].tolist() == [0, 2] and np.isfinite(curve[["eval_loss", "generation"]]).all(axis=None)
    learnt = {name for name, weight in load_file(tmp_path / "adapter_model.safetensors").items() if weight.any()}
    trained = [name for name in learnt if "lora_B" in name]
    assert any("vision_model.transformer.layers.0" in name for name in trained)
    assert any("language_model.layers.0" in name for name in trained)


RealEvaluator = generation_evaluator.GenerationEvaluator


def evaluator_of(scores):
    """An evaluator that asks the model, but whose scores are those of a list; the list's end is a kill."""

    class Listed(RealEvaluator):
        def __call__(self, backend):
            assert not backend.model.training and 0 <= super().__call__(backend) <= 1
            if not scores:
                raise KeyboardInterrupt
            return scores.pop(0)

    return Listed


def test_the_best_answers_are_kept_and_training_ends_when_they_get_no_better(tiny_mllama, files, tmp_path, monkeypatch):
    # From step 0 on; step 4 is the best, and after steps 6, 8 and 10 patience is at its end.
    listed = [0.9, 0.2, 0.6, 0.4, 0.6, 0.5, 1.0]
    settings = {**SETTINGS, "steps": 20, "select_by": "generation", "patience": 3, "generation_rows": 3}
    monkeypatch.setattr(generation_evaluator, "GenerationEvaluator", evaluator_of(list(listed)))
    curve = finetune.finetune(tiny_mllama, *files, tmp_path / "whole", settings, 5, PARSING)
    assert curve["step"].tolist() == [0, 2, 4, 6, 8, 10] and curve["generation"].tolist() == listed[:6]
    short = {**settings, "steps": 20, "patience": None, "keep": "last"}
    names = ("adapter_model.safetensors", "adapter_config.json", "history.csv")

    # Killed in the evaluation of step 8, then once more when all that is left is to save.
    monkeypatch.setattr(generation_evaluator, "GenerationEvaluator", evaluator_of(listed[:4]))
    with pytest.raises(KeyboardInterrupt):
        finetune.finetune(tiny_mllama, *files, tmp_path / "again", settings, 5, PARSING)
    monkeypatch.setattr(generation_evaluator, "GenerationEvaluator", evaluator_of(listed[4:]))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(finetune, "_save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        finetune.finetune(tiny_mllama, *files, tmp_path / "again", settings, 5, PARSING)
    finetune.finetune(tiny_mllama, *files, tmp_path / "again", settings, 5, PARSING)
    assert all((tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in names)

    # What was kept is the model as it was at step 4: that of a training killed in the evaluation of step 6.
    monkeypatch.setattr(generation_evaluator, "GenerationEvaluator", evaluator_of(listed[:3]))
    with pytest.raises(KeyboardInterrupt):
        finetune.finetune(tiny_mllama, *files, tmp_path / "short", short, 5, PARSING)
    fourth = tmp_path / "short" / "checkpoints" / "checkpoint-4" / names[0]
    assert fourth.read_bytes() == (tmp_path / "whole" / names[0]).read_bytes()


def test_without_validation_the_last_step_is_kept(tiny_mllama, files, tmp_path):
    settings = {**SETTINGS, "steps": 3, "evaluate_every": None}
    curve = finetune.finetune(tiny_mllama, files[0], tmp_path / "no such file", tmp_path, settings, seed=5)
    assert curve.empty and list(curve.columns) == ["step", "train_loss", "eval_loss", "generation", "learning_rate"]
    assert (tmp_path / "adapter_model.safetensors").is_file()


def test_a_resumed_training_that_was_over_in_the_middle_of_an_epoch_takes_no_step_more(
    tiny_mllama, files, tmp_path, monkeypatch
):
    settings = {**SETTINGS, "steps": 3, "keep": "last"}
    assert len(conversations.read(files[0])) > 8  # an epoch has more than one step

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(finetune, "_save", killed)
        finetune.finetune(tiny_mllama, *files, tmp_path, settings, seed=5)
    third = (tmp_path / "checkpoints" / "checkpoint-3" / "adapter_model.safetensors").read_bytes()
    assert finetune.finetune(tiny_mllama, *files, tmp_path, settings, seed=5)["step"].max() == 3
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == third


def texts_of(rows):
    return [row["messages"][1]["content"][0]["text"] for row in rows]


@pytest.mark.parametrize("task", tasks.queries())
def test_true_answers_score_one_and_unreadable_ones_nothing(small_crops, tmp_path, task):
    settings = {"side": SIDE, "no_glioma_slices": 0.3}
    conversations.write(tmp_path, PATIENTS, small_crops, tasks.get(task), PROMPT, settings, seed=1)
    rows = conversations.read(tmp_path / "fold0" / "train.jsonl")[::3]
    limits = tasks.Limits(side=SIDE)
    assert generation_evaluator.score(texts_of(rows), rows, tasks.get(task), limits) == 1
    assert generation_evaluator.score(["none"] * len(rows), rows, tasks.get(task), limits) == 0
    half = [text if number % 2 else "" for number, text in enumerate(texts_of(rows))]
    assert 0 < generation_evaluator.score(half, rows, tasks.get(task), limits) < 1


def test_the_evaluators_scores_are_those_of_their_definitions(small_crops, tmp_path):
    from sklearn.metrics import balanced_accuracy_score

    rng = np.random.default_rng(0)
    limits = tasks.Limits(side=SIDE, convention={"order": "row_col", "scale": "pixels"})
    settings = {"side": SIDE, "no_glioma_slices": 0.3, "coordinates": limits.convention, "balance": False}
    for task in ("classification", "center_point", "bounding_box"):
        conversations.write(tmp_path / task, PATIENTS, small_crops, tasks.get(task), PROMPT, settings, seed=1)
    rows = conversations.read(tmp_path / "classification" / "fold0" / "train.jsonl")
    said = [f"Choice: {choice}" for choice in rng.integers(0, 3, len(rows))]
    assert generation_evaluator.score(said, rows, tasks.get("classification"), limits) == pytest.approx(
        balanced_accuracy_score(texts_of(rows), said)
    )

    rows = conversations.read(tmp_path / "center_point" / "fold0" / "train.jsonl")
    points = np.array([ast.literal_eval(text) for text in texts_of(rows)]) + rng.integers(-12, 13, (len(rows), 2))
    inside = []
    for row, (y, x) in zip(rows, points, strict=True):
        mask = np.load(small_crops / f"{row['patient']}.mask.npy")[row["slice"]]
        places = np.argwhere(slices.render_mask(mask, SIDE))
        (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
        inside.append(top <= y <= bottom and left <= x <= right)
    said = [f"({y}, {x})" for y, x in points]
    assert generation_evaluator.score(said, rows, tasks.get("center_point"), limits) == pytest.approx(np.mean(inside))
    assert 0 < np.mean(inside) < 1

    rows = conversations.read(tmp_path / "bounding_box" / "fold0" / "train.jsonl")[:1]
    corners = np.array(ast.literal_eval(texts_of(rows)[0]))
    height, width = np.ptp(corners, axis=0) + 1
    shifted = str([tuple(map(int, corner)) for corner in corners + [1, 0]])
    dice = 2 * (height - 1) * width / (2 * height * width)
    assert generation_evaluator.score([shifted], rows, tasks.get("bounding_box"), limits) == pytest.approx(dice)


def test_an_evaluator_asks_what_a_run_would_ask(tiny_mllama, files, small_crops):
    """The same prompt, images and decoding as in inference: the texts that are scored are those of `respond`."""
    rows = conversations.read(files[1])[:3]
    model, processor = models.load(tiny_mllama)
    seen = []
    evaluator = finetune._evaluator(processor, rows, PARSING, Training.read({"batch_size": 2}))

    class Recorded(Transformers):
        def answer(self, *question):
            seen.extend(super().answer(*question))
            return seen[-len(question[1]) :]

    evaluator(Recorded.live(model, processor))
    asked = [Request(row["patient"], row["orientation"], row["slice"]) for row in rows]
    images = Crops(small_crops).pictures(asked, SIDE, "square")
    longest = max(len(processor.tokenizer(text, add_special_tokens=False).input_ids) for text in texts_of(rows))
    settings = Responses.read({"side": SIDE, "max_new_tokens": 2 * longest})
    expected = answer(Transformers.live(model, processor), asked, images, Prompt(PROMPT), settings, seed=0)
    assert [row.text for row in seen] == [row["text"] for row in expected]
    assert [row.tokens for row in seen] == [row["tokens"] for row in expected]
    assert all(np.array_equal(*pair) for pair in zip(evaluator.slices, images, strict=True))


def test_errors_of_the_user_are_named(tiny_mllama, files, tmp_path):
    with pytest.raises(UserError, match="learning_rte"):
        finetune.finetune(tiny_mllama, *files, tmp_path, {"learning_rte": 1}, 0)
    with pytest.raises(UserError, match="key backend: 'jax' must be 'auto', 'peft' or 'unsloth'"):
        Training.read({"backend": "jax"})
    for key, value in {"keep": "best", "select_by": "generation", "patience": 3}.items():
        with pytest.raises(UserError, match=f"{key}.*evaluate_every"):
            Training.read({"evaluate_every": None, key: value})
    with pytest.raises(UserError, match="patience"):
        Training.read({"patience": 0})
    assert Training.read({"evaluate_every": None}).keep == "last" and Training.read({}).keep == "best"
    if not torch.cuda.is_available():
        assert finetune.choose_backend("auto") == "peft"
        assert finetune.choose_optimiser("auto") == finetune.choose_optimiser("adamw_torch") == "adamw_torch"
        with pytest.raises(UserError, match="adamw_8bit needs CUDA"):
            finetune.choose_optimiser("adamw_8bit")
        with pytest.raises(UserError, match="training.backend of the adapter: unsloth needs CUDA"):
            finetune.finetune(tiny_mllama, *files, tmp_path, {"backend": "unsloth"}, 0)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UserError, match="empty.jsonl"):
        finetune.finetune(tiny_mllama, files[0], tmp_path / "empty.jsonl", tmp_path, {}, 0)
    row = {**conversations.read(files[0])[0], "images": ["gone.png"]}
    _, processor = models.load(tiny_mllama)
    with pytest.raises(UserError, match="gone.png"):
        Collator(processor, [row])([{"row": 0}])
    assert not any(Path(tmp_path).glob("adapter*"))
