"""Answers of a model: this workflow's batches, and transformers' own `generate` one at a time and batched.

The model has the embedded one's shape and random weights, so that every answer has as many tokens as it may.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from against.pairs import Pair, compare
from glioma.demo.tiny_vlm import model as architecture
from glioma.demo.tiny_vlm import tokenizer
from glioma.vlm import models, processors
from glioma.vlm.backends import Decoding, Prompt
from glioma.vlm.backends.transformers import Transformers

ROOT = Path(__file__).resolve().parents[2]
SLICES, BATCH, TOKENS = 32, 32, 20


def embedded(folder: Path) -> dict:
    """The entry of a model of the embedded one's shape."""
    prompts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "config/prompts").glob("*.txt"))]
    torch.manual_seed(0)
    processor = architecture.processor(tokenizer.train(prompts * 20, 800))
    architecture.initialise(processor.tokenizer).save_pretrained(folder)
    processor.save_pretrained(folder)
    return {"name": "embedded", "path": str(folder), "quantisation": "none"}


def pictures(count: int, side: int = 128) -> list[tuple[Image.Image]]:
    rng = np.random.default_rng(0)
    return [(Image.fromarray(rng.integers(0, 255, (side, side), np.uint8)).convert("RGB"),) for _ in range(count)]


def pairs(folder: Path, rounds: int) -> list[Pair]:
    base = embedded(folder)
    backend = Transformers(base)
    backend.load()
    prompt = Prompt((ROOT / "config/prompts/classify.txt").read_text(encoding="utf-8").strip())
    shown = pictures(SLICES)
    names = [str(number) for number in range(SLICES)]
    model, processor = backend.model, backend.processor
    chat = processors.chat(processor, prompt.messages(1), answers=True)
    ends = models.end_tokens(model.generation_config, processor)
    how = {"max_new_tokens": TOKENS, "do_sample": False, "eos_token_id": sorted(ends)}

    def ours() -> list[str]:
        backend.features = {}  # as for slices that were not seen before
        return [
            answer.text
            for first in range(0, SLICES, BATCH)
            for answer in backend.answer(
                prompt, shown[first : first + BATCH], names[first : first + BATCH], Decoding(TOKENS)
            )
        ]

    @torch.no_grad()
    def generated(rows: list[tuple[Image.Image]]) -> list[str]:
        inputs = processor(
            text=[chat] * len(rows), images=[list(row) for row in rows], add_special_tokens=False, return_tensors="pt"
        )
        output = model.generate(**inputs, **how, pad_token_id=processor.tokenizer.pad_token_id)
        return processor.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def alone() -> list[str]:
        return [text for row in shown for text in generated([row])]

    def batched() -> list[str]:
        return [text for first in range(0, SLICES, BATCH) for text in generated(shown[first : first + BATCH])]

    def equal(one: list[str], other: list[str]) -> str:
        if one != other:
            raise AssertionError("the answers differ")
        return f"{len(one)} answers, to the letter"

    work = f"{SLICES} slices, {TOKENS} tokens each"
    return [
        compare("answers", work, ours, "generate, one at a time", alone, equal, rounds),
        compare("answers", work, ours, f"generate, batches of {BATCH}", batched, equal, rounds),
    ]
