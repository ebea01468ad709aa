"""A task is one module: nothing else names one, and prompts ask for what its parser accepts."""

import re

import pytest

from configuration import resolved
from glioma import tasks
from glioma.base.errors import UserError
from glioma.vlm import prompts
from workspace import REPOSITORY

# Where a name of a task may stand, and why.
NAMED = {
    "workflow/scripts/glioma/tasks/": "the tasks themselves",
    "workflow/scripts/glioma/demo/tiny_vlm/": "the embedded model's own corpus",
    "workflow/scripts/glioma/cnn/": "kinds of networks, which are no tasks of a VLM",
    "workflow/scripts/glioma/compare/published.py": "the study's own tables",
    "workflow/scripts/glioma/report/tables/published.py": "the study's own tables",
    "workflow/scripts/score_classifier.py": "a kind of network",
    "workflow/scripts/score_segmenter.py": "a kind of network",
    "workflow/scripts/score_slices.py": "a kind of network",
    "workflow/scripts/score_sam.py": "masks of promptable segmenters, which are no answers of a VLM",
    "workflow/scripts/draw_distributions.py": "the study's own figures",
    "workflow/scripts/glioma/report/figures/scans.py": "the study's own figures",
    "workflow/rules/common.smk": "a kind of network",
    "workflow/report/": "the text of Methods, which tells graders' prompts from others",
}


def test_nothing_but_its_module_names_a_task():
    literal = re.compile(r"""["'](?:{})["']""".format("|".join(tasks.names())))
    found = set()
    for path in sorted((REPOSITORY / "workflow").rglob("*")):
        name = path.relative_to(REPOSITORY).as_posix()
        if path.suffix in (".py", ".smk", ".rst") and literal.search(path.read_text(encoding="utf-8")):
            found.add(name)
    allowed = {name for name in found if any(name.startswith(known) for known in NAMED)}
    assert found == allowed
    assert {known for known in NAMED if not any(name.startswith(known) for name in found)} == set()


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_says_who_it_is(name):
    task = tasks.get(name)
    assert task.name == name and task.title and task.noun
    assert task.output in ("grade", "region", "point", "label")


@pytest.mark.parametrize("name", tasks.queries())
def test_the_true_answer_is_what_the_parser_accepts(name):
    import numpy as np

    task, mask = tasks.get(name), np.zeros((64, 64), bool)
    mask[20:35, 10:40] = True
    settings = {"coordinates": {"order": "x_y", "scale": "1000"}, "side": 64}
    limits = tasks.Limits(side=64, convention=settings["coordinates"])
    for mode in tasks.MODES:
        answer = task.parse(task.true_answer(True, True, mask, settings), mode, limits)
        assert answer.status == "ok" and (answer.choice is None) == (not task.whole_slices)
        assert task.generation_score([answer], [answer], [{"box": [20, 10, 34, 39]}], limits) == 1


@pytest.mark.parametrize("name", ["segmentations", "_task", "../x"])
def test_an_unknown_task_is_an_error(name):
    with pytest.raises(ValueError, match="there is none"):
        tasks.get(name)


def test_the_projects_prompts_ask_for_what_is_parsed():
    texts = [path.read_text() for path in (REPOSITORY / "config/prompts").rglob("*polygon*.txt")]
    texts += [path.read_text() for path in (REPOSITORY / "config/prompts").rglob("*classify*.txt")]
    assert len(texts) > 5
    for text in texts:
        task = tasks.get("polygon" if "polygon" in text else "classification")
        assert task.check_prompt(text, tasks.Limits()) is None


@pytest.mark.parametrize(
    ("task", "prompt", "error"),
    [
        ("polygon", "Give a polygon of 12-20 points.", "asks for 12 to 20 points, but 10 to 15 are parsed"),
        ("polygon", "Outline it with between 3 and 8 points.", "asks for 3 to 8 points"),
        ("polygon", "Outline the tumour.", None),
        ("classification", "Low (0) or high grade (1)?", "names no choice 2"),
        ("classification", "0 low, 1 high, 2 none. Image 12.", None),
    ],
)
def test_a_prompt_is_held_against_the_parser(task, prompt, error):
    found = tasks.get(task).check_prompt(prompt, tasks.Limits())
    assert found is None if error is None else error in found


def test_a_configuration_that_trains_what_cannot_be_parsed_is_refused(monkeypatch):
    trained = {"adapters": {"paper-polygon": {"conversations": {"polygon_points": [16, 18]}}}}
    with pytest.raises(UserError, match=r"adapters\.paper-polygon\.conversations\.polygon_points: \[16, 18\], but run"):
        resolved(**trained)
    # The remedy that it names works, as far as the prompt goes.
    asked = {"runs": {"paper-polygon-finetuned": {"polygon_points": [10, 18]}}}
    resolved(**trained, **asked)
    monkeypatch.setattr(prompts, "read", lambda path, fields: "A polygon of 12-20 points: 0, 1, 2.")
    with pytest.raises(UserError, match=r"config/prompts/.*polygon\.txt asks for 12 to 20 points"):
        resolved()
