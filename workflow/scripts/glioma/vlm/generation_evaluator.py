"""How well a model in training answers: the score that may choose its best step and end its training.

The loss of an answer's tokens says little about the answer: a digit off by one costs as much as one off by ninety.
"""

from collections.abc import Mapping, Sequence

from glioma import tasks
from glioma.geometry import shapes
from glioma.tasks import QueryTask
from glioma.vlm import prompts
from glioma.vlm.backends import Backend, Decoding, Prompt
from glioma.vlm.images import open_all
from glioma.vlm.requests import Request

ROOM = 2
"""How many times longer than the longest true answer an answer may be."""


class GenerationEvaluator:
    """Validation conversations that a model has to answer.

    `rows` are conversations about one task, `parsing` its `task`, the `side` of their images in pixels and the
    `coordinates` that the model uses. They are answered `batch_size` at a time, with at most `max_new_tokens` each.
    Decoding is greedy, parsing strict.
    """

    def __init__(self, rows: Sequence[Mapping], parsing: Mapping, batch_size: int, max_new_tokens: int) -> None:
        self.rows = rows
        self.task = tasks.get(parsing["task"])
        points = tuple(parsing.get("polygon_points", shapes.POLYGON_POINTS))
        self.limits = tasks.Limits(parsing["side"], points, parsing["coordinates"])
        self.batch_size = batch_size
        self.decoding = Decoding(max_new_tokens)
        *before, question, _ = rows[0]["messages"]
        text = next(part["text"] for part in question["content"] if part["type"] == "text")
        system = before[0]["content"][0]["text"] if before else None
        self.prompt = Prompt(text, question["content"][0]["type"] == "image", system)
        self.names = [Request(row["patient"], row["orientation"], row["slice"]).name for row in rows]
        self.slices = [open_all(row["images"]) for row in rows]

    def __call__(self, backend: Backend) -> float:
        """The score of a model's answers, 0 to 1."""
        texts = []
        for start in range(0, len(self.rows), self.batch_size):
            batch = slice(start, start + self.batch_size)
            found = backend.answer(self.prompt, self.slices[batch], self.names[batch], self.decoding)
            texts += [answer.text for answer in found]
        return score(texts, self.rows, self.task, self.limits)


def score(texts: Sequence[str], rows: Sequence[Mapping], task: QueryTask, limits: tasks.Limits) -> float:
    """What answers to conversations are worth, 0 to 1, see the task's `generation_score`; parsing is strict."""
    found = [task.parse(text, "strict", limits) for text in texts]
    wanted = [task.parse(prompts.reply_of(row["messages"]), "strict", limits) for row in rows]
    return task.generation_score(found, wanted, rows, limits)
