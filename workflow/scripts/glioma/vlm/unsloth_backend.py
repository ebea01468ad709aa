"""Load and adapt a model with Unsloth's faster kernels. Needs CUDA and the environment of `envs/unsloth.yaml`.

Only the model comes from Unsloth. Its collator (`UnslothVisionDataCollator`) is left out on purpose: it resizes images
in training but not when the model answers, finds the answer by template markers that differ between models, and
fetches any URL it meets in the data. Ours does none of these and is the one the tests cover.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

import torch

from glioma.base.errors import UserError
from glioma.vlm.settings import Training


def available() -> bool:
    """Whether Unsloth can work here. Its import succeeds without a GPU, its models do not."""
    return torch.cuda.is_available() and find_spec("unsloth") is not None


def prepare() -> None:
    """Before Unsloth is imported: it writes the code that it compiles into the working directory, unless told where."""
    if "UNSLOTH_COMPILE_LOCATION" not in os.environ:
        os.environ["UNSLOTH_COMPILE_LOCATION"] = tempfile.mkdtemp(prefix="unsloth-")


def pretrained(base: Mapping, checkpointing: str | bool = False) -> tuple:
    """A model as `FastVisionModel` loads it, and its processor."""
    prepare()
    from unsloth import FastVisionModel  # must be imported before transformers, which it patches

    from glioma.vlm.models import folder, precision

    try:
        return FastVisionModel.from_pretrained(
            str(folder(base)),
            load_in_4bit=base.get("quantisation") == "4bit",
            dtype=None if base.get("precision", "auto") == "auto" else precision(base),
            use_gradient_checkpointing=checkpointing,
        )
    except (OSError, RuntimeError, NotImplementedError) as error:
        raise UserError(
            f"model {base['name']}: Unsloth cannot load it ({error}); train with the adapter's training backend: peft, "
            "answer with the model's backend: transformers"
        ) from error


def for_inference(model) -> None:
    """Make a model answer for good."""
    from unsloth import FastVisionModel

    FastVisionModel.for_inference(model)


def load(base: Mapping, settings: Training, seed: int):
    """A model with fresh LoRA layers, ready for training, and its processor."""
    model, processor = pretrained(base, _checkpointing(settings))
    from unsloth import FastVisionModel

    from glioma.vlm import models, processors

    model.generation_config = models.neutral(model.generation_config)
    processors.prepare(processor, base)
    model = FastVisionModel.get_peft_model(
        model,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        bias="none",
        finetune_vision_layers=True,
        finetune_language_layers=True,
        finetune_attention_modules=True,
        finetune_mlp_modules=True,
        use_gradient_checkpointing=_checkpointing(settings),
        random_state=seed,
    )
    FastVisionModel.for_training(model, use_gradient_checkpointing=_checkpointing(settings))
    return model, processor


def _checkpointing(settings: Training) -> str | bool:
    """Unsloth's own gradient checkpointing, or none; its functions each checkpoint unless told not to."""
    return "unsloth" if settings.gradient_checkpointing else False


@contextmanager
def answering(model, settings: Training) -> Iterator[None]:
    """Within, a model in training answers; afterwards it can be trained on. Without Unsloth there is nothing to do."""
    if "unsloth" not in sys.modules:
        yield
        return
    from unsloth import FastVisionModel

    FastVisionModel.for_inference(model)
    try:
        yield
    finally:
        FastVisionModel.for_training(model, use_gradient_checkpointing=_checkpointing(settings))
        model.eval()  # as the trainer, which asks in the middle of an evaluation, left it
