"""LoRA fine-tuning of a vision-language model, with a validation curve and early stopping, resumable after a kill.

LoRA: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models". transformers and what needs it are imported
in the functions, because Unsloth, where it is used, must come first.
"""

import json
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.base.files import atomic_path, read_json, write_csv, write_json
from glioma.base.imports import lean
from glioma.vlm import OPTIONAL, conversations, prompts, unsloth_backend
from glioma.vlm.settings import Training

CHECKPOINT_EVERY = 25  # steps, where nothing is evaluated

# The reentrant kind would give no gradients to layers whose input needs none, as the first of the vision part.
CHECKPOINTING = {"use_reentrant": False}
HISTORY_COLUMNS = {
    "step": "step",
    "loss": "train_loss",
    "eval_loss": "eval_loss",
    "eval_generation": "generation",
    "learning_rate": "learning_rate",
}


def choose_backend(wanted: str) -> str:
    """The backend to use, "peft" or "unsloth"."""
    if wanted == "unsloth" and not unsloth_backend.available():
        raise UserError("key training.backend of the adapter: unsloth needs CUDA and its environment; set peft or auto")
    if wanted == "auto":
        return "unsloth" if unsloth_backend.available() else "peft"
    return wanted


def choose_optimiser(wanted: str) -> str:
    """The optimiser to use, by its name in transformers. Those in 8 bits need CUDA and bitsandbytes."""
    possible = torch.cuda.is_available() and find_spec("bitsandbytes") is not None
    if wanted == "auto":
        return "adamw_8bit" if possible else "adamw_torch"
    if "8bit" in wanted and not possible:
        raise UserError(
            f"key training.optimiser of the adapter: {wanted} needs CUDA and bitsandbytes; set auto or adamw_torch"
        )
    return wanted


def load(base: Mapping, settings: Training, seed: int):
    """A base model with fresh LoRA layers, and its processor."""
    lean("peft", *OPTIONAL)
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    from glioma.vlm import layers, models

    model, processor = models.load(base)
    if base.get("quantisation", "none") != "none":
        model = prepare_model_for_kbit_training(model, settings.gradient_checkpointing, CHECKPOINTING)
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=layers.adapted(model),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config), processor


def arguments(settings: Training, checkpoints: Path, seed: int, resuming: bool, dtype: torch.dtype):
    """The trainer's arguments for these settings and weights in this precision."""
    from trl import SFTConfig

    every = settings.evaluate_every
    return SFTConfig(
        output_dir=str(checkpoints),
        max_steps=settings.steps or -1,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,
        lr_scheduler_type=settings.scheduler,
        optim=choose_optimiser(settings.optimiser),
        weight_decay=settings.weight_decay,
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={**CHECKPOINTING},
        logging_steps=every or CHECKPOINT_EVERY,
        eval_strategy="steps" if every else "no",
        eval_steps=every,
        eval_on_start=bool(every) and not resuming,
        save_strategy="steps",
        save_steps=every or CHECKPOINT_EVERY,
        save_total_limit=2,
        metric_for_best_model=f"eval_{settings.select_by}" if every else None,
        greater_is_better=settings.select_by == "generation",
        # An early stop goes on counting where a killed job left off.
        restore_callback_states_from_checkpoint=True,
        seed=seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        # The collator makes all the tensors from a row's number.
        max_length=None,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to="none",
    )


def _state(checkpoint: Path) -> dict:
    """The trainer's state at a checkpoint."""
    return json.loads((checkpoint / "trainer_state.json").read_text())


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint: the trainer's state is the last file written into one."""
    complete = []
    for path in folder.glob("checkpoint-*"):
        try:
            complete.append((_state(path)["global_step"], path))
        except (OSError, json.JSONDecodeError):
            print(f"{path}: incomplete, ignored")
    return max(complete)[1] if complete else None


def history(log: list[dict]) -> pd.DataFrame:
    """The trainer's log as a table with a row a step: step, train_loss, eval_loss, generation, learning_rate."""
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
    parsing: Mapping | None = None,
    code: str = "",
) -> pd.DataFrame:
    """Fine-tune a base model on conversations; return the learning curve.

    `base` is a model entry, `settings` those of `Training`, `parsing` says how answers are read (`task`, `side`,
    `coordinates`), which only `select_by: generation` has to know. Writes `adapter_config.json`,
    `adapter_model.safetensors` (PEFT's files) and `history.csv` (step, train_loss, eval_loss, generation,
    learning_rate; step 0 is the base model) into `out_folder`. A killed job leaves `checkpoints/` there, from which the
    next one goes on to the same result; one whose `code` has another digest starts anew.
    """
    settings = Training.read(settings)
    train = conversations.read(conversations_train)
    validated = settings.evaluate_every is not None
    held_out = conversations.read(conversations_validation) if validated else []
    for path, missing in ((conversations_train, not train), (conversations_validation, validated and not held_out)):
        if missing:
            raise UserError(f"{path}: no conversations; give the split more patients, or lower slices.tumour_pixels")
    validation = _spread(held_out, settings.validation_rows)
    queried = _spread(held_out, settings.generation_rows) if settings.select_by == "generation" else []
    seed = seeds.integer(seed, "finetune") % 2**31
    backend = choose_backend(settings.backend)
    print(f"backend: {backend}; {len(train)} conversations to train on, {len(validation)} to validate")
    model, processor = (unsloth_backend.load if backend == "unsloth" else load)(base, settings, seed)

    from glioma.base.partial import fingerprint
    from glioma.vlm.backends.transformers import Transformers

    out_folder = Path(out_folder)
    checkpoints = out_folder / "checkpoints"
    rows = [train, validation, queried]
    causes = {"settings": settings.plain(), "seed": seed, "model": Transformers(base).fingerprint(), "rows": rows} | {
        "parsing": parsing,
        "code": code,
    }
    _discard_foreign(checkpoints, fingerprint(causes))
    resumed = last_checkpoint(checkpoints)
    if resumed is None or not _state(resumed)["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"]:
        evaluator = _evaluator(processor, queried, parsing, settings) if queried else None
        trainer = _trainer(base, model, processor, train, validation, evaluator, settings, checkpoints, seed)
        trainer.train(resume_from_checkpoint=resumed)
    last = last_checkpoint(checkpoints)
    curve = history(_state(last)["log_history"])
    best = _state(last)["best_global_step"] if settings.keep == "best" else None
    kept = checkpoints / f"checkpoint-{best}" if best else last
    print(f"kept: {kept.name}, of {last.name} made")
    _save(kept, base["name"], curve, out_folder)
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


def _evaluator(processor, rows: list, parsing: Mapping, settings: Training):
    """What scores a model's answers to conversations; they may be a few times as long as the longest true answer."""
    from glioma.vlm.generation_evaluator import ROOM, GenerationEvaluator

    true = [prompts.reply_of(row["messages"]) for row in rows]
    longest = max(len(processor.tokenizer(text, add_special_tokens=False).input_ids) for text in true)
    return GenerationEvaluator(rows, parsing, settings.batch_size, ROOM * longest)


def _trainer(
    base: Mapping,
    model,
    processor,
    train: list,
    validation: list,
    evaluator,
    settings: Training,
    checkpoints: Path,
    seed: int,
):
    """The trainer of a model; with an evaluator, what an evaluation finds includes the score of the model's answers."""
    from datasets import Dataset
    from transformers import EarlyStoppingCallback
    from trl import SFTTrainer

    from glioma.vlm import models
    from glioma.vlm.backends.transformers import Transformers
    from glioma.vlm.collate import Collator
    from glioma.vlm.loss import answer_loss

    own = settings.loss == "answer" and choose_backend(settings.backend) == "peft"

    class Trainer(SFTTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            if not own or return_outputs or self.aux_loss_enabled or self.accelerator.num_processes > 1:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            return answer_loss(model, inputs, num_items_in_batch)

        def floating_point_ops(self, inputs):
            # Counted at every step by a walk through all modules, and read by nobody.
            return 0

        def evaluation_loop(self, *args, **kwargs):
            output = super().evaluation_loop(*args, **kwargs)
            if evaluator is not None:
                with self.accelerator.autocast(), unsloth_backend.answering(self.model, settings):
                    output.metrics["eval_generation"] = evaluator(Transformers.live(self.model, processor))
            return output

    numbers = list(range(len(train) + len(validation)))
    return Trainer(
        model=model,
        args=arguments(settings, checkpoints, seed, last_checkpoint(checkpoints) is not None, models.precision(base)),
        train_dataset=Dataset.from_dict({"row": numbers[: len(train)]}),
        eval_dataset=Dataset.from_dict({"row": numbers[len(train) :]}) if validation else None,
        processing_class=processor,
        data_collator=Collator(
            processor, train + validation, settings.loss, models.end_tokens(model.generation_config, processor)
        ),
        callbacks=[EarlyStoppingCallback(settings.patience)] if settings.patience else None,
    )


def _save(kept: Path, base_name: str, curve: pd.DataFrame, folder: Path) -> None:
    """Write the adapter of a checkpoint, and the curve. The base model is named as in the config, not by its path."""
    write_csv(curve, folder / "history.csv")
    with atomic_path(folder / "adapter_model.safetensors") as temporary:
        shutil.copyfile(kept / "adapter_model.safetensors", temporary)
    config = read_json(kept / "adapter_config.json") | {"base_model_name_or_path": base_name}
    if isinstance(layers := config["target_modules"], list):
        # A set to PEFT, which writes it in another order each time: equal adapters have equal files.
        config["target_modules"] = sorted(layers)
    write_json(config, folder / "adapter_config.json")
