"""What a model answers about requested slices: in order, in batches, and taken up again where a killed job left off.

How a model is run is its backend's; here neither PyTorch nor transformers is needed. Answers depend neither on the
size of batches nor on shards, as far as the backend keeps its word.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from glioma.base.partial import Partial, fingerprint
from glioma.vlm import backends
from glioma.vlm.backends import Backend, Decoding, Prompt
from glioma.vlm.images import Crops
from glioma.vlm.requests import Request
from glioma.vlm.settings import Responses

TIMING_COLUMNS = "batch,rows,tokens,seconds"
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
) -> int:
    """Write a model's answers to `requests`, a JSON line each, and the seconds each batch took; return their number.

    `base` is a model entry, `adapter` a PEFT folder or None, `settings` those of `Responses`. A killed job leaves
    `<name>.partial.jsonl`, from which the next one goes on at the last whole batch if nothing it depends on changed,
    the digest of the `code` that answers included.
    """
    how = Responses.read(settings)
    volumes = Crops(crops)
    backend = backends.build(base, adapter)
    mark = fingerprint(
        {
            "prompt": prompt,
            "settings": how.plain(),
            "seed": seed,
            "code": code,
            "backend": backend.fingerprint(),
            "requests": requests,
            "crops": {patient: volumes.digest(patient) for patient in dict.fromkeys(r.patient for r in requests)},
        }
    )
    rows, timing = Partial(out_jsonl, mark), Partial(timing_csv, mark)
    size = how.batch_size
    done = rows.resume(size)
    _resume_timing(timing, done // size)
    if done < len(requests):
        backend.load()
        with tqdm(total=len(requests), initial=done, desc=Path(out_jsonl).stem, unit="slice", mininterval=10) as bar:
            for start in range(done, len(requests), size):
                batch = requests[start : start + size]
                clock = time.perf_counter()
                images = volumes.images(batch, how.side, how.frame)
                answers = answer(backend, batch, images, prompt, how, seed)
                seconds = time.perf_counter() - clock
                rows.append([json.dumps(row) for row in answers])
                tokens = sum(row["tokens"] for row in answers)
                timing.append([f"{start // size},{len(batch)},{tokens},{seconds:.3f}"])
                bar.update(len(batch))
    timing.finish()
    rows.finish()
    return len(requests)


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
        found = backend.logprobs(question, images, settings.forced_start or "", settings.choices).round(DECIMALS)
        logprobs = [dict(zip(settings.choices, row, strict=True)) for row in found.tolist()]
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
