"""The pass over questions that answers begin with: kept for the choices, and made once for several answers to each."""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from transformers import DynamicCache, LogitsProcessor


class Prefill(LogitsProcessor):
    """Keeps the pass over a question, as it is before the first token of the answer adds to it.

    forced: the tokens that choices share; last: the one token of each that follows.
    """

    def __init__(self, model, forced: Sequence[int], last: Sequence[int]) -> None:
        self.cache = DynamicCache(config=model.config.get_text_config(decoder=True))
        self.forced, self.last = list(forced), list(last)
        self.kept: Any = None
        self.logits: Any = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Logits (rows, vocabulary) as they are."""
        if self.logits is None:
            self.logits = scores
            self.kept = copy.deepcopy(self.cache) if self.forced else None
        return scores


@contextmanager
def once_each(model: Any, rows: Sequence[int], place: Sequence[int], images: Collection[str]) -> Iterator[None]:
    """Within, the first pass of `model.generate` is over `rows` of the batch alone, as all others repeat one of them.

    place: for each row of the batch, where in `rows` that is which it repeats. What the pass leaves behind, logits and
    cache, has all rows again. images: the inputs of which a row has more than one entry, such as patches.
    """
    if len(rows) == len(place):
        yield
        return

    def chosen(inputs: Mapping) -> dict:
        return {name: _chosen(value, rows, len(place), name, name in images) for name, value in inputs.items()}

    def encode(**inputs):
        restore()
        return model.base_model.get_image_features(**chosen(inputs))

    def narrow(module, args, inputs: dict) -> tuple:
        before.remove()
        restore()
        return args, chosen(inputs)

    def widen(module, args, output):
        after.remove()
        index = torch.tensor(place, device=output.logits.device)
        output.logits = output.logits[index]
        output.past_key_values.reorder_cache(index)
        return output

    def restore() -> None:
        vars(model.base_model).pop("get_image_features", None)

    # Some classes encode images before that pass, others within it.
    if own := getattr(model.base_model, "get_image_features", None):
        model.base_model.get_image_features = wraps(own)(encode)
    before = model.register_forward_pre_hook(narrow, with_kwargs=True)
    after = model.register_forward_hook(widen)
    try:
        yield
    finally:
        before.remove()
        after.remove()
        restore()


def _chosen(value: Any, rows: Sequence[int], count: int, name: str = "", images: bool = False) -> Any:
    """Rows of an input of `count` rows; what has no rows stays as it is."""
    if name == "attention_mask" and isinstance(value, dict):  # By the kind of layer.
        return {key: _chosen(each, rows, count) for key, each in value.items()}
    if not torch.is_tensor(value):
        return value
    if images:
        parts = value.chunk(count)
        return torch.cat([parts[row] for row in rows])
    # Positions in time, height and width: an axis of their own stands first.
    axis = 1 if name == "position_ids" and value.ndim == 3 else 0
    if value.ndim < 2 or value.shape[axis] != count:
        return value
    return value.index_select(axis, torch.tensor(rows, device=value.device))
