"""How well a model in training answers: the score that may choose its best step and end its training.

The loss of an answer's tokens says little about the answer: a digit off by one costs as much as one off by ninety.
"""

from collections.abc import Mapping, Sequence

from glioma import tasks
from glioma.geometry import shapes
from glioma.tasks import QueryTask
from glioma.vlm.collate import open_image
from glioma.vlm.generate import Answerer
from glioma.vlm.requests import Request

ROOM = 2
"""How many times longer than the longest true answer an answer may be."""


class GenerationEvaluator:
    """Validation conversations that a model has to answer.

    `rows` are conversations about one task, `reading` its `task`, the `side` of their images in pixels and the
    `coordinates` that the model uses. Decoding is greedy, parsing strict.
    """

    def __init__(self, processor, rows: Sequence[Mapping], reading: Mapping, batch: int) -> None:
        self.processor = processor
        self.rows = rows
        self.task = tasks.get(reading["task"])
        points = tuple(reading.get("polygon_points", shapes.POLYGON_POINTS))
        self.limits = tasks.Limits(reading["side"], points, reading["coordinates"])
        self.batch = batch
        self.images = [open_image(row["images"][0]) for row in rows]

    def __call__(self, model) -> float:
        """The score of a model's answers, 0 to 1; the model must be in evaluation mode."""
        question = self.rows[0]["messages"][0]["content"]
        longest = max(
            len(self.processor.tokenizer(_true_answer(row), add_special_tokens=False).input_ids) for row in self.rows
        )
        settings = {"max_new_tokens": ROOM * longest, "image_first": question[0]["type"] == "image"}
        prompt = next(part["text"] for part in question if part["type"] == "text")
        answerer = Answerer(model, self.processor, prompt, settings, seed=0)
        requests = [Request(row["patient"], row["orientation"], row["slice"]) for row in self.rows]
        texts = [
            answer["text"]
            for start in range(0, len(requests), self.batch)
            for answer in answerer.answer(requests[start : start + self.batch], self.images[start : start + self.batch])
        ]
        return score(texts, self.rows, self.task, self.limits)


def score(texts: Sequence[str], rows: Sequence[Mapping], task: QueryTask, limits: tasks.Limits) -> float:
    """What answers to conversations are worth, 0 to 1, see the task's `generation_score`; parsing is strict."""
    found = [task.parse(text, "strict", limits) for text in texts]
    wanted = [task.parse(_true_answer(row), "strict", limits) for row in rows]
    return task.generation_score(found, wanted, rows, limits)


def _true_answer(row: Mapping) -> str:
    """The true answer of a conversation."""
    return row["messages"][1]["content"][0]["text"]
