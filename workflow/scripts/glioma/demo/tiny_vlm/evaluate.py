"""How well the tiny model answers: in format under wordings it never saw, and rightly on images it never saw."""

import re
from collections import defaultdict

import numpy as np
import torch
from PIL import Image
from skimage.draw import polygon2mask

from glioma.base import seeds
from glioma.demo.tiny_vlm import corpus, heldout
from glioma.demo.tiny_vlm.paper import PAPER

NUMBER = r"(?:\d|[1-9]\d|1[01]\d|12[0-7])"
POINT = rf"\({NUMBER}, {NUMBER}\)"
FORMATS = {
    "classification": r"Choice: [012](?: Reasoning: [a-z-]+(?: [a-z-]+)?(?:, [a-z-]+(?: [a-z-]+)?){9})?",
    "center_point": POINT,
    "bounding_box": rf"\[{POINT}(?:, {POINT}){{3}}\]",
    "polygon": rf"\({POINT}(?:, {POINT}){{9,14}}\)",
}


def parses(task: str, text: str) -> bool:
    """Whether the whole text is an answer in the task's format, coordinates within the frame."""
    return re.fullmatch(FORMATS[task], text.strip()) is not None


def points(text: str) -> np.ndarray:
    """All (row, column) pairs of an answer, (N, 2)."""
    return np.array(re.findall(r"\((\d+), (\d+)\)", text), dtype=int).reshape(-1, 2)


def messages(prompt: str, image_first: bool = True) -> list[dict]:
    """One user turn of an image and a prompt."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    return [{"role": "user", "content": content if image_first else content[::-1]}]


@torch.inference_mode()
def ask(
    model, processor, images: list[np.ndarray], prompts: list[str], image_first: bool = True, **sampling
) -> list[str]:
    """Answers to one prompt per image (side, side) uint8, in one batch."""
    texts = [
        processor.apply_chat_template(messages(prompt, image_first), add_generation_prompt=True, tokenize=False)
        for prompt in prompts
    ]
    batch = processor(
        images=[[Image.fromarray(image)] for image in images],
        text=texts,
        padding=True,
        add_special_tokens=False,
        return_tensors="pt",
    )
    tokens = model.generate(**batch, max_new_tokens=128, **sampling)
    return processor.batch_decode(tokens[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)


def parse_rates(model, processor, seed: int) -> dict[str, float]:
    """Share of answers in format for each style of unseen wording and each task, asked image first and text first."""
    probes = [
        (style, task, prompt)
        for style, prompts in heldout.STYLES.items()
        for task, texts in prompts.items()
        for prompt in texts
    ]
    images = [corpus.example(seeds.generator(seed, "parse", i), i % 2).image for i in range(len(probes))]
    good = defaultdict(list)
    for image_first in (True, False):
        answers = ask(model, processor, images, [prompt for *_, prompt in probes], image_first)
        for (style, task, _), answer in zip(probes, answers, strict=True):
            good[f"parsed_{style}_{task}"].append(parses(task, answer))
    return {name: float(np.mean(each)) for name, each in good.items()}


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice overlap of two boolean masks."""
    return 2 * float((first & second).sum()) / float(first.sum() + second.sum())


def box_mask(corners: np.ndarray) -> np.ndarray:
    """The filled box around points (N, 2), inclusive."""
    mask = np.zeros((corpus.SIDE, corpus.SIDE), bool)
    (top, left), (bottom, right) = corners.min(0), corners.max(0)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def quality(model, processor, seed: int, count: int = 48) -> dict[str, float]:
    """On new synthetic images with the paper's prompts: class accuracy, centre error in pixels, box and polygon Dice.

    An answer that does not parse counts as wrong, as an error of the image's diagonal, and as Dice 0.
    """
    items = [corpus.example(seeds.generator(seed, "quality", i), i % 3) for i in range(count)]
    choices = ask(model, processor, [item.image for item in items], [PAPER["classification"]] * count)
    right = [reply.startswith(f"Choice: {item.grade}") for reply, item in zip(choices, items, strict=True)]

    lesions = [item for item in items if item.mask is not None]
    images = [item.image for item in lesions]
    shapes = {
        task: [
            points(reply) if parses(task, reply) else None
            for reply in ask(model, processor, images, [PAPER[task]] * len(images))
        ]
        for task in ("center_point", "bounding_box", "polygon")
    }
    error, box, outline = [], [], []
    for i, item in enumerate(lesions):
        centre, corners, ring = (shapes[task][i] for task in shapes)
        frame = np.array(corpus.box(item.mask)).reshape(2, 2)
        error.append(corpus.SIDE * 2**0.5 if centre is None else float(np.hypot(*(centre[0] - frame.mean(0)))))
        box.append(0.0 if corners is None else dice(box_mask(corners), box_mask(frame)))
        outline.append(0.0 if ring is None else dice(polygon2mask(item.mask.shape, ring), item.mask))
    return {
        "class_accuracy": float(np.mean(right)),
        "centre_error_px": float(np.mean(error)),
        "box_dice": float(np.mean(box)),
        "polygon_dice": float(np.mean(outline)),
    }
