"""The loss of fine-tuning, of the labelled tokens alone: logits are made where they are needed.

Answers are a small part of a conversation, and the output layer has a row for each word of the vocabulary. TRL's
own loss leaves the other positions out on a GPU only.
"""

from collections.abc import Mapping

import torch
from torch.nn.functional import cross_entropy

from glioma.vlm.collate import IGNORED


def answer_loss(model, inputs: Mapping[str, torch.Tensor], count: torch.Tensor | int | None = None) -> torch.Tensor:
    """Cross entropy of the labelled tokens, as a scalar: its sum over `count`, or over their own number.

    inputs: of the model, `labels` (rows, tokens) among them, `IGNORED` where there are none. count: labelled tokens of
    all batches that make one step together.
    """
    wanted = inputs["labels"][:, 1:]
    places = (wanted != IGNORED).any(dim=0).nonzero()[:, 0]
    given = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**given, use_cache=False, logits_to_keep=places).logits
    if logits.shape[1] != len(places):  # the class makes all of them
        logits = logits[:, places]
    wanted = wanted[:, places]
    total = cross_entropy(
        logits.float().flatten(0, 1), wanted.flatten().to(logits.device), ignore_index=IGNORED, reduction="sum"
    )
    return total / ((wanted != IGNORED).sum() if count is None else count)
