"""Answers of a model: this workflow's batches, and transformers' own `generate` one at a time, batched and drawing.

The model has the embedded one's shape and random weights, so that every answer has as many tokens as it may.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from against.pairs import Pair, compare
from glioma.demo.tiny_vlm import model as architecture
from glioma.demo.tiny_vlm import tokenizer
from glioma.vlm import models, processors, sampling
from glioma.vlm.backends import Decoding, Prompt
from glioma.vlm.backends.transformers import Transformers

ROOT = Path(__file__).resolve().parents[2]
SLICES, BATCH, TOKENS = 32, 32, 20
DRAWN = 4
"""Answers to a slice, where they are drawn."""


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
    few, drawn = SLICES // DRAWN, Decoding(TOKENS, temperature=1.0)
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

    def several() -> list[str]:
        backend.features = {}
        rows = [row for row in shown[:few] for _ in range(DRAWN)]
        return [answer.text for answer in backend.answer(prompt, rows, names, drawn)]

    @torch.no_grad()
    def generated(rows: list[tuple[Image.Image]], **more) -> list[str]:
        inputs = processor(
            text=[chat] * len(rows), images=[list(row) for row in rows], add_special_tokens=False, return_tensors="pt"
        )
        length = inputs["input_ids"].shape[1]
        if more:
            more["logits_processor"] = sampling.processors(drawn, names, length)
        output = model.generate(**inputs, **how | more, pad_token_id=processor.tokenizer.pad_token_id)
        return processor.batch_decode(output[:, length:], skip_special_tokens=True)

    def alone() -> list[str]:
        return [text for row in shown for text in generated([row])]

    def batched() -> list[str]:
        return [text for first in range(0, SLICES, BATCH) for text in generated(shown[first : first + BATCH])]

    def returned() -> list[str]:
        # The noise makes the likeliest token a draw, so that both draw the same.
        return generated(shown[:few], do_sample=True, top_k=1, num_return_sequences=DRAWN)

    def equal(one: list[str], other: list[str]) -> str:
        if one != other:
            raise AssertionError("the answers differ")
        return f"{len(one)} answers, to the letter"

    work = f"{SLICES} slices, {TOKENS} tokens each"
    repeats = f"{few} slices, {DRAWN} answers each, of {TOKENS} tokens"
    return [
        compare("answers", work, ours, "generate, one at a time", alone, equal, rounds),
        compare("answers", work, ours, f"generate, batches of {BATCH}", batched, equal, rounds),
        compare("answers, drawn", repeats, several, "generate, num_return_sequences", returned, equal, rounds),
    ]
