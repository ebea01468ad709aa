"""Conversations to training batches, with the loss where it belongs."""

import json
from collections.abc import Collection, Mapping, Sequence

import torch
from transformers import ProcessorMixin

from glioma.vlm import processors, prompts
from glioma.vlm.encode import Features, Question, extend, image_features
from glioma.vlm.images import image_size, open_all

IGNORED = -100  # the label PyTorch's cross entropy skips
CACHE_BYTES = 2**30


class Collator:
    """Turns `{"row": i}` into the model inputs and labels of conversation i.

    With `loss="answer"` only the answer has labels, and the token that ends it; they are found by tokenising the
    question alone, so no chat template needs markers. With `loss="conversation"` all but image tokens have. Nothing
    after the end of an answer has: no model is asked for it. `ends` are the tokens that end the model's answers; where
    its template writes none, one is added, for it would never learn to stop. Questions are tokenised once for each size
    of image, and images preprocessed once, as long as their pixels fit the cache.
    """

    def __init__(
        self,
        processor: ProcessorMixin,
        rows: Sequence[Mapping],
        loss: str = "answer",
        ends: Collection[int] = (),
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.processor = processor
        self.rows = rows
        self.loss = loss
        self.end = processor.tokenizer.eos_token_id
        self.ends = {*ends, self.end}
        self.room = cache_bytes
        self.images: dict[tuple[str, ...], Features] = {}
        self.questions: dict[tuple, Question] = {}
        self.texts: dict[tuple, Features] = {}

    def __call__(self, examples: Sequence[Mapping[str, int]]) -> Features:
        """Right-padded tensors: input_ids, attention_mask, labels (rows, longest) and the model's image tensors."""
        rows = [self.rows[example["row"]] for example in examples]
        texts = [self._text(row) for row in rows]
        longest = max(text["input_ids"].shape[1] for text in texts)
        padding = {"input_ids": self.processor.tokenizer.pad_token_id, "labels": IGNORED}
        batch = {
            name: torch.cat([_pad(text[name], longest, padding.get(name, 0)) for text in texts]) for name in texts[0]
        }
        images = [self._images(tuple(row["images"])) for row in rows]
        return batch | {name: torch.cat([image[name] for image in images]) for name in images[0]}

    def _question(self, row: Mapping) -> Question:
        """A row's question, which is most rows'."""
        asked, shapes = row["messages"][:-1], tuple(map(image_size, row["images"]))
        key = json.dumps(asked), shapes
        if key not in self.questions:
            self.questions[key] = Question(self.processor, asked, shapes)
        return self.questions[key]

    def _text(self, row: Mapping) -> Features:
        question, reply = self._question(row), prompts.reply_of(row["messages"])
        key = id(question), reply
        if key not in self.texts:
            answer = self._answer(question, reply)
            features = extend(question.text, answer, processors.takes_suffix(self.processor))
            labels = features["input_ids"].clone()
            if self.loss == "answer":
                labels[:, : question.length] = IGNORED
            else:
                asked = question.text["input_ids"][0].tolist()
                shown = processors.image_tokens(self.processor, question.turn.question, asked)
                labels[torch.isin(labels, torch.tensor(sorted(shown)))] = IGNORED
            self.texts[key] = features | {"labels": labels}
        return self.texts[key]

    def _answer(self, question: Question, reply: str) -> list[int]:
        """The tokens of a reply, to the first that ends it."""
        tokens = question.reply(reply + question.turn.tail)
        end = next((number for number, token in enumerate(tokens) if token in self.ends), None)
        return [*question.reply(reply), self.end] if end is None else tokens[: end + 1]

    def _images(self, paths: tuple[str, ...]) -> Features:
        if paths in self.images:
            return self.images[paths]
        features = image_features(self.processor, [open_all(paths)])[0]
        size = sum(value.nbytes for value in features.values())
        if size <= self.room:
            self.room -= size
            self.images[paths] = features
        return features


def _pad(value: torch.Tensor, length: int, fill: int) -> torch.Tensor:
    """A token tensor (1, n, ...) as (1, length, ...), filled on the right."""
    padding = value.new_full((1, length - value.shape[1], *value.shape[2:]), fill)
    return torch.cat([value, padding], dim=1)
