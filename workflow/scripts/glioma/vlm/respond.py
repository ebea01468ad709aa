"""What a model answers about requested slices: in order, in batches, and taken up again where a killed job left off.

How a model is run is its backend's; here neither PyTorch nor transformers is needed. Answers depend neither on the
size of batches nor on shards, as far as the backend keeps its word.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from glioma.base.partial import Partial, fingerprint
from glioma.vlm import backends
from glioma.vlm.backends import Answer, Backend, Choices, Decoding, Example, Prompt
from glioma.vlm.images import Crops
from glioma.vlm.pictures import Pictures
from glioma.vlm.requests import Request
from glioma.vlm.settings import Responses
from glioma.vlm.store import Store, digest

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
    system: str | None = None,
    examples: Sequence[Example] = (),
) -> int:
    """Write a model's answers to `requests`, a JSON line each, and the seconds each batch took; return how many were
    asked.

    `base` is a model entry, `adapter` a PEFT folder or None, `settings` those of `Responses`, `kept` the folder of the
    answer store: what is known there is not asked, and counts for the seconds that it took when it was; `task` is noted
    there, for those who read. The `system` prompt and `examples` stand before every question. A killed job leaves
    `<name>.partial.jsonl`, from which the next one goes on at the last whole batch if nothing it depends on changed,
    the digest of the `code` that answers included.
    """
    how = Responses.read(settings)
    volumes = Crops(crops)
    backend = backends.build(base, adapter)
    asking = Prompt(prompt, bool(how.image_first), system, tuple(examples))
    causes = {"prompt": words(asking), "seed": seed, "code": code, "backend": backend.fingerprint()}
    mark = fingerprint(
        causes
        | {
            "settings": how.plain(),
            "requests": requests,
            "crops": {
                patient: volumes.digest(patient, how.picture.sequences)
                for patient in dict.fromkeys(request.patient for request in requests)
            },
        }
    )
    rows, timing = Partial(out_jsonl, mark), Partial(timing_csv, mark)
    size = how.batch_size
    done = rows.resume(size)
    _resume_timing(timing, done // size)
    asked = 0
    if done < len(requests):
        store = _store(kept, causes, how, about(base, adapter, asking, how, task))
        with tqdm(total=len(requests), initial=done, desc=Path(out_jsonl).stem, unit="slice", mininterval=10) as bar:
            for start in range(done, len(requests), size):
                batch = requests[start : start + size]
                shown = volumes.pictures(batch, how.side, how.frame, how.picture)
                answers, new = _known_or_asked(backend, store, batch, shown, asking, how, seed)
                asked += new
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


def _known_or_asked(
    backend: Backend,
    store: Store,
    batch: Sequence[Request],
    shown: Sequence[Pictures],
    prompt: Prompt,
    how: Responses,
    seed: int,
) -> tuple[list[dict], int]:
    """The answers to a batch, and how many were asked because the store did not know them."""
    clock = time.perf_counter()
    keys = [key_of(request, pictures, how) for request, pictures in zip(batch, shown, strict=True)]
    new = {key: row for row, key in enumerate(keys) if key not in store.known}
    if new:
        backend.load()
        chosen = list(new.values())
        found = answer(backend, [batch[i] for i in chosen], [shown[i] for i in chosen], prompt, how, seed)
        cost = round((time.perf_counter() - clock) / len(new), 4)
        store.add({key: {**_own(row), "seconds": cost} for key, row in zip(new, found, strict=True)})
    return [store.known[key] for key in keys], len(new)


def _store(kept: str | Path | None, causes: Mapping, how: Responses, said: Mapping) -> Store:
    """The answers of these causes. Batches are no cause, nor is the seed of greedy answers."""
    seed = causes["seed"] if how.temperature else None
    return Store(kept, {**causes, "seed": seed, "settings": said["settings"]}, said, (*ANSWER, "seconds"))


def words(prompt: Prompt) -> dict:
    """What a prompt determines of an answer besides its order, which is a setting."""
    examples = [[digest(each.pictures), each.reply] for each in prompt.examples]
    return {"text": prompt.text, "system": prompt.system, "examples": examples}


def about(base: Mapping, adapter: str | Path | None, prompt: Prompt, how: Responses, task: str = "") -> dict:
    """What the answer store says of these answers to people."""
    settings = {key: value for key, value in how.plain().items() if key not in ("batch_size", "side", "frame")}
    named = adapter and "/".join(Path(adapter).parts[-2:])
    asked = {"prompt": prompt.text, "system": prompt.system, "examples": len(prompt.examples)}
    return {"model": base["name"], "adapter": named, "task": task, **asked, "settings": settings}


def key_of(request: Request, pictures: Pictures, how: Responses) -> str:
    """What determines an answer within its context: the pictures, and the row's name where tokens are drawn."""
    return digest(pictures) + (f" {request.name}" if how.temperature else "")


def _own(row: Mapping) -> dict:
    """An answer without the question that it was given to."""
    return {key: value for key, value in row.items() if key not in Request._fields}


def _line(request: Request, answer: Mapping) -> str:
    """A row of the responses."""
    return json.dumps({**request._asdict(), **{key: answer[key] for key in ANSWER}})


def answer(
    backend: Backend,
    requests: Sequence[Request],
    slices: Sequence[Pictures],
    prompt: Prompt,
    settings: Responses,
    seed: int,
) -> list[dict]:
    """One response row per request, in order: the request, text, finish, tokens, logprobs of the choices."""
    choices = Choices(settings.forced_start or "", settings.choices) if settings.choices else None
    answers: list[Answer] = []
    if not settings.choices_only:
        how = (settings.max_new_tokens, settings.temperature, settings.top_p, settings.min_p, seed, settings.legal)
        answers = backend.answer(
            prompt, slices, [request.name for request in requests], Decoding(*how, choices, settings.stop)
        )
    logprobs: list[dict[str, float] | None] = [None] * len(requests)
    if choices:
        found = backend.logprobs(prompt, slices, choices)
        if settings.choices_only:
            answers = [Answer(choices.forced_start + choices.options[int(row.argmax())], "stop", 0) for row in found]
        rows = [] if found is None else found.round(DECIMALS)
        for number, row in enumerate(rows):
            if not np.isnan(row).any():
                logprobs[number] = dict(zip(settings.choices, row.tolist(), strict=True))
    return [
        {**request._asdict(), **each._asdict(), "logprobs": known}
        for request, each, known in zip(requests, answers, logprobs, strict=True)
    ]


def _resume_timing(timing: Partial, batches: int) -> None:
    """Keep the header and the times of the batches that are kept."""
    lines = timing.resume(1)
    if not lines:
        timing.append([TIMING_COLUMNS])
    else:
        kept = timing.file.read_text().splitlines()[: batches + 1]
        timing.file.write_text("\n".join(kept) + "\n")
