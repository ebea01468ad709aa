"""Ask a vision-language model about slices: batched, resumable, and the same at every batch size and sharding.

On a CPU the same bytes. On a GPU kernels differ with the number of rows, and a bfloat16 logit may round otherwise: the
draws are the same, but where two tokens are all but equally likely, the other one may win.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm
from transformers import GenerationConfig

from glioma.base.errors import UserError
from glioma.base.partial import Partial, fingerprint
from glioma.cohort.sequences import SEQUENCES
from glioma.geometry import slices
from glioma.vlm import models, sampling
from glioma.vlm.encode import Features, Question, image_features
from glioma.vlm.requests import Request

CHOICES = ("0", "1", "2")
FORCED_START = "Choice: "
# BLAS multiplies a few rows by other routines than many: on a CPU the logits of batches of one and two rows differed by
# 4e-6 from those of 4 to 32, which were equal. That is now and then the last decimal of a log-probability.
MINIMUM_ROWS = 4
DEFAULTS = {
    "batch_size": 16,
    "max_new_tokens": 256,
    "temperature": 0.0,  # 0 is greedy
    "top_p": 1.0,
    "min_p": 0.0,
    "side": slices.SIDE,
    "frame": "square",  # or native: coronal and sagittal slices as they are, not padded
    "image_first": False,
    "choices": False,  # also give the log-probabilities of "Choice: 0", "1" and "2"
}
TIMING_COLUMNS = "batch,rows,tokens,seconds"


class Answerer:
    """A loaded model with one prompt and one way to generate."""

    def __init__(self, model, processor, prompt: str, settings: Mapping, seed: int) -> None:
        self.model = model
        self.processor = processor
        self.prompt = prompt
        self.settings = {**DEFAULTS, **settings}
        self.seed = seed
        self.questions: dict[tuple[int, int], Question] = {}
        self.ends = _end_tokens(model, processor)
        self.config = GenerationConfig(
            do_sample=False,
            max_new_tokens=self.settings["max_new_tokens"],
            eos_token_id=sorted(self.ends),
            pad_token_id=processor.tokenizer.pad_token_id,
            use_cache=True,  # training with gradient checkpointing turns the model's own default off
        )

    def question(self, size: tuple[int, int]) -> Question:
        """The prompt for images of a size, (width, height)."""
        if size not in self.questions:
            self.questions[size] = Question(self.processor, self.prompt, size, self.settings["image_first"])
        return self.questions[size]

    # Not inference_mode: what a model caches there could not be trained with afterwards.
    @torch.no_grad()
    def answer(self, requests: Sequence[Request], images: Sequence[Image.Image]) -> list[dict]:
        """One response row per request, in order; `images` are what the requests ask about.

        Images of one size are answered together, without padding. Fewer than `MINIMUM_ROWS` are filled up with repeats,
        whose answers are dropped.
        """
        rows: dict[int, dict] = {}
        for size in dict.fromkeys(image.size for image in images):
            chosen = [number for number, image in enumerate(images) if image.size == size]
            filled = chosen + chosen[-1:] * (MINIMUM_ROWS - len(chosen))
            # A slice that is asked about several times is the same object each time.
            unique = {id(images[number]): images[number] for number in chosen}
            features = dict(zip(unique, image_features(self.processor, list(unique.values())), strict=True))
            answers = self._answer(
                self.question(size),
                [requests[number] for number in filled],
                [features[id(images[number])] for number in filled],
            )
            rows |= zip(chosen, answers, strict=False)
        return [rows[number] for number in range(len(requests))]

    def _answer(self, question: Question, requests: Sequence[Request], images: Sequence[Features]) -> list[dict]:
        inputs = question.batch(images, like=self.model)
        names = ["/".join(map(str, request)) for request in requests]
        output = self.model.generate(
            **inputs,
            generation_config=self.config,
            logits_processor=sampling.processors(self.settings, self.seed, names, question.length),
        )
        logprobs = self.choices(question, images) if self.settings["choices"] else [None] * len(requests)
        rows = []
        for request, tokens, choice in zip(requests, output[:, question.length :].tolist(), logprobs, strict=True):
            length = next((n for n, token in enumerate(tokens, start=1) if token in self.ends), None)
            answer = tokens[:length]
            row = request._asdict() | {
                "text": self.processor.tokenizer.decode(answer, skip_special_tokens=True),
                "finish": "stop" if length else "length",
                "tokens": len(answer),
                "logprobs": choice,
            }
            rows.append(row)
        return rows

    def choices(self, question: Question, images: Sequence[Features]) -> list[dict[str, float]]:
        """Natural log-probabilities of the three choices after the forced start of an answer, renormalised over them.

        Teacher forcing: the tokens all choices share are forced, and one pass scores what follows where each choice
        is one more token. Where a tokenizer splits choices otherwise, each is scored in a pass of its own.
        """
        candidates = [
            self.processor.tokenizer(FORCED_START + choice, add_special_tokens=False).input_ids for choice in CHOICES
        ]
        shared = os.path.commonprefix(candidates)
        rests = [candidate[len(shared) :] for candidate in candidates]
        if all(len(rest) == 1 for rest in rests):
            logits = self._logits(question, images, shared, 1)[:, 0]
            scores = logits[:, [rest[0] for rest in rests]]
        else:
            scores = torch.stack(
                [self._score(question, images, candidate, len(shared)) for candidate in candidates], dim=1
            )
        values = scores.double().log_softmax(dim=1).cpu().numpy().round(4)
        return [dict(zip(CHOICES, row, strict=True)) for row in values.tolist()]

    def _logits(self, question: Question, images: Sequence[Features], forced: Sequence[int], keep: int) -> torch.Tensor:
        """Logits (rows, keep, vocabulary) at the last `keep` positions of question and forced tokens."""
        inputs = question.batch(images, forced, self.model)
        return self.model(**inputs, logits_to_keep=keep, use_cache=False).logits[:, -keep:].float()

    def _score(
        self, question: Question, images: Sequence[Features], candidate: Sequence[int], known: int
    ) -> torch.Tensor:
        """Log-probability (rows,) of a candidate's tokens from number `known` on, given those before."""
        rest = torch.tensor(candidate[known:], device=self.model.device)
        logits = self._logits(question, images, candidate, len(rest) + 1)[:, :-1].log_softmax(dim=-1)
        return logits.gather(2, rest.expand(len(images), -1)[..., None])[..., 0].sum(dim=1)


def _end_tokens(model, processor) -> set[int]:
    """Tokens that end an answer: those of the model's generation config, or the tokenizer's."""
    ends = model.generation_config.eos_token_id
    ends = processor.tokenizer.eos_token_id if ends is None else ends
    return set(ends) if isinstance(ends, Sequence) else {ends}


class Crops:
    """FLAIR volumes of a folder of crops, memory-mapped."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.flair = lru_cache(maxsize=4)(self._flair)

    def _flair(self, patient: str) -> np.ndarray:
        path = self.folder / f"{patient}.npy"
        try:
            return np.load(path, mmap_mode="r")[SEQUENCES.index("flair")]
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not a crop ({error}); delete it so that its rule writes it again") from None

    def digest(self, patient: str) -> str:
        """A digest of a patient's FLAIR volume."""
        return hashlib.sha256(np.ascontiguousarray(self.flair(patient))).hexdigest()


def respond(
    base: Mapping,
    adapter: str | Path | None,
    requests: Sequence[Request],
    crops: str | Path,
    prompt: str,
    settings: Mapping,
    out_jsonl: str | Path,
    timing_csv: str | Path,
    seed: int,
) -> int:
    """Write a model's answers to `requests`, a JSON line each, and the seconds each batch took; return their number.

    `base` is a model entry, `adapter` a PEFT folder or None, `settings` those of `DEFAULTS`. A killed job leaves
    `<name>.partial.jsonl`, from which the next one goes on at the last whole batch if nothing it depends on changed.
    """
    if unknown := set(settings) - set(DEFAULTS):
        raise UserError(f"generation: unknown key {min(unknown)!r}; choose from {', '.join(DEFAULTS)}")
    settings = {**DEFAULTS, **settings}
    volumes = Crops(crops)
    mark = fingerprint(
        {
            "prompt": prompt,
            "settings": settings,
            "seed": seed,
            "model": models.fingerprint(base, adapter),
            "requests": requests,
            "crops": {patient: volumes.digest(patient) for patient in dict.fromkeys(r.patient for r in requests)},
            "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
        }
    )
    rows, timing = Partial(out_jsonl, mark), Partial(timing_csv, mark)
    size = settings["batch_size"]
    done = rows.resume(size)
    _resume_timing(timing, done // size)
    if done < len(requests):
        model, processor = models.load(base, adapter)
        answerer = Answerer(model, processor, prompt, settings, seed)
        with tqdm(total=len(requests), initial=done, desc=Path(out_jsonl).stem, unit="slice", mininterval=10) as bar:
            for start in range(done, len(requests), size):
                batch = requests[start : start + size]
                clock = time.perf_counter()
                answers = answerer.answer(batch, _images(volumes, batch, settings))
                seconds = time.perf_counter() - clock
                rows.append([json.dumps(row) for row in answers])
                tokens = sum(row["tokens"] for row in answers)
                timing.append([f"{start // size},{len(batch)},{tokens},{seconds:.3f}"])
                bar.update(len(batch))
    timing.finish()
    rows.finish()
    return len(requests)


def _resume_timing(timing: Partial, batches: int) -> None:
    """Keep the header and the times of the batches that are kept."""
    lines = timing.resume(1)
    if not lines:
        timing.append([TIMING_COLUMNS])
    else:
        kept = timing.file.read_text().splitlines()[: batches + 1]
        timing.file.write_text("\n".join(kept) + "\n")


def _images(volumes: Crops, batch: Sequence[Request], settings: Mapping) -> list[Image.Image]:
    """The pictures of a batch; a slice asked about several times is rendered once."""
    pictures = {}
    for patient, orientation, index, _ in batch:
        if (patient, orientation, index) not in pictures:
            shown = slices.take(volumes.flair(patient), orientation, index)
            pictures[patient, orientation, index] = slices.render(shown, settings["side"], settings["frame"])
    return [pictures[request[:3]] for request in batch]
