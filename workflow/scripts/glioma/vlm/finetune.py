"""LoRA fine-tuning of a vision-language model, with a validation curve, resumable after a kill.

LoRA: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models". transformers and what needs it are imported
in the functions, because Unsloth, where it is used, must come first.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch

from glioma import conversations, seeds
from glioma.errors import UserError
from glioma.files import write_csv, write_json
from glioma.vlm import unsloth_backend

DEFAULTS = {
    "backend": "auto",  # unsloth (CUDA only), peft, or auto: unsloth where it works
    "steps": None,  # optimizer steps; None: as many as `epochs` take
    "epochs": 1,
    "batch": 8,  # conversations in one forward pass
    "accumulation": 1,  # forward passes in one optimizer step
    "learning_rate": 2e-4,
    "warmup": 5,  # steps
    "scheduler": "linear",
    "optimizer": "auto",  # adamw_8bit on CUDA, adamw_torch on the CPU
    "weight_decay": 0.01,
    "rank": 16,
    "alpha": 16,
    "dropout": 0.0,
    "gradient_checkpointing": False,
    "loss": "answer",  # or conversation: the loss also covers the prompt
    "evaluate_every": 25,  # steps
    "validation_rows": 64,  # most conversations to validate on, evenly spread
    "keep": "best",  # by validation loss, or last
}
CHOICES = {"backend": ("auto", "peft", "unsloth"), "loss": ("answer", "conversation"), "keep": ("best", "last")}

# Attention and MLP projections of the vision and of the language part, as Unsloth's FastVisionModel picks them.
TARGETS = (
    r".*?(?:vision|image|visual|patch|language|text).*?(?:self_attn|attention|attn|mixer|mlp|feed_forward|ffn|dense)"
    r".*?\.(?:q_proj|k_proj|v_proj|o_proj|fc1|fc2|gate_proj|up_proj|down_proj)"
)
HISTORY_COLUMNS = {"step": "step", "loss": "train_loss", "eval_loss": "eval_loss", "learning_rate": "learning_rate"}


def check(settings: Mapping) -> dict:
    """Settings completed by `DEFAULTS`; `UserError` for an unknown key or value."""
    if unknown := set(settings) - set(DEFAULTS):
        raise UserError(f"finetune: unknown key {min(unknown)!r}; choose from {', '.join(DEFAULTS)}")
    settings = {**DEFAULTS, **settings}
    for key, choices in CHOICES.items():
        if settings[key] not in choices:
            raise UserError(f"finetune: {key} is {settings[key]!r}; choose from {', '.join(choices)}")
    return settings


def choose_backend(wanted: str) -> str:
    """The backend to use, "peft" or "unsloth"."""
    if wanted == "unsloth" and not unsloth_backend.available():
        raise UserError("finetune: backend unsloth needs CUDA and the unsloth environment; set backend: peft or auto")
    if wanted == "auto":
        return "unsloth" if unsloth_backend.available() else "peft"
    return wanted


def load(base: Mapping, settings: Mapping, seed: int):
    """A base model with fresh LoRA layers, and its processor."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    from glioma.vlm import models

    model, processor = models.load(base)
    if base.get("quantisation", "none") != "none":
        model = prepare_model_for_kbit_training(model, settings["gradient_checkpointing"])
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        lora_dropout=settings["dropout"],
        target_modules=TARGETS,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config), processor


def arguments(settings: Mapping, checkpoints: Path, seed: int, resuming: bool):
    """The trainer's arguments for these settings."""
    from trl import SFTConfig

    cuda = torch.cuda.is_available()
    optimizer = settings["optimizer"]
    if optimizer == "auto":
        optimizer = "adamw_8bit" if cuda else "adamw_torch"
    best = settings["keep"] == "best"
    return SFTConfig(
        output_dir=str(checkpoints),
        max_steps=settings["steps"] or -1,
        num_train_epochs=settings["epochs"],
        per_device_train_batch_size=settings["batch"],
        per_device_eval_batch_size=settings["batch"],
        gradient_accumulation_steps=settings["accumulation"],
        learning_rate=settings["learning_rate"],
        warmup_steps=settings["warmup"],
        lr_scheduler_type=settings["scheduler"],
        optim=optimizer,
        weight_decay=settings["weight_decay"],
        gradient_checkpointing=settings["gradient_checkpointing"],
        logging_steps=settings["evaluate_every"],
        eval_strategy="steps",
        eval_steps=settings["evaluate_every"],
        eval_on_start=not resuming,
        save_strategy="steps",
        save_steps=settings["evaluate_every"],
        save_total_limit=2,
        load_best_model_at_end=best,
        metric_for_best_model="eval_loss" if best else None,
        seed=seed,
        use_cpu=not cuda,
        bf16=cuda and torch.cuda.is_bf16_supported(),
        fp16=cuda and not torch.cuda.is_bf16_supported(),
        # The collator makes all the tensors from a row's number.
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to="none",
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint: the trainer's state is the last file written into one."""
    complete = []
    for path in folder.glob("checkpoint-*"):
        try:
            complete.append((json.loads((path / "trainer_state.json").read_text())["global_step"], path))
        except (OSError, json.JSONDecodeError):
            print(f"{path}: incomplete, ignored")
    return max(complete)[1] if complete else None


def history(log: list[dict]) -> pd.DataFrame:
    """The trainer's log as a table with a row a step: step, train_loss, eval_loss, learning_rate."""
    rows: dict[int, dict] = {}
    for entry in log:
        if "loss" in entry or "eval_loss" in entry:
            rows.setdefault(entry["step"], {}).update(entry)
    return pd.DataFrame(rows.values(), columns=list(HISTORY_COLUMNS)).rename(columns=HISTORY_COLUMNS)


def finetune(
    base: Mapping,
    conversations_train: str | Path,
    conversations_validation: str | Path,
    out_folder: str | Path,
    settings: Mapping,
    seed: int,
) -> pd.DataFrame:
    """Fine-tune a base model on conversations; return the learning curve.

    `base` is a model entry, `settings` those of `DEFAULTS`. Writes `adapter_config.json`, `adapter_model.safetensors`
    (PEFT's files) and `history.csv` (step, train_loss, eval_loss, learning_rate; step 0 is the base model) into
    `out_folder`. A killed job leaves `checkpoints/` there, from which the next one goes on to the same result.
    """
    settings = check(settings)
    train = conversations.read(conversations_train)
    validation = _spread(conversations.read(conversations_validation), settings["validation_rows"])
    for path, rows in ((conversations_train, train), (conversations_validation, validation)):
        if not rows:
            raise UserError(f"{path}: no conversations; give the split more patients or lower minimum_pixels")
    seed = seeds.integer(seed, "finetune") % 2**31
    backend = choose_backend(settings["backend"])
    print(f"backend: {backend}; {len(train)} conversations to train on, {len(validation)} to validate")
    model, processor = (unsloth_backend.load if backend == "unsloth" else load)(base, settings, seed)

    from glioma.vlm import models
    from glioma.vlm.partial import fingerprint

    out_folder = Path(out_folder)
    checkpoints = out_folder / "checkpoints"
    causes = {"settings": settings, "seed": seed, "model": models.fingerprint(base), "rows": [train, validation]}
    _discard_foreign(checkpoints, fingerprint(causes))
    trainer = _trainer(model, processor, train, validation, settings, checkpoints, seed)
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    curve = history(trainer.state.log_history)
    _save(trainer.model, base["name"], curve, out_folder)
    shutil.rmtree(checkpoints)
    return curve


def _spread(rows: list, most: int) -> list:
    """At most so many rows, evenly spread over the list."""
    return rows if len(rows) <= most else [rows[i * len(rows) // most] for i in range(most)]


def _discard_foreign(checkpoints: Path, mark: str) -> None:
    """Empty the folder of checkpoints unless they come from the same causes."""
    note = checkpoints / "fingerprint.json"
    if checkpoints.exists() and not (note.exists() and mark in note.read_text()):
        shutil.rmtree(checkpoints)
    write_json({"fingerprint": mark}, note)


def _trainer(model, processor, train: list, validation: list, settings: Mapping, checkpoints: Path, seed: int):
    from datasets import Dataset
    from trl import SFTTrainer

    from glioma.vlm.collate import Collator

    numbers = list(range(len(train) + len(validation)))
    return SFTTrainer(
        model=model,
        args=arguments(settings, checkpoints, seed, resuming=last_checkpoint(checkpoints) is not None),
        train_dataset=Dataset.from_dict({"row": numbers[: len(train)]}),
        eval_dataset=Dataset.from_dict({"row": numbers[len(train) :]}),
        processing_class=processor,
        data_collator=Collator(processor, train + validation, settings["loss"]),
    )


def _save(model, base_name: str, curve: pd.DataFrame, folder: Path) -> None:
    """Write adapter and curve whole or not at all. The base model is named as in the config, not by its path."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = base_name
    beside = folder / "checkpoints" / "adapter"
    # Embeddings are not trained; left to itself PEFT asks the hub whether they might have been.
    model.save_pretrained(beside, save_embedding_layers=False)
    write_csv(curve, folder / "history.csv")
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        os.replace(beside / name, folder / name)
