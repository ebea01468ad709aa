"""How the next token is chosen: greedily, or at random but the same whatever the batch, the shard or the device."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from glioma.base import seeds
from glioma.vlm.backends import Decoding


class GumbelNoise(LogitsProcessor):
    """Adds Gumbel noise to the logits, so that their argmax is a draw from their softmax.

    The Gumbel-max trick (Gumbel 1954; Maddison, Tarlow and Minka 2014, "A* sampling"). Every row's noise comes from a
    generator keyed by the seed, the row's own name and the step: `torch.multinomial` would draw the rows of a batch
    from one stream, and a row's answer would depend on its company.
    """

    def __init__(self, seed: int, names: Sequence[str], question_length: int) -> None:
        self.seed = seed
        self.names = names
        self.question_length = question_length

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Logits (rows, vocabulary) of the next token after `input_ids` (rows, tokens), with noise."""
        step = input_ids.shape[1] - self.question_length
        uniform = np.stack(
            [seeds.generator(self.seed, name, step).random(scores.shape[1], np.float32) for name in self.names]
        )
        uniform = torch.from_numpy(uniform).clamp_min(torch.finfo(torch.float32).tiny)
        return scores + (-torch.log(-torch.log(uniform))).to(scores.device)


def processors(
    decoding: Decoding, names: Sequence[str], question_length: int, legal: LogitsProcessor | None = None
) -> LogitsProcessorList:
    """What is legal, temperature, top-p and min-p, as transformers orders them, then the noise; nothing but the first
    if greedy."""
    chain = LogitsProcessorList([] if legal is None else [legal])
    if not decoding.temperature:
        return chain
    chain.append(TemperatureLogitsWarper(float(decoding.temperature)))
    if decoding.top_p < 1:
        chain.append(TopPLogitsWarper(decoding.top_p))
    if decoding.min_p > 0:
        chain.append(MinPLogitsWarper(decoding.min_p))
    chain.append(GumbelNoise(decoding.seed, names, question_length))
    return chain
