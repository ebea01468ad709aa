"""Whether a model can be asked about a picture at all: by its files, before anything is trained or answered with it."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from PIL import Image

from glioma.base.errors import UserError
from glioma.vlm import models, processors, prompts
from glioma.vlm.encode import Question, image_features

SECONDS = 60
"""For a question about one small picture: a template may hold a loop that never ends."""
PROMPT = "Is there a tumour on this slice?"


def check(base: Mapping, side: int) -> dict[str, int]:
    """`UserError` where a model entry's files cannot be used; else the tokens of one short question.

    Reads the headers of the weights, the tokenizer and the chat template, and makes one question about a picture `side`
    pixels wide. Loads no weights.
    """
    models.check_weights(base)
    processor = processors.load(base)
    processors.prepare(processor, base)
    picture = Image.new("RGB", (side, side))
    with _in_time():
        try:
            question = Question(processor, prompts.messages(PROMPT), (picture.size,))
            image_features(processor, [(picture,)])
        except UserError as error:
            raise UserError(f"model {base['name']}: {error}") from None
        # Processors and templates are foreign, and raise what they please.
        except Exception as error:
            raise UserError(
                f"model {base['name']}: its processor cannot make a question about a picture "
                f"({processors.reason(error)}); look at its chat_template.jinja and processor_config.json"
            ) from error
    token = getattr(processor, "image_token_id", None)
    ids = question.text["input_ids"][0].tolist()
    if token is not None and token not in ids:
        raise UserError(
            f"model {base['name']}: its chat template writes no token for the picture; look at its chat_template.jinja"
        )
    asked = processor.tokenizer(PROMPT, add_special_tokens=False).input_ids
    if processor.tokenizer.decode(asked).strip() not in processor.tokenizer.decode(ids):
        raise UserError(
            f"model {base['name']}: its chat template leaves the question out; look at its chat_template.jinja"
        )
    return {"tokens": len(ids)}


@contextmanager
def _in_time() -> Iterator[None]:
    """Ends what takes longer than `SECONDS`, where a signal can (the main thread of a process)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: object) -> None:
        raise UserError(f"its chat template does not come to an end in {SECONDS} s; look at its chat_template.jinja")

    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)
