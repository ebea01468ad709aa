"""Decoding that allows legal answers alone: the tokens that cannot go on to one are never chosen.

The grammar engine is llguidance: a regular expression, matched over the tokenizer's own vocabulary.
"""

from collections.abc import Collection

import numpy as np
import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import LogitsProcessor, PreTrainedTokenizerFast


class Grammar:
    """Patterns over a tokenizer's vocabulary of `size` tokens; `ends` are the tokens that end an answer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, size: int, ends: Collection[int]) -> None:
        # More tokens than the model has scores for, such as an image's, are never legal.
        self.tokenizer = from_tokenizer(tokenizer, max(size, len(tokenizer)), sorted(ends))
        self.end = min(ends)

    def legal(self, pattern: str, rows: int, begun: int) -> LogitsProcessor:
        """What keeps so many rows to a pattern, from their token number `begun` on; for one call of `generate`."""
        return _Legal(self, pattern, rows, begun)


class _Legal(LogitsProcessor):
    def __init__(self, grammar: Grammar, pattern: str, rows: int, begun: int) -> None:
        compiled = LLMatcher.grammar_from_regex(pattern)
        first = LLMatcher(grammar.tokenizer, compiled)
        if first.is_error():
            raise ValueError(f"{pattern!r} is no pattern: {first.get_error()}")
        self.matchers = [first, *(first.deep_copy() for _ in range(rows - 1))]
        self.end = grammar.end
        self.seen = begun

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (rows, vocabulary) of the next token after `input_ids` (rows, tokens), -inf where it is illegal."""
        for matcher, tokens in zip(self.matchers, input_ids[:, self.seen :].tolist(), strict=True):
            for token in tokens:
                if not matcher.is_stopped():
                    matcher.consume_token(token)
        self.seen = input_ids.shape[1]
        legal = torch.from_numpy(np.stack([self._allowed(each, scores.shape[1]) for each in self.matchers]))
        return scores.masked_fill(~legal.to(scores.device), -torch.inf)

    def _allowed(self, matcher: LLMatcher, size: int) -> np.ndarray:
        if matcher.is_stopped():
            return np.arange(size) == self.end
        bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        return np.unpackbits(bits, bitorder="little")[:size].astype(bool)
