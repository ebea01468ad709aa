"""Conversations to training batches, with the loss where it belongs."""

from collections.abc import Mapping, Sequence

import torch
from transformers import ProcessorMixin

from glioma.base.errors import UserError
from glioma.vlm.encode import Features, chat, image_features, text_features
from glioma.vlm.images import image_size, open_image

IGNORED = -100  # the label PyTorch's cross entropy skips
CACHE_BYTES = 2**30


class Collator:
    """Turns `{"row": i}` into the model inputs and labels of conversation i.

    With `loss="answer"` only the assistant's tokens have labels, its end-of-turn token included; they are found by
    tokenising the question alone, so no chat template needs markers. With `loss="conversation"` all but image tokens
    have. Texts are tokenised once for each size of image, and images preprocessed once, as long as their pixels fit the
    cache.
    """

    def __init__(
        self, processor: ProcessorMixin, rows: Sequence[Mapping], loss: str = "answer", cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.processor = processor
        self.rows = rows
        self.loss = loss
        self.room = cache_bytes
        self.images: dict[str, Features] = {}
        self.texts: dict[tuple, Features] = {}
        self.image_names: set[str] = set()

    def __call__(self, examples: Sequence[Mapping[str, int]]) -> Features:
        """Right-padded tensors: input_ids, attention_mask, labels (rows, longest) and the model's image tensors."""
        rows = [self.rows[example["row"]] for example in examples]
        texts = [self._text(row) for row in rows]
        longest = max(text["input_ids"].shape[1] for text in texts)
        padding = {"input_ids": self.processor.tokenizer.pad_token_id, "labels": IGNORED}
        batch = {
            name: torch.cat([_pad(text[name], longest, padding.get(name, 0)) for text in texts]) for name in texts[0]
        }
        images = [self._image(row["images"][0]) for row in rows]
        return batch | {name: torch.cat([image[name] for image in images]) for name in self.image_names}

    def _text(self, row: Mapping) -> Features:
        whole = chat(self.processor, row["messages"])
        key = whole, image_size(row["images"][0])
        if key not in self.texts:
            image = open_image(row["images"][0])
            features, self.image_names = text_features(self.processor, whole, image)
            start = chat(self.processor, row["messages"][:-1], answers=True)
            question = text_features(self.processor, start, image)[0]["input_ids"]
            labels = features["input_ids"].clone()
            if self.loss == "answer":
                known = question.shape[1]
                if not torch.equal(labels[:, :known], question):
                    raise UserError(
                        "the model's chat template rewrites the question; set the adapter's training loss: conversation"
                    )
                labels[:, :known] = IGNORED
            labels[labels == self.processor.image_token_id] = IGNORED  # type: ignore[attr-defined]
            self.texts[key] = features | {"labels": labels}
        return self.texts[key]

    def _image(self, path: str) -> Features:
        if path in self.images:
            return self.images[path]
        features = image_features(self.processor, [open_image(path)])[0]
        size = sum(value.nbytes for value in features.values())
        if size <= self.room:
            self.room -= size
            self.images[path] = features
        return features


def _pad(value: torch.Tensor, length: int, fill: int) -> torch.Tensor:
    """A token tensor (1, n, ...) as (1, length, ...), filled on the right."""
    padding = value.new_full((1, length - value.shape[1], *value.shape[2:]), fill)
    return torch.cat([value, padding], dim=1)
