"""Training the tiny Mllama from scratch in a few minutes of one CPU core."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from tqdm import tqdm
from transformers import MllamaForConditionalGeneration, MllamaProcessor

from glioma.base import seeds
from glioma.base.files import readable, write_json
from glioma.demo.tiny_vlm import TRAINING_FILE, corpus, evaluate, tokenizer, wording
from glioma.demo.tiny_vlm import model as architecture
from glioma.demo.tiny_vlm.settings import Recipe


def build(folder: str | Path, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Train the model and write it as an ordinary `save_pretrained` folder of the files named in `FILES`.

    Returns {"seconds", "held_out", "history"}; the last two are also in `training.json`. Equal recipe and seed give
    equal bytes on the same kind of machine.
    """
    start = time.perf_counter()
    torch.set_num_threads(1)
    torch.manual_seed(seeds.integer(seed, "tiny", "weights"))
    processor = architecture.processor(tokenizer.train(_texts(seed), recipe.vocabulary))
    model = architecture.initialise(processor.tokenizer)
    history = fit(model, processor, recipe, seed)
    trained = time.perf_counter()
    held_out = evaluate.quality(model, processor, seed) | evaluate.parse_rates(model, processor, seed)
    for name, value in held_out.items():
        print(f"{name:32s} {value:.3f}")
    print(f"trained in {trained - start:.0f} s, measured in {time.perf_counter() - trained:.0f} s")

    folder = Path(folder)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        readable(path)
    write_json(
        {"settings": recipe.plain(), "seed": seed, "history": history, "held_out": held_out}, folder / TRAINING_FILE
    )
    return {"seconds": time.perf_counter() - start, "held_out": held_out, "history": history}


def _texts(seed: int, count: int = 1500) -> list[str]:
    """Prompts and answers for the tokenizer to learn its words from."""
    rng = seeds.generator(seed, "tiny", "tokenizer")
    texts = [wording.sample(rng, task).text for task in wording.TASKS for _ in range(count)]
    items = [corpus.example(rng, grade) for grade in (corpus.LGG, corpus.HGG, corpus.NONE) for _ in range(20)]
    return texts + [answer for item in items for task in wording.TASKS if (answer := corpus.answer(item, task))] * 10


def fit(
    model: MllamaForConditionalGeneration, processor: MllamaProcessor, recipe: Recipe, seed: int
) -> list[dict[str, float]]:
    """Train in place; returns a row (step, learning_rate, loss, and its parts) every ten steps.

    Each batch has new images, and the vision tower sees them once for all four tasks.
    """
    guide = Guide(model.config)
    parameters = [*model.parameters(), *guide.parameters()]
    numbers = tokenizer.number_ids(processor.tokenizer)[: corpus.SIDE]
    optimiser = torch.optim.AdamW(parameters, recipe.learning_rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay)
    looks, warmup = recipe.looks, recipe.warmup
    steps = looks + recipe.steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    history = []
    model.train()
    for step in tqdm(range(steps), desc="tiny Mllama", mininterval=10):
        rng = seeds.generator(seed, "tiny", "batch", step)
        items = _images(rng, recipe.batch)
        first, last = recipe.sigma
        targets = _soft_targets(first + (last - first) * step / steps)
        seen = model.model.vision_model(**_pixels(processor, items)).last_hidden_state[:, 0, 0]
        states = model.model.multi_modal_projector(seen)
        losses = guide(seen, states, model.lm_head.weight[numbers], targets, items)
        loss = recipe.guide * sum(losses.values())
        if step >= looks:
            answers = {
                task: _task_loss(model, processor, rng, task, items, states, recipe, targets) for task in wording.TASKS
            }
            loss = loss + sum(answers.values()) / len(answers)
            losses |= answers
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % 10 == 0 or step == steps - 1:
            row = {"loss": loss, **losses}
            history.append({"step": step, **{name: round(value.item(), 4) for name, value in row.items()}})
            history[-1]["learning_rate"] = schedule.get_last_lr()[0]
    model.eval()
    return history


def _images(rng: np.random.Generator, batch: int) -> list[corpus.Example]:
    """`batch` images with a blob, the two grades in turn, then a quarter as many without."""
    blobs = [corpus.example(rng, (corpus.LGG, corpus.HGG)[i % 2]) for i in range(batch)]
    return blobs + [corpus.example(rng, corpus.NONE) for _ in range(batch // 4)]


def _pixels(processor: MllamaProcessor, items: list[corpus.Example]) -> dict[str, torch.Tensor]:
    """What the vision tower takes, made by the processor that users of the model will use."""
    batch = processor.image_processor([[Image.fromarray(item.image)] for item in items], return_tensors="pt")
    return {name: batch[name] for name in ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask")}


class Guide(torch.nn.Module):
    """Auxiliary losses that teach the vision tower what the answers need; thrown away after training.

    One head points out the patch that holds the centre of the blob. What stands there (a mean weighted by that head)
    must tell the edges of the box, in the rows of the output layer that stand for numbers, and the class. So the text
    layers find the answers ready to read, almost in their own words; without it a few hundred steps were not enough for
    them to begin to look at the image.
    """

    def __init__(self, config) -> None:
        super().__init__()
        self.find = torch.nn.Linear(config.vision_config.vision_output_dim, 1)
        self.edges = torch.nn.Linear(config.text_config.hidden_size, 4 * config.text_config.hidden_size)
        self.grade = torch.nn.Linear(config.text_config.hidden_size, 3)

    def forward(self, seen, states, rows, targets, items) -> dict[str, torch.Tensor]:
        """The losses; `seen` (images, 1 + patches, features), `states` (..., hidden), `rows` (numbers, hidden)."""
        blobs = [i for i, item in enumerate(items) if item.mask is not None]
        boxes = torch.tensor([corpus.box(items[i].mask) for i in blobs])
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 * architecture.GRID / corpus.SIDE
        patches = centres[:, 0].long() * architecture.GRID + centres[:, 1].long()
        found = self.find(seen[:, 1:])[..., 0]
        read = (found.softmax(1)[:, :, None] * states[:, 1:]).sum(1)
        edges = self.edges(read[blobs]).view(len(blobs), 4, -1) @ rows.T
        return {
            "patch": F.cross_entropy(found[blobs], patches),
            "edges": F.cross_entropy(edges.flatten(0, 1), targets[boxes.flatten()]),
            "grade": F.cross_entropy(self.grade(read), torch.tensor([item.grade for item in items])),
        }


def _soft_targets(sigma: float) -> torch.Tensor:
    """Row v is the distribution to learn for the coordinate v: a Gaussian over 0 to SIDE - 1; near is nearly right."""
    value = torch.arange(corpus.SIDE)
    return torch.softmax(-((value[:, None] - value) ** 2) / (2 * sigma**2), dim=1)


def _task_loss(model, processor, rng, task, items, states, recipe, targets) -> torch.Tensor:
    """Loss of one task over some images of the batch, dealt to a few different wordings."""
    asked = rng.permutation([i for i, item in enumerate(items) if task == "classification" or item.mask is not None])
    total, weight = 0.0, 0.0
    for group, dealt in enumerate(np.array_split(asked[: recipe.questions], recipe.prompts)):
        asking = wording.sample(rng, task)
        chat = evaluate.messages(asking.text, image_first=group % 2 == 0)
        prompt = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        answers = [corpus.answer(items[i], task, asking.reasoning) for i in dealt]
        loss, share = _answer_loss(model, processor.tokenizer, prompt, answers, states[dealt], targets, task)
        total, weight = total + loss, weight + share
    return total / weight  # type: ignore[return-value]


def _answer_loss(model, words, prompt, answers, states, targets, task) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss summed over the answers to one prompt, and the sum of the tokens' weights, 1/sqrt(answer's length)."""
    begin = words(prompt, add_special_tokens=False)["input_ids"]
    ends = [words(answer + tokenizer.END, add_special_tokens=False)["input_ids"] for answer in answers]
    length = len(begin) + max(map(len, ends))
    tokens = torch.full((len(ends), length), words.pad_token_id)
    tokens[:, : len(begin)] = torch.tensor(begin)
    weight = torch.zeros(tokens.shape)
    for row, end in enumerate(ends):
        told = slice(len(begin), len(begin) + len(end))
        tokens[row, told] = torch.tensor(end)
        weight[row, told] = len(end) ** -0.5
    # As the processor has it, a token sees the image if it stands at or after <|image|>.
    sees = (tokens == model.config.image_token_index).cumsum(1)[:, :, None, None]
    # Padding is on the right here, where causal attention cannot look: no attention mask is needed.
    hidden = model.model(
        input_ids=tokens, cross_attention_mask=sees, cross_attention_states=states, use_cache=False
    ).last_hidden_state
    told = weight[:, 1:] > 0
    target, weight = tokens[:, 1:][told], weight[:, 1:][told]
    scores = F.log_softmax(model.lm_head(hidden[:, :-1][told]), dim=1)
    loss = -scores.gather(1, target[:, None])[:, 0]
    if task != "classification":
        numbers = torch.tensor(tokenizer.number_ids(words)[: corpus.SIDE])
        match = target[:, None] == numbers
        soft = -(targets[match.int().argmax(1)] * scores[:, numbers]).sum(1)
        loss = torch.where(match.any(1), soft, loss)
    return (weight * loss).sum(), weight.sum()
