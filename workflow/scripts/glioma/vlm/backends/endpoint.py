"""A model behind an OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, `transformers serve`, or a hosted one.

A question is a chat completion with the picture as PNG in a data URL. The server's own chat template writes it. What
determines an answer is what the server says it is: its address and the model's name stand for its weights, and an
answer that is drawn depends on the server's random numbers, which `seed` fixes on most of them. Greedy answers in full
precision equal those of the local backend.

The key comes from the environment and stands in no file, log or message.
"""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.base.uris import data_uri
from glioma.vlm.backends._backend import Answer, Backend, Choices, Decoding, Prompt
from glioma.vlm.pictures import Pictures
from glioma.vlm.settings import Endpoint as Settings

MILLION = 1e6
LEAST = -100.0
"""Logarithm of the probability of a choice that is not even among the likeliest tokens that a server names."""


class Endpoint(Backend):
    """A client of one server, with several requests under way at a time."""

    def __init__(self, base: Mapping, adapter: str | Path | None = None) -> None:
        super().__init__(base, adapter)
        if adapter is not None:
            raise UserError(
                f"model {base['name']}: an endpoint answers without an adapter of ours; take the adapter out"
            )
        self.how = Settings.read(base["endpoint"])
        self.client: Any = None
        self.pace = _Pace(self.how.requests_per_minute)
        self.spent = 0.0
        # Of the last batch: logarithms of probabilities come with the answers, see `logprobs`.
        self.likely: dict[int, tuple[Pictures, list]] = {}

    def fingerprint(self) -> dict[str, str]:
        """The server, the model's name and revision there, and the kind of server."""
        named = {"url": self.how.url, "model": self.base["source"], "server": self.how.server}
        return {"backend": "endpoint", **named, "revision": str(self.base.get("revision"))}

    def load(self) -> None:
        if self.client is not None:
            return
        from openai import OpenAI

        key = os.environ.get(self.how.key) if self.how.key else None
        if self.how.key and not key:
            raise UserError(f"model {self.base['name']}: the environment has no {self.how.key}; export it with the key")
        self.client = OpenAI(
            base_url=self.how.url,
            api_key=key or "none",
            timeout=self.how.timeout,
            # Waits twice as long each time, and as long as the server says (Retry-After).
            max_retries=self.how.retries,
        )

    def answer(
        self, prompt: Prompt, slices: Sequence[Pictures], names: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        with ThreadPoolExecutor(self.how.concurrency) as pool:
            under_way = [
                pool.submit(self._ask, prompt, pictures, name, decoding)
                for pictures, name in zip(slices, names, strict=True)
            ]
            try:
                found = [each.result() for each in under_way]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self.likely = {id(pictures): (pictures, likely) for pictures, (_, likely) in zip(slices, found, strict=True)}
        return [answer for answer, _ in found]

    def logprobs(self, prompt: Prompt, slices: Sequence[Pictures], choices: Choices) -> np.ndarray | None:
        """As those of every backend, from the answers just given: at the first token that is a choice.

        No server is made to begin an answer, so that a row whose answer names no choice has NaN. None where the server
        offers none (`endpoint.logprobs`).
        """
        if not self.how.logprobs:
            return None
        rows = [_of_choices(self.likely[id(pictures)][1], choices.options) for pictures in slices]
        return np.array(rows, float)

    def _ask(self, prompt: Prompt, pictures: Pictures, name: str, decoding: Decoding) -> tuple[Answer, list]:
        from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

        self.pace.wait()
        try:
            reply = self.client.chat.completions.create(**self._request(prompt, pictures, name, decoding))
        except APITimeoutError:
            raise self._fault(f"no answer within {self.how.timeout:g} s; raise endpoint.timeout") from None
        except APIConnectionError:
            raise self._fault("cannot be reached; start the server, or mend endpoint.url") from None
        except APIStatusError as error:
            raise self._fault(_remedy(error.status_code, error.message, self.how)) from None
        except (OpenAIError, ValueError) as error:
            raise self._fault(
                f"answers what is no chat completion ({type(error).__name__}); mend endpoint.url"
            ) from None
        self._pay(reply.usage)
        try:
            choice = reply.choices[0]
            text, tokens = choice.message.content or "", reply.usage.completion_tokens
        except (AttributeError, IndexError, TypeError):
            raise self._fault("answers what is no chat completion; mend endpoint.url") from None
        likely = choice.logprobs.content if self.how.logprobs and choice.logprobs else []
        return Answer(text, "length" if choice.finish_reason == "length" else "stop", tokens), likely or []

    def _request(self, prompt: Prompt, pictures: Pictures, name: str, decoding: Decoding) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "model": self.base["source"],
            "messages": _with_pictures(prompt.messages(len(pictures)), prompt.row(pictures)),
            "max_tokens": decoding.max_new_tokens,
            "temperature": float(decoding.temperature),
        }
        more: dict[str, Any] = {}
        if decoding.temperature:
            # A row's own, so that it does not depend on the rows beside it.
            asked |= {"top_p": decoding.top_p, "seed": seeds.integer(decoding.seed, name) % 2**31}
            more |= {"min_p": decoding.min_p} if decoding.min_p else {}
        if decoding.legal is not None:
            key = {"vllm": "structured_outputs", "sglang": "regex"}[self.how.server]
            more[key] = {"regex": decoding.legal} if self.how.server == "vllm" else decoding.legal
        if decoding.stop:
            asked |= {"stop": list(decoding.stop)}
            more |= {"vllm": {"include_stop_str_in_output": True}, "sglang": {"no_stop_trim": True}}[self.how.server]
        if self.how.logprobs:
            asked |= {"logprobs": True, "top_logprobs": 20}
        if arguments := self.base.get("chat", {}).get("arguments"):
            more["chat_template_kwargs"] = dict(arguments)
        return asked | ({"extra_body": more} if more else {})

    def _pay(self, usage: Any) -> None:
        """Count what an answer cost; `UserError` once the job has spent what it may."""
        if self.how.spending is None or usage is None:
            return
        prices = self.how.spending
        self.spent += (usage.prompt_tokens * prices.input + usage.completion_tokens * prices.output) / MILLION
        if self.spent > prices.limit:
            raise self._fault(
                f"has cost {self.spent:.2f} in this job, more than endpoint.spending.limit {prices.limit:g}; raise it "
                "and run again: what was answered is kept"
            )

    def _fault(self, what: str) -> UserError:
        return UserError(f"model {self.base['name']}: {self.how.url} {what}")


def _with_pictures(messages: Sequence[dict], pictures: Pictures) -> list[dict]:
    """Messages with the pictures where their places are."""
    left = iter(pictures)

    def filled(part: dict) -> dict:
        if part["type"] != "image":
            return part
        return {"type": "image_url", "image_url": {"url": data_uri(next(left), "png")}}

    return [{**turn, "content": [filled(part) for part in turn["content"]]} for turn in messages]


class _Pace:
    """So many requests a minute at most, evenly spread."""

    def __init__(self, per_minute: float | None) -> None:
        self.gap = 60.0 / per_minute if per_minute else 0.0
        self.next = 0.0
        self.lock = threading.Lock()

    def wait(self) -> None:
        with self.lock:
            now = time.monotonic()
            start = max(now, self.next)
            self.next = start + self.gap
        time.sleep(start - now)


def _of_choices(likely: Sequence[Any], choices: Sequence[str]) -> list[float]:
    """Logarithms of the choices' probabilities at the first token that is one; NaN where none is."""
    for token in likely:
        if token.token.strip() in choices:
            named = {each.token.strip(): each.logprob for each in reversed(token.top_logprobs)}
            found = np.array([named.get(choice, LEAST) for choice in choices])
            return (found - np.logaddexp.reduce(found)).tolist()
    return [float("nan")] * len(choices)


def _remedy(status: int, message: str, how: Settings) -> str:
    """What a status of HTTP says, with what helps. The server's own words may hold the key, and are left out then."""
    secret = os.environ.get(how.key) if how.key else None
    said = " ".join(message.split())[:160]
    said = "" if secret and secret in said else f" ({said})"
    if status in (401, 403):
        return f"refuses the key{said}; set the environment variable {how.key or 'that endpoint.key names'}"
    if status == 404:
        return f"has no such model or path{said}; mend the model's source or endpoint.url"
    if status == 429:
        return (
            f"still wants fewer requests after {how.retries} retries{said}; lower endpoint.concurrency or set "
            "endpoint.requests_per_minute"
        )
    if status >= 500:
        return f"fails with status {status} after {how.retries} retries{said}; look at the server, then run again"
    return f"refuses the question with status {status}{said}"


BACKEND = Endpoint
