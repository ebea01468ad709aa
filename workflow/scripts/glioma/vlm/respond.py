"""What a model answers about requested slices: in order, in batches, and taken up again where a killed job left off.

How a model is run is its backend's; here neither PyTorch nor transformers is needed. Answers depend neither on the
size of batches nor on shards, as far as the backend keeps its word.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from glioma.base.partial import Partial, fingerprint
from glioma.vlm import backends
from glioma.vlm.backends import Answer, Backend, Decoding, Prompt
from glioma.vlm.images import Crops
from glioma.vlm.requests import Request
from glioma.vlm.settings import Responses
from glioma.vlm.store import Store, image_digest

TIMING_COLUMNS = "batch,rows,tokens,seconds"
ANSWER = (*Answer._fields, "logprobs")
DECIMALS = 4
"""Of log-probabilities: the last ones of float32 differ between machines."""


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
    code: str = "",
    kept: str | Path | None = None,
    task: str = "",
) -> int:
    """Write a model's answers to `requests`, a JSON line each, and the seconds each batch took; return how many were
    asked.

    `base` is a model entry, `adapter` a PEFT folder or None, `settings` those of `Responses`, `kept` the folder of the
    answer store: what is known there is not asked, and counts for the seconds that it took when it was; `task` is noted
    there, for those who read. A killed job
    leaves `<name>.partial.jsonl`, from which the next one goes on at the last whole batch if nothing it depends on
    changed, the digest of the `code` that answers included.
    """
    how = Responses.read(settings)
    volumes = Crops(crops)
    backend = backends.build(base, adapter)
    causes = {"prompt": prompt, "seed": seed, "code": code, "backend": backend.fingerprint()}
    mark = fingerprint(
        causes
        | {
            "settings": how.plain(),
            "requests": requests,
            "crops": {patient: volumes.digest(patient) for patient in dict.fromkeys(r.patient for r in requests)},
        }
    )
    rows, timing = Partial(out_jsonl, mark), Partial(timing_csv, mark)
    size = how.batch_size
    done = rows.resume(size)
    _resume_timing(timing, done // size)
    asked = 0
    if done < len(requests):
        store = _store(kept, causes, how, about(base, adapter, prompt, how, task))
        with tqdm(total=len(requests), initial=done, desc=Path(out_jsonl).stem, unit="slice", mininterval=10) as bar:
            for start in range(done, len(requests), size):
                batch = requests[start : start + size]
                clock = time.perf_counter()
                images = volumes.images(batch, how.side, how.frame)
                keys = [key_of(request, image, how) for request, image in zip(batch, images, strict=True)]
                new = {key: row for row, key in enumerate(keys) if key not in store.known}
                if new:
                    backend.load()
                    chosen = list(new.values())
                    found = answer(backend, [batch[i] for i in chosen], [images[i] for i in chosen], prompt, how, seed)
                    cost = round((time.perf_counter() - clock) / len(new), 4)
                    store.add({key: {**_own(row), "seconds": cost} for key, row in zip(new, found, strict=True)})
                    asked += len(new)
                answers = [store.known[key] for key in keys]
                seconds = sum(row["seconds"] for row in answers)
                rows.append([_line(request, row) for request, row in zip(batch, answers, strict=True)])
                tokens = sum(row["tokens"] for row in answers)
                timing.append([f"{start // size},{len(batch)},{tokens},{seconds:.3f}"])
                bar.update(len(batch))
        store.used()
    timing.finish()
    rows.finish()
    print(f"{len(requests)} answers: {done} of a killed job, {len(requests) - done - asked} known, {asked} asked")
    return asked


def _store(kept: str | Path | None, causes: Mapping, how: Responses, said: Mapping) -> Store:
    """The answers of these causes. Batches are no cause, nor is the seed of greedy answers."""
    seed = causes["seed"] if how.temperature else None
    return Store(kept, {**causes, "seed": seed, "settings": said["settings"]}, said, (*ANSWER, "seconds"))


def about(base: Mapping, adapter: str | Path | None, prompt: str, how: Responses, task: str = "") -> dict:
    """What the answer store says of these answers to people."""
    settings = {key: value for key, value in how.plain().items() if key not in ("batch_size", "side", "frame")}
    named = adapter and "/".join(Path(adapter).parts[-2:])
    return {"model": base["name"], "adapter": named, "task": task, "prompt": prompt, "settings": settings}


def key_of(request: Request, image: Image.Image, how: Responses) -> str:
    """What determines an answer within its context: the picture, and the row's name where tokens are drawn."""
    return image_digest(image) + (f" {request.name}" if how.temperature else "")


def _own(row: Mapping) -> dict:
    """An answer without the question that it was given to."""
    return {key: value for key, value in row.items() if key not in Request._fields}


def _line(request: Request, answer: Mapping) -> str:
    """A row of the responses."""
    return json.dumps({**request._asdict(), **{key: answer[key] for key in ANSWER}})


def answer(
    backend: Backend,
    requests: Sequence[Request],
    images: Sequence[Image.Image],
    prompt: str,
    settings: Responses,
    seed: int,
) -> list[dict]:
    """One response row per request, in order: the request, text, finish, tokens, logprobs of the choices."""
    question = Prompt(prompt, bool(settings.image_first))
    decoding = Decoding(
        settings.max_new_tokens, settings.temperature, settings.top_p, settings.min_p, seed, settings.legal
    )
    answers = backend.answer(question, images, [request.name for request in requests], decoding)
    logprobs: list[dict[str, float] | None] = [None] * len(requests)
    if settings.choices:
        found = backend.logprobs(question, images, settings.forced_start or "", settings.choices)
        rows = [] if found is None else found.round(DECIMALS)
        for number, row in enumerate(rows):
            if not np.isnan(row).any():
                logprobs[number] = dict(zip(settings.choices, row.tolist(), strict=True))
    return [
        {**request._asdict(), **each._asdict(), "logprobs": choices}
        for request, each, choices in zip(requests, answers, logprobs, strict=True)
    ]


def _resume_timing(timing: Partial, batches: int) -> None:
    """Keep the header and the times of the batches that are kept."""
    lines = timing.resume(1)
    if not lines:
        timing.append([TIMING_COLUMNS])
    else:
        kept = timing.file.read_text().splitlines()[: batches + 1]
        timing.file.write_text("\n".join(kept) + "\n")
