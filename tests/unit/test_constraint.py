"""What may be answered where answers are constrained: all that is legal is parsed, and all that is true is legal."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_crops import SIDE

from glioma import tasks
from glioma.geometry import coordinates, slices
from glioma.tasks import _legal
from glioma.tasks._forms import FORMS
from glioma.vlm import backends
from glioma.vlm.backends import Decoding, Prompt

LOCATED = ("center_point", "bounding_box", "polygon")
conventions = st.fixed_dictionaries(
    {
        "order": st.sampled_from(coordinates.ORDERS),
        "scale": st.sampled_from(coordinates.SCALES),
        "form": st.sampled_from(FORMS),
    }
).filter(lambda found: found["form"] != "loc" or found["scale"] not in coordinates.DECIMALS)
slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@given(st.integers(0, 1100))
def test_whole_numbers_are_those_up_to_the_last(last):
    pattern = re.compile(_legal.whole(last))
    legal = [number for number in range(1200) if pattern.fullmatch(str(number))]
    assert legal == list(range(last + 1))
    assert not pattern.fullmatch("00") and not pattern.fullmatch("01") and not pattern.fullmatch("")


@slow
@given(st.data(), st.sampled_from(tasks.queries()), conventions)
def test_what_is_legal_is_parsed(data, name, convention):
    """But for what is not regular: corners that agree, and an outline with an area."""
    task, limits = tasks.get(name), tasks.Limits(SIDE, (10, 15), convention)
    text = data.draw(st.from_regex(re.compile(task.legal(limits)), fullmatch=True))
    allowed = {"ok", "degenerate"} | ({"malformed"} if name == "bounding_box" else set())
    assert task.parse(text, "strict", limits).status in allowed, text


@slow
@given(st.data(), conventions)
def test_what_is_true_is_legal(data, convention):
    limits = tasks.Limits(SIDE, (10, 15), convention)
    pixel = st.integers(0, SIDE - 1)
    for name in LOCATED:
        task = tasks.get(name)
        if name == "bounding_box":
            points = task.of_box(
                (*sorted(data.draw(st.tuples(pixel, pixel))), *sorted(data.draw(st.tuples(pixel, pixel))))
            )
        else:
            count = st.integers(10, 15) if name == "polygon" else st.just(1)
            points = [data.draw(st.tuples(pixel, pixel)) for _ in range(data.draw(count))]
        text = task.write(np.array(points), convention, SIDE)
        assert re.fullmatch(task.legal(limits), text), (name, text)
    for choice in ("0", "1", "2"):
        assert re.fullmatch(tasks.get("classification").legal(limits), f"Choice: {choice}")
    assert re.fullmatch(tasks.get("presence").legal(limits), "Answer: no")


@pytest.fixture(scope="module")
def backend(tiny_mllama):
    """A model with untrained weights: what it says freely is nothing."""
    backend = backends.build(tiny_mllama)
    backend.load()
    return backend


@pytest.mark.parametrize("temperature", [0.0, 1.5])
@pytest.mark.parametrize("name", tasks.queries())
def test_a_model_that_knows_nothing_answers_legally_in_any_company(backend, small_crops, name, temperature):
    task, limits = tasks.get(name), tasks.Limits(SIDE)
    flair = np.load(small_crops / "gli-e.npy")[0]
    images = [(slices.render(flair[index], SIDE),) for index in range(5, 15)]
    names = [f"row {number}" for number in range(len(images))]
    decoding = Decoding(200, temperature, seed=7, legal=task.legal(limits))
    prompt = Prompt("Where is it?")
    found = backend.answer(prompt, images, names, decoding)
    alone = [backend.answer(prompt, [image], [row], decoding)[0] for image, row in zip(images, names, strict=True)]
    assert found == alone
    assert {answer.finish for answer in found} == {"stop"}
    statuses = {task.parse(answer.text, "strict", limits).status for answer in found}
    assert statuses <= {"ok", "degenerate", "malformed"} and (name == "bounding_box") >= ("malformed" in statuses)
    free = backend.answer(prompt, images, names, decoding._replace(legal=None))
    assert all(task.parse(answer.text, "strict", limits).status != "ok" for answer in free)


def test_an_answer_that_is_legal_by_itself_is_left_as_it_is(backend):
    """Greedily, under a pattern that allows it and other answers, the same is said; what is no pattern is refused."""
    images = [(slices.render(np.full((20, 20), shade, np.uint8), SIDE),) for shade in (10, 60, 110, 160, 200, 250)]
    names = list("abcdef")
    free = backend.answer(Prompt("Where?"), images, names, Decoding(12))
    # A pattern is of whole characters, and this model ends in the middle of some.
    said = [answer.text for answer in free if "\ufffd" not in answer.text]
    assert said
    pattern = "|".join([*map(_legal.literal, said), "[0-9]{60}"])
    found = backend.answer(Prompt("Where?"), images, names, Decoding(20, legal=pattern))
    kept = [new.text for new, old in zip(found, free, strict=True) if old.text in said]
    assert kept == said
    with pytest.raises(ValueError, match="no pattern"):
        backend.answer(Prompt("Where?"), images, names, Decoding(12, legal="(unclosed"))
