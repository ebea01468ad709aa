"""Models that vLLM runs in the process of a job: slices join and leave its batch as their answers begin and end.

Needs the environment of `envs/vllm.yaml`. Questions are the tokens that every other backend asks, and it is an error if
vLLM makes others of them; greedy answers in full precision equal those of transformers. What is drawn depends on the
seed and a row's name alone, but vLLM draws other random numbers. Questions that begin alike share what was computed,
which makes choices cheap.

An adapter is merged into a copy of the weights, in a temporary folder: vLLM's own LoRA leaves out layers of the vision
part that adapters here have.
"""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.vlm import models, processors
from glioma.vlm.backends._backend import Answer, Backend, Choices, Decoding, Prompt
from glioma.vlm.backends._replies import begin, candidates, split, until
from glioma.vlm.encode import Question, Sizes, alike
from glioma.vlm.pictures import Pictures

# No word to its makers about who runs what; no process besides this one, for a second would run the job's script anew.
ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "WARNING",
}
WEIGHTS = ("*.safetensors*", "*.bin*", "*.pth", "original", ".cache")
ELSEWHERE = "; set backend: transformers"


class Vllm(Backend):
    """A model on one device, loaded when it is first asked, for as many pictures as a question then has."""

    def __init__(self, base: Mapping, adapter: str | Path | None = None) -> None:
        super().__init__(base, adapter)
        self.processor: Any = None
        self.ends: set[int] = set()
        self.engine: Any = None
        self.pictures = 0
        self.merged: tempfile.TemporaryDirectory | None = None
        self.questions: dict[tuple[Prompt, Sizes], Question] = {}

    def fingerprint(self) -> dict[str, str]:
        """The precision here, a digest of every file, and the versions of libraries."""
        names = {"torch", "transformers", *packages_distributions().get("vllm", [])}
        known = {f"version/{name}": version(name) for name in sorted(names)}
        known |= {"backend": "vllm", "precision": str(models.precision(self.base))}
        return known | models.fingerprint(self.base, self.adapter)

    def load(self) -> None:
        if self.processor is not None:
            return
        if find_spec("vllm") is None:
            raise UserError(
                f"model {self.base['name']}: backend vllm needs vLLM, which has an environment of its own; run "
                "snakemake with --sdm conda, or set backend: transformers"
            )
        if torch.cuda.device_count() > 1:
            raise UserError(
                f"model {self.base['name']}: backend vllm uses one GPU a job here; set gpus_per_job: 1, or serve the "
                "model with vLLM and set backend: endpoint"
            )
        models.check_weights(self.base)
        processor = processors.load(self.base)
        processors.prepare(processor, self.base)
        self.ends = models.end_tokens(_generation_config(models.folder(self.base)), processor)
        self.processor = processor

    def close(self) -> None:
        """Give the model's memory back: there is one of vLLM's in a process at a time."""
        if self.engine is None:
            return
        self.engine.llm_engine.engine_core.shutdown()
        self.engine = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def answer(
        self, prompt: Prompt, slices: Sequence[Pictures], names: Sequence[str], decoding: Decoding
    ) -> list[Answer]:
        answers: dict[int, Answer] = {}
        for question, rows in self._alike(prompt, slices):
            begun, legal = ([], None) if decoding.legal is None else begin(question, decoding.legal)
            asked = [self._asked(question, prompt.row(slices[row]), begun) for row in rows]
            found = self._generate(asked, [self._params(decoding, names[row], legal) for row in rows])
            for row, output in zip(rows, found, strict=True):
                answers[row] = self._answer(question, output.outputs[0], decoding.stop)
        return [answers[row] for row in range(len(slices))]

    def logprobs(self, prompt: Prompt, slices: Sequence[Pictures], choices: Choices) -> np.ndarray:
        """As those of every backend: by the next token, or where choices are several tokens, by all of theirs."""
        found = np.empty((len(slices), len(choices.options)))
        for question, rows in self._alike(prompt, slices):
            tokens = candidates(question, choices)
            shared, last = split(tokens)
            shown = [prompt.row(slices[row]) for row in rows]
            if last is not None:
                found[rows] = self._next(question, shown, shared, last)
            else:
                found[rows] = np.stack([self._whole(question, shown, each, len(shared)) for each in tokens], axis=1)
        return found - np.logaddexp.reduce(found, axis=1, keepdims=True)

    def _alike(self, prompt: Prompt, slices: Sequence[Pictures]) -> Iterator[tuple[Question, list[int]]]:
        """Question and row numbers of pictures of the same sizes."""
        for shape, rows in alike([prompt.row(pictures) for pictures in slices]):
            if (prompt, shape) not in self.questions:
                messages = prompt.messages(len(slices[rows[0]]))
                self._start(len(shape))
                self.questions[prompt, shape] = question = Question(self.processor, messages, shape)
                self._check(question, prompt.row(slices[rows[0]]))
            yield self.questions[prompt, shape], rows

    def _start(self, pictures: int) -> None:
        """Load the model for questions with so many pictures, unless it is."""
        if self.engine is not None and pictures <= self.pictures:
            return
        self.load()
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from vllm import LLM

        self.close()
        self.pictures = pictures
        try:
            self.engine = LLM(
                str(self._folder()),
                dtype=str(models.precision(self.base)).removeprefix("torch."),
                max_model_len=-1,  # as long as its memory allows
                limit_mm_per_prompt={"image": pictures},
                mm_processor_kwargs=dict(self.base.get("processor", {})) or None,
                structured_outputs_config={"backend": "guidance"},  # that of `vlm.constraint`
                generation_config="vllm",  # none of the model's own settings of decoding
                trust_remote_code=False,
                enforce_eager=not torch.cuda.is_available(),
                disable_log_stats=True,
                seed=0,
            )
        # A model's files are foreign, and vLLM raises what it pleases over them.
        except Exception as error:
            raise self._fault(f"cannot load it ({processors.reason(error)})") from error

    def _folder(self) -> Path:
        """The folder of the weights that answer: the model's, or a copy with the adapter merged into it."""
        plain = models.folder(self.base)
        if self.adapter is None:
            return plain
        if self.merged is None:
            self.merged = tempfile.TemporaryDirectory(prefix="merged-")
            model = AutoModelForImageTextToText.from_pretrained(
                plain, dtype=models.precision(self.base), use_safetensors=True, trust_remote_code=False
            )
            shutil.copytree(plain, self.merged.name, ignore=shutil.ignore_patterns(*WEIGHTS), dirs_exist_ok=True)
            models.adapted(model, self.adapter).merge_and_unload().save_pretrained(self.merged.name)
        return Path(self.merged.name)

    def _asked(self, question: Question, shown: Pictures, suffix: Sequence[int]) -> dict:
        """A prompt of vLLM: the text's own tokens, one for each picture; vLLM puts in what it stands for."""
        return {"prompt_token_ids": [*question.written, *suffix], "multi_modal_data": {"image": list(shown)}}

    def _check(self, question: Question, shown: Pictures) -> None:
        """`UserError` if vLLM makes other tokens of a question than those of training and of other backends."""
        from vllm import SamplingParams

        (output,) = self._generate([self._asked(question, shown, [])], [SamplingParams(max_tokens=1)])
        ours, theirs = question.text["input_ids"][0].tolist(), list(output.prompt_token_ids)
        if ours != theirs:
            raise self._fault(f"makes {len(theirs)} tokens of a question of {len(ours)}, or others of as many")

    def _generate(self, asked: Sequence[dict], how: Sequence[Any]) -> list[Any]:
        try:
            return self.engine.generate(list(asked), list(how), use_tqdm=False)
        except ValueError as error:  # such as a question that is longer than memory allows
            raise self._fault(f"refuses a question ({processors.reason(error)})") from error

    def _params(self, decoding: Decoding, name: str, legal: str | None) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        drawn: dict[str, Any] = {"temperature": float(decoding.temperature)}
        if decoding.temperature:
            drawn |= {"top_p": decoding.top_p, "min_p": decoding.min_p}
            drawn |= {"seed": seeds.integer(decoding.seed, name) % 2**31}
        return SamplingParams(
            max_tokens=decoding.max_new_tokens,
            stop_token_ids=sorted(self.ends),
            stop=list(decoding.stop) or None,
            structured_outputs=None if legal is None else StructuredOutputsParams(regex=legal),
            **drawn,
        )

    def _answer(self, question: Question, output: Any, stop: Sequence[str]) -> Answer:
        tokens = list(output.token_ids)
        text = self.processor.tokenizer.decode(tokens, skip_special_tokens=True).removeprefix(question.turn.lead)
        whole = until(text, stop)
        return Answer(text if whole is None else whole, output.finish_reason, len(tokens))

    def _next(
        self, question: Question, shown: Sequence[Pictures], before: Sequence[int], options: Sequence[int]
    ) -> np.ndarray:
        """Log-probabilities (rows, options) of the next token after a question and the tokens `before`."""
        from vllm import SamplingParams

        how = SamplingParams(max_tokens=1, temperature=0.0, logprob_token_ids=list(options))
        found = self._generate([self._asked(question, each, before) for each in shown], [how] * len(shown))
        return np.array([[output.outputs[0].logprobs[0][each].logprob for each in options] for output in found])

    def _whole(self, question: Question, shown: Sequence[Pictures], candidate: Sequence[int], known: int) -> np.ndarray:
        """Log-probability (rows,) of a candidate's tokens from number `known` on, given those before."""
        from vllm import SamplingParams

        how = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0)
        found = self._generate([self._asked(question, each, candidate) for each in shown], [how] * len(shown))
        rest = candidate[known:]
        of_rest = [zip(rest, output.prompt_logprobs[-len(rest) :], strict=True) for output in found]
        return np.array([sum(place[token].logprob for token, place in each) for each in of_rest])

    def _fault(self, what: str) -> UserError:
        return UserError(f"model {self.base['name']}: vLLM {what}{ELSEWHERE}")


def _generation_config(folder: Path) -> GenerationConfig:
    try:
        return GenerationConfig.from_pretrained(folder)
    except OSError:
        return GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))


BACKEND = Vllm
