"""The task that is one module and one prompt: is there a tumour on this slice?"""

import numpy as np
import pytest

from glioma import tasks
from glioma.vlm import prompts
from workspace import REPOSITORY

TASK = tasks.get("presence")


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("Answer: yes", 1, 1),
        ("answer: No.", 0, 0),
        ("Answer:yes", 1, 1),
        ("yes", None, 1),
        ("There is no doubt: yes", None, 1),
        ("Answer: <yes or no>", None, None),
        ("Yes, a bright lesion is visible.", None, 1),
        ("I cannot tell", None, None),
        ("nobody knows yesterday", None, None),
    ],
)
def test_answers(text, strict, lenient):
    for mode, expected in (("strict", strict), ("lenient", lenient)):
        answer = TASK.parse(text, mode)
        assert answer.choice == expected and answer.status == ("malformed" if expected is None else "ok")


def test_what_it_is_trained_on():
    mask = np.zeros((8, 8), bool)
    assert TASK.true_answer(True, True, mask, {}) == "Answer: yes"
    assert TASK.true_answer(True, False, mask, {}) == "Answer: no"
    yes, no = (TASK.parse(f"Answer: {word}") for word in ("yes", "no"))
    assert TASK.generation_score([yes, yes, no], [yes, no, no], [{}] * 3, tasks.Limits()) == 0.75


@pytest.mark.parametrize("name", ["presence", "training/presence"])
def test_its_prompts_ask_for_yes_or_no(name):
    assert TASK.check_prompt(prompts.read(REPOSITORY / f"config/prompts/{name}.txt"), tasks.Limits()) is None
    assert "'yes'" in TASK.check_prompt("Is there a tumour? Say so, or say no.", tasks.Limits())
