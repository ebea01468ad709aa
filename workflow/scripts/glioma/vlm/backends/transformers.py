"""Models of Hugging Face transformers, in this process, adapted by PEFT.

On a CPU an answer has the same bytes in batches of any size. On a GPU kernels differ with the number of rows, and a
bfloat16 logit may round otherwise: the draws are the same, but where two tokens are all but equally likely, the other
one may win.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from transformers import GenerationConfig, LogitsProcessor

from glioma.vlm import models, sampling
from glioma.vlm.backends._backend import Answer, Backend, Decoding, Prompt
from glioma.vlm.encode import Features, Question, image_features

# BLAS multiplies a few rows by other routines than many: on a CPU the logits of batches of one and two rows differed by
# 4e-6 from those of 4 to 32, which were equal. That is now and then the last decimal of a log-probability.
MINIMUM_ROWS = 4
VERSIONS = ("torch", "transformers", "peft")


class Transformers(Backend):
    """A model and its processor, from their folder or, while it is trained, as they are."""

    def __init__(self, base: Mapping, adapter: str | Path | None = None) -> None:
        super().__init__(base, adapter)
        self.model: Any = None
        self.processor: Any = None
        self.grammar: Any = None
        self.questions: dict[tuple[Prompt, tuple[int, int]], Question] = {}
        # The last batch, because its choices are scored after it was answered. With the images, so that no other one
        # can have the id of one of them.
        self.features: dict[int, tuple[Image.Image, Features]] = {}

    @classmethod
    def live(cls, model, processor) -> Self:
        """A model in memory, such as one in training; it answers in evaluation mode and has no fingerprint."""
        backend = cls({})
        backend.model, backend.processor = model, processor
        return backend

    def load(self) -> None:
        if self.model is None:
            self.model, self.processor = models.load(self.base, self.adapter)

    def fingerprint(self) -> dict[str, str]:
        """The quantisation, the precision here, a digest of every file, and the versions of libraries."""
        known = {f"version/{name}": version(name) for name in VERSIONS}
        return known | {"precision": str(models.precision(self.base))} | models.fingerprint(self.base, self.adapter)

    # Not inference_mode: what a model caches there could not be trained with afterwards.
    @torch.no_grad()
    def answer(
        self, prompt: Prompt, images: Sequence[Image.Image], names: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        answers: dict[int, Answer] = {}
        for question, rows, features in self._batches(prompt, images):
            own = [names[row] for row in rows]
            own += own[-1:] * (len(features) - len(own))
            answers |= zip(rows, self._generate(question, features, own, decoding), strict=False)
        return [answers[row] for row in range(len(images))]

    @torch.no_grad()
    def logprobs(
        self, prompt: Prompt, images: Sequence[Image.Image], forced_start: str, choices: Sequence[str]
    ) -> np.ndarray:
        """As those of every backend.

        Teacher forcing: the tokens all choices share are forced, and one pass scores what follows where each choice
        is one more token. Where a tokenizer splits choices otherwise, each is scored in a pass of its own.
        """
        found = np.empty((len(images), len(choices)))
        for question, rows, features in self._batches(prompt, images):
            candidates = [question.reply(forced_start + choice) for choice in choices]
            scores = self._scores(question, features, candidates)
            found[rows] = scores.double().log_softmax(dim=1).cpu().numpy()[: len(rows)]
        return found

    def _batches(
        self, prompt: Prompt, images: Sequence[Image.Image]
    ) -> Iterator[tuple[Question, list[int], list[Features]]]:
        """Question, row numbers and features of images of one size, which are answered together, without padding.

        Features of fewer rows than `MINIMUM_ROWS` are filled up with repeats of the last one, to be dropped.
        """
        self._see(images)
        for size in dict.fromkeys(image.size for image in images):
            rows = [row for row, image in enumerate(images) if image.size == size]
            features = [self.features[id(images[row])][1] for row in rows]
            key = prompt, size
            if key not in self.questions:
                self.questions[key] = Question(self.processor, prompt.text, size, prompt.image_first)
            yield self.questions[key], rows, features + features[-1:] * (MINIMUM_ROWS - len(features))

    def _see(self, images: Sequence[Image.Image]) -> None:
        """Preprocess images, each object once, unless they are those of the last time."""
        unique = {id(image): image for image in images}
        if unique.keys() <= self.features.keys():
            return
        self.features = {}
        for size in dict.fromkeys(image.size for image in images):
            alike = {key: image for key, image in unique.items() if image.size == size}
            made = image_features(self.processor, list(alike.values()))
            self.features |= zip(alike, zip(alike.values(), made, strict=True), strict=True)

    def _generate(
        self, question: Question, features: Sequence[Features], names: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        ends = models.end_tokens(self.model, self.processor)
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=decoding.max_new_tokens,
            eos_token_id=sorted(ends),
            pad_token_id=self.processor.tokenizer.pad_token_id,
            use_cache=True,  # training with gradient checkpointing turns the model's own default off
        )
        begun, legal = self._constraint(question, len(features), decoding.legal, ends)
        asked = question.length + len(begun)
        output = self.model.generate(
            **question.batch(features, begun, self.model),
            generation_config=config,
            logits_processor=sampling.processors(decoding, names, asked, legal),
        )
        answers = []
        for tokens in output[:, asked:].tolist():
            length = next((n for n, token in enumerate(tokens, start=1) if token in ends), None)
            text = self.processor.tokenizer.decode(tokens[:length], skip_special_tokens=True)
            text = text.removeprefix(question.turn.lead)
            answers.append(Answer(text, "stop" if length else "length", len(tokens[:length])))
        return answers

    def _constraint(
        self, question: Question, rows: int, pattern: str | None, ends: set[int]
    ) -> tuple[list[int], LogitsProcessor | None]:
        """Tokens that begin every answer, and what keeps the rest of it to a pattern.

        What a template writes before an answer is no part of the pattern: a space may be chosen, the end of a block of
        thoughts is written.
        """
        if pattern is None:
            return [], None
        if self.grammar is None:
            from glioma.vlm.constraint import Grammar

            self.grammar = Grammar(self.processor.tokenizer, self.model.get_output_embeddings().out_features, ends)
        lead = question.turn.lead
        begun = question.reply("") if lead.strip() else []
        before = f"({lead})?" if lead and not begun else ""
        return begun, self.grammar.legal(f"{before}({pattern})", rows, question.length + len(begun))

    def _scores(
        self, question: Question, features: Sequence[Features], candidates: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """Scores (rows, candidates) that are log-probabilities but for a constant of each row."""
        shared = os.path.commonprefix(candidates)  # type: ignore[arg-type]
        rests = [candidate[len(shared) :] for candidate in candidates]
        if all(len(rest) == 1 for rest in rests):
            logits = self._logits(question, features, shared, 1)[:, 0]  # type: ignore[arg-type]
            return logits[:, [rest[0] for rest in rests]]
        return torch.stack([self._score(question, features, candidate, len(shared)) for candidate in candidates], dim=1)

    def _logits(
        self, question: Question, features: Sequence[Features], forced: Sequence[int], keep: int
    ) -> torch.Tensor:
        """Logits (rows, keep, vocabulary) at the last `keep` positions of question and forced tokens."""
        inputs = question.batch(features, forced, self.model)
        return self.model(**inputs, logits_to_keep=keep, use_cache=False).logits[:, -keep:].float()

    def _score(
        self, question: Question, features: Sequence[Features], candidate: Sequence[int], known: int
    ) -> torch.Tensor:
        """Log-probability (rows,) of a candidate's tokens from number `known` on, given those before."""
        rest = torch.tensor(candidate[known:], device=self.model.device)
        logits = self._logits(question, features, candidate, len(rest) + 1)[:, :-1].log_softmax(dim=-1)
        return logits.gather(2, rest.expand(len(features), -1)[..., None])[..., 0].sum(dim=1)


BACKEND = Transformers
