"""Steps of training: LoRA by this workflow and by plain TRL and PEFT; CNNs here and in a plain PyTorch loop."""

from pathlib import Path

import numpy as np
import torch
from datasets import Dataset as Table
from torch.utils.data import DataLoader, Dataset
from trl import SFTConfig, SFTTrainer

from against import answers
from against.pairs import Pair, compare
from glioma.cnn import device as devices
from glioma.cnn import losses, networks
from glioma.cnn.data import labelled, ready
from glioma.cnn.recipe import Recipe
from glioma.cnn.train import OPTIMISERS, Run
from glioma.vlm import finetune, models, prompts
from glioma.vlm.collate import Collator
from glioma.vlm.settings import Training

STEPS, BATCH, REPLY = 10, 4, "Choice: 1"
CROPS, SHAPE = 8, (48, 64, 64)
NETWORKS = {
    "paper:classifier": {"task": "classification"},
    "paper:segmenter": {"task": "segmentation", "multiple": 4},
    "monai:UNet": {
        "task": "segmentation",
        "multiple": 16,
        "arguments": {"channels": [16, 32, 64, 128], "strides": [2, 2, 2], "num_res_units": 1},
    },
}


def lora(folder: Path, loss: str, rounds: int) -> Pair:
    """Equal layers, rank, batches and optimiser; the loss is of answers, with equal batches, or of conversations."""
    base = answers.embedded(folder / "model")
    text = (answers.ROOT / "config/prompts/classify.txt").read_text(encoding="utf-8").strip()
    images, rows = [image for (image,) in answers.pictures(STEPS * BATCH)], []
    for number, image in enumerate(images):
        image.save(path := folder / f"{number}.png")
        rows.append({"messages": prompts.messages(text, REPLY), "images": [str(path)]})
    settings = Training(
        steps=STEPS,
        batch_size=BATCH,
        warmup=0,
        scheduler="constant",
        optimiser="adamw_torch",
        evaluate_every=None,
        loss=loss,
    )
    model, processor = finetune.load(base, settings, 0)
    ours = finetune._trainer(base, model, processor, rows, [], None, settings, folder / "ours", 0)
    model, processor = finetune.load(base, settings, 0)
    if loss == "answer":
        # TRL's own collator of prompts and completions makes no cross-attention mask for a completion: it cannot run.
        columns = {"row": list(range(len(rows)))}
        own = {"data_collator": Collator(processor, rows, loss, models.end_tokens(model.generation_config, processor))}
        untouched = {"remove_unused_columns": False, "dataset_kwargs": {"skip_prepare_dataset": True}}
    else:
        columns = {"messages": [row["messages"] for row in rows], "images": [[each] for each in images]}
        own, untouched = {}, {}
    theirs = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(folder / "theirs"),
            max_steps=STEPS,
            per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=settings.accumulation,
            gradient_checkpointing=settings.gradient_checkpointing,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            lr_scheduler_type="constant",
            optim="adamw_torch",
            use_cpu=True,
            bf16=False,
            max_length=None,
            save_strategy="no",
            report_to="none",
            **untouched,
        ),
        **own,
        train_dataset=Table.from_dict(columns),
        processing_class=processor,
    )

    def learnt(one: float, other: float) -> str:
        if not 0 < one < 10 or not 0 < other < 10:
            raise AssertionError(f"losses {one} and {other}")
        if loss == "answer" and abs(one - other) > 1e-3 * other:
            raise AssertionError(f"losses {one} and {other} of equal batches")
        return f"layers, rank, batches; mean loss {one:.2f} and {other:.2f}"

    return compare(
        f"fine-tuning, loss of {'answers' if loss == 'answer' else 'conversations'}",
        f"{STEPS} LoRA steps of {BATCH} conversations",
        lambda: ours.train().training_loss,
        "TRL and PEFT on equal batches" if loss == "answer" else "plain TRL and PEFT",
        lambda: theirs.train().training_loss,
        learnt,
        rounds,
    )


class Files(Dataset):
    """Crops as a tutorial reads them: from their file to float32, normalised, each time one is wanted."""

    def __init__(self, folder: Path, patients: list[str], masks: bool):
        self.folder, self.patients, self.masks = folder, patients, masks

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = torch.from_numpy(np.load(self.folder / f"{self.patients[index]}.npy").astype(np.float32))
        for channel in image:
            brain = channel > 0
            values = channel[brain]
            channel[brain] = (values - values.mean()) / values.std(correction=0)
        if self.masks:
            mask = np.load(self.folder / f"{self.patients[index]}.mask.npy") > 0
            return image, torch.from_numpy(mask[None].astype(np.float32))
        return image, torch.tensor([float(index % 2)])


def cnn(folder: Path, name: str, rounds: int) -> Pair:
    """An epoch of one network, from equal weights and in one order, on one thread."""
    patients = [f"p{number}" for number in range(CROPS)]
    recipe = Recipe.read(NETWORKS[name] | {"architecture": name, "batch_size": 2, "normalisation": "zscore"})
    run = Run(recipe, SHAPE, 0, torch.device("cpu"))
    samples = labelled(recipe, patients, folder, ["LGG", "HGG"] * (CROPS // 2))
    network = networks.build(recipe, recipe.shape(SHAPE))
    network.load_state_dict(run.network.state_dict())
    optimiser = OPTIMISERS[recipe.optimiser](
        network.parameters(), lr=recipe.learning_rates[0], weight_decay=recipe.weight_decay
    )
    loss_of, plain = losses.BY_NAME[recipe.loss], Files(folder, patients, recipe.kind == "segmentation")

    def ours() -> float:
        return run._fit(samples, 0)

    def theirs() -> float:
        network.train()
        total = 0.0
        for images, targets in DataLoader(plain, recipe.batch_size):
            optimiser.zero_grad()
            loss = loss_of(network(images), targets)
            loss.backward()
            optimiser.step()
            total += loss.item() * len(images)
        return total / len(plain)

    # Dropout draws in the order of memory, which is not theirs, so that equal trainings end only about alike.
    with torch.no_grad():
        images, targets = ready(*next(iter(DataLoader(samples, 2))), recipe.normalisation, torch.device("cpu"))
        others, wanted = next(iter(DataLoader(plain, 2)))
        first = run.network.eval()(devices.arrange(images)), targets
        for one, other in zip(first, (network.eval()(others), wanted), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)

    work = f"an epoch of {CROPS} crops of {' x '.join(map(str, SHAPE))}, batches of {recipe.batch_size}"
    return compare(
        f"training, {name}",
        work,
        ours,
        "a plain PyTorch loop",
        theirs,
        lambda *_: "weights, inputs, outputs at the start",
        rounds,
    )


def pairs(folder: Path, rounds: int) -> list[Pair]:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    for number in range(CROPS):
        np.save(folder / f"p{number}.npy", rng.integers(1, 255, (4, *SHAPE), np.uint8))
        np.save(folder / f"p{number}.mask.npy", (rng.random(SHAPE) < 0.1).astype(np.uint8))
    tuned = [lora(folder / loss, loss, rounds) for loss in ("answer", "conversation")]
    return tuned + [cnn(folder, name, rounds) for name in NETWORKS]
