"""Models of Hugging Face transformers, in this process, adapted by PEFT.

On a CPU an answer has the same bytes in batches of any size. On a GPU kernels differ with the number of rows, and a
bfloat16 logit may round otherwise: the draws are the same, but where two tokens are all but equally likely, the other
one may win.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteriaList,
    StopStringCriteria,
)

from glioma.vlm import models, sampling
from glioma.vlm.backends._backend import Answer, Backend, Choices, Decoding, Prompt
from glioma.vlm.backends._prefill import Prefill, once_each
from glioma.vlm.backends._replies import begin, candidates, split, until
from glioma.vlm.encode import Features, Question, Sizes, alike, extend, image_features, sizes
from glioma.vlm.pictures import Pictures

# BLAS multiplies a few rows by other routines than many: on a CPU the logits of batches of one and two rows differed by
# 4e-6 from those of 4 to 32, which were equal. That is now and then the last decimal of a log-probability.
MINIMUM_ROWS = 4
VERSIONS = ("torch", "transformers", "peft")


class Transformers(Backend):
    """A model and its processor, from their folder or, while it is trained, as they are."""

    shares_prefill = True
    """Whether one pass over image and prompt is enough for several answers to them, and for the choices."""

    def __init__(self, base: Mapping, adapter: str | Path | None = None) -> None:
        super().__init__(base, adapter)
        self.model: Any = None
        self.processor: Any = None
        self.grammar: Any = None
        self.questions: dict[tuple[Prompt, Sizes], Question] = {}
        # The last batch, because its choices are scored after it was answered. With the pictures, so that no others can
        # have the id of one of them.
        self.features: dict[tuple[Prompt, int], tuple[Pictures, Features]] = {}
        # Of the same pictures: the choices that were scored while they were answered.
        self.scored: tuple[Choices | None, dict[tuple[Prompt, int], np.ndarray]] = (None, {})

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
        self, prompt: Prompt, slices: Sequence[Pictures], names: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        answers: dict[int, Answer] = {}
        scored: dict[tuple[Prompt, int], np.ndarray] = {}
        for question, rows, features in self._batches(prompt, slices):
            own = [names[row] for row in rows]
            own += own[-1:] * (len(features) - len(own))
            found, scores = self._generate(question, features, own, decoding)
            answers |= zip(rows, found, strict=False)
            if scores is not None:
                scored |= zip(((prompt, id(slices[row])) for row in rows), _normalised(scores), strict=False)
        self.scored = decoding.choices, scored
        return [answers[row] for row in range(len(slices))]

    @torch.no_grad()
    def logprobs(self, prompt: Prompt, slices: Sequence[Pictures], choices: Choices) -> np.ndarray:
        """As those of every backend.

        Teacher forcing: the tokens all choices share are forced, and one pass scores what follows where each choice
        is one more token. Where a tokenizer splits choices otherwise, each is scored in a pass of its own.
        """
        asked, known = self.scored
        keys = [(prompt, id(pictures)) for pictures in slices]
        if asked == choices and known.keys() >= set(keys):
            return np.stack([known[key] for key in keys])
        found = np.empty((len(slices), len(choices.options)))
        for question, rows, features in self._batches(prompt, slices):
            found[rows] = _normalised(self._scores(question, features, candidates(question, choices)))[: len(rows)]
        return found

    def _batches(
        self, prompt: Prompt, slices: Sequence[Pictures]
    ) -> Iterator[tuple[Question, list[int], list[Features]]]:
        """Question, row numbers and features of pictures of the same sizes, which are answered together, unpadded.

        Features of fewer rows than `MINIMUM_ROWS` are filled up with repeats of the last one, to be dropped.
        """
        self._see(prompt, slices)
        for shape, rows in alike(slices):
            features = [self.features[prompt, id(slices[row])][1] for row in rows]
            if (prompt, shape) not in self.questions:
                of_all = sizes(prompt.row(slices[rows[0]]))
                self.questions[prompt, shape] = Question(self.processor, prompt.messages(len(shape)), of_all)
            yield self.questions[prompt, shape], rows, features + features[-1:] * (MINIMUM_ROWS - len(features))

    def _see(self, prompt: Prompt, slices: Sequence[Pictures]) -> None:
        """Preprocess pictures, each object once, unless they are those of the last time."""
        unique = {(prompt, id(pictures)): pictures for pictures in slices}
        if unique.keys() <= self.features.keys():
            return
        self.features, self.scored = {}, (None, {})
        for shape in dict.fromkeys(map(sizes, slices)):
            alike = {key: pictures for key, pictures in unique.items() if sizes(pictures) == shape}
            made = image_features(self.processor, [prompt.row(pictures) for pictures in alike.values()])
            self.features |= zip(alike, zip(alike.values(), made, strict=True), strict=True)

    def _generate(
        self, question: Question, features: Sequence[Features], names: Sequence[str], decoding: Decoding
    ) -> tuple[list[Answer], torch.Tensor | None]:
        """Answers, and scores of the choices (rows, options) where they were found on the way."""
        ends = models.end_tokens(self.model.generation_config, self.processor)
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=decoding.max_new_tokens,
            eos_token_id=sorted(ends),
            pad_token_id=self.processor.tokenizer.pad_token_id,
            use_cache=True,  # training with gradient checkpointing turns the model's own default off
        )
        begun, legal = self._constraint(question, len(features), decoding.legal, ends)
        asked = question.length + len(begun)
        choosing = sampling.processors(decoding, names, asked, legal)
        prefill = self._prefill(question, begun, decoding.choices)
        with self._once_each(question, features):
            output = self.model.generate(
                **question.batch(features, begun, self.model),
                **({} if prefill is None else {"past_key_values": prefill.cache}),
                generation_config=config,
                logits_processor=choosing if prefill is None else LogitsProcessorList([prefill, *choosing]),
                stopping_criteria=self._stopping(decoding.stop),
            )
        answers = []
        for tokens in output[:, asked:].tolist():
            length = next((n for n, token in enumerate(tokens, start=1) if token in ends), None)
            text = self.processor.tokenizer.decode(tokens[:length], skip_special_tokens=True)
            text = text.removeprefix(question.turn.lead)
            if (whole := until(text, decoding.stop)) is not None:
                # Of a row that ended before others the rest is padding, which may be an end token, or none.
                padding = self.processor.tokenizer.pad_token_id
                text, length = whole, sum(token != padding and token not in ends for token in tokens)
            answers.append(Answer(text, "stop" if length else "length", len(tokens[:length])))
        return answers, None if prefill is None else self._after(prefill, question)

    def _stopping(self, stop: Sequence[str]) -> StoppingCriteriaList:
        """What ends a row, each by itself, whatever the rows beside it do."""
        if not stop:
            return StoppingCriteriaList()
        return StoppingCriteriaList([StopStringCriteria(self.processor.tokenizer, list(stop))])

    def _prefill(self, question: Question, begun: Sequence[int], choices: Choices | None) -> "Prefill | None":
        """What keeps the pass over a question for its choices; None where it is of no use to them."""
        if choices is None or not self.shares_prefill:
            return None
        shared, last = split(candidates(question, choices))
        if last is None or shared[: len(begun)] != begun:
            return None
        return Prefill(self.model, shared[len(begun) :], last)

    def _after(self, prefill: "Prefill", question: Question) -> torch.Tensor:
        """Scores (rows, options) of choices, from the pass over their question."""
        logits = prefill.logits
        if prefill.forced:
            # No attention mask: nothing is padded, and some classes count positions from the whole mask. What a class
            # wants of the rest differs between releases, and is its own to say.
            whole = {
                name: value.expand(len(logits), *value.shape[1:]).to(self.model.device)
                for name, value in extend(question.text, prefill.forced).items()
                if name in ("input_ids", "cross_attention_mask")
            }
            inputs = self._bare().prepare_inputs_for_generation(
                **whole,
                next_sequence_length=len(prefill.forced),
                past_key_values=prefill.kept,
                use_cache=True,
                logits_to_keep=1,
                is_first_iteration=False,
            )
            logits = self._bare()(**inputs).logits[:, -1]
        return logits.float()[:, prefill.last]

    def _bare(self) -> Any:
        """The model within that of PEFT, which one without an adapter is not."""
        return getattr(self.model, "get_base_model", lambda: self.model)()

    def _once_each(self, question: Question, features: Sequence[Features]) -> AbstractContextManager:
        """Within, slices that are asked about several times are passed over once."""
        if not self.shares_prefill:
            return nullcontext()
        slices = [id(each) for each in features]
        unique = list(dict.fromkeys(slices))
        rows, place = [slices.index(each) for each in unique], [unique.index(each) for each in slices]
        rows += rows[-1:] * (MINIMUM_ROWS - len(rows))
        return once_each(self._bare(), rows, place, question.image_names)

    def _constraint(
        self, question: Question, rows: int, pattern: str | None, ends: set[int]
    ) -> tuple[list[int], LogitsProcessor | None]:
        """Tokens that begin every answer, and what keeps the rest of it to a pattern."""
        if pattern is None:
            return [], None
        if self.grammar is None:
            from glioma.vlm.constraint import Grammar

            self.grammar = Grammar(self.processor.tokenizer, self.model.get_output_embeddings().out_features, ends)
        begun, rest = begin(question, pattern)
        return begun, self.grammar.legal(rest, rows, question.length + len(begun))

    def _scores(
        self, question: Question, features: Sequence[Features], tokens: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """Scores (rows, candidates) that are log-probabilities but for a constant of each row."""
        shared, last = split(tokens)
        if last is not None:
            return self._logits(question, features, shared, 1)[:, 0][:, last]
        return torch.stack([self._score(question, features, candidate, len(shared)) for candidate in tokens], dim=1)

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


def _normalised(scores: torch.Tensor) -> np.ndarray:
    """Natural log-probabilities over the options, (rows, options)."""
    return scores.double().log_softmax(dim=1).cpu().numpy()


BACKEND = Transformers
