import re
from pathlib import Path

import pytest
import yaml

from glioma import tasks
from glioma.base.errors import UserError
from glioma.demo.tiny_vlm.paper import PAPER
from glioma.tasks import LABELS
from glioma.vlm import prompts


def test_a_prompt_is_read_as_written_without_surrounding_space(tmp_path):
    (tmp_path / "p.txt").write_text("\n Wo ist der Tumor (größter)?\nAntworte kurz. \n\n", encoding="utf-8")
    assert prompts.read(tmp_path / "p.txt") == "Wo ist der Tumor (größter)?\nAntworte kurz."


@pytest.mark.parametrize("content", [b" \n\t", b"\xff\xfe", None], ids=["empty", "not UTF-8", "missing"])
def test_a_bad_prompt_file_is_named_in_one_line(tmp_path, content):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="bad.txt") as caught:
        prompts.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Where? <|image|>", "steers"),
        ("<|eot_id|>Answer", "steers"),
        ("[INST] Where?", "steers"),
        ("a " * 20_000, "keep"),
    ],
)
def test_a_prompt_that_is_none_is_refused(tmp_path, content, says):
    (tmp_path / "p.txt").write_text(content)
    with pytest.raises(UserError, match=rf"p\.txt: .*{says}") as caught:
        prompts.read(tmp_path / "p.txt")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_byte_order_mark_is_no_part_of_a_prompt(tmp_path):
    (tmp_path / "p.txt").write_text("Where is it?", encoding="utf-8-sig")
    assert prompts.read(tmp_path / "p.txt") == "Where is it?"


def test_messages_hold_text_and_image_in_the_order_asked_for():
    user, assistant = prompts.messages("Where?", "(1, 2)")
    assert [part["type"] for part in user["content"]] == ["text", "image"]
    assert assistant["content"] == [{"type": "text", "text": "(1, 2)"}]
    (only,) = prompts.messages("Where?", image_first=True)
    assert [part["type"] for part in only["content"]] == ["image", "text"]


def numbers(prompt):
    """What each number of a classification prompt stands for, in the prompt's own words."""
    kind = "(low grade|high grade|no) glioma"
    before = re.findall(rf"([0-9]) for (?:a )?{kind}", prompt, re.IGNORECASE)
    after = re.findall(rf"{kind}(?: at all)? \(([0-9])\)", prompt, re.IGNORECASE)
    names = dict(zip(("low grade", "high grade", "no"), LABELS, strict=True))
    pairs = before + [pair[::-1] for pair in after]
    assert sorted(number for number, _ in pairs) == ["0", "1", "2"], prompt
    return [names[words.lower()] for _, words in sorted(pairs)]


@pytest.mark.parametrize("path", sorted(Path("config").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_runs_choices_are_what_its_prompt_says(path):
    runs = [run for run in yaml.safe_load(path.read_text()).get("runs", {}).values() if run]
    asked = {(run["prompt"], *run.get("choices", LABELS)) for run in runs if run.get("task") == "classification"}
    for name, *choices in asked:
        assert numbers(prompts.read(f"config/prompts/{name}.txt")) == choices, name


@pytest.mark.parametrize("path", sorted(Path("config/prompts/wordings").glob("*.txt")), ids=lambda path: path.stem)
def test_every_wording_asks_for_the_studys_format(path):
    box = tasks.get("bounding_box")
    prompt = prompts.read(path, box.wording(tasks.Limits()))
    if path.stem.startswith("classify"):
        assert "Choice: <0, 1, or 2> Reasoning: <" in prompt and sorted(numbers(prompt)) == sorted(LABELS)
    else:
        corners = "[(row_min, col_min), (row_min, col_max), (row_max, col_max), (row_max, col_min)]"
        assert corners in prompt and box.check_prompt(prompt, tasks.Limits()) is None


NAMED = {
    "classify": "classification", "center_point": "center_point", "bounding_box": "bounding_box", "polygon": "polygon",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("folder", ["", "training/"])
def test_the_studys_prompts_are_letter_for_letter_where_its_coordinates_are_used(name, folder):
    """Against the recipe's frozen copy, which was typed from the paper and not read from these files."""
    task = tasks.get(NAMED[name])
    found = prompts.read(f"config/prompts/{folder}{name}.txt", task.wording(tasks.Limits()))
    assert found == PAPER[NAMED[name]]


CONVENTIONS = [
    ({"order": "x_y", "scale": "1000"}, "(x, y)", "[(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max)]"),
    (
        {"order": "x_y", "scale": "1000", "form": "json"},
        '"point_2d": [x, y]',
        '"bbox_2d": [x_min, y_min, x_max, y_max]',
    ),
    ({"order": "row_col", "scale": "1024", "form": "loc"}, "<locrow><loccol>", "<locrow_min><loccol_min><locrow_max>"),
    (
        {"order": "x_y", "scale": "pixels", "shown": 448, "form": "tags"},
        "<point>[[x, y]]",
        "<box>[[x_min, y_min, x_max",
    ),
]


@pytest.mark.parametrize(("convention", "point", "box"), CONVENTIONS)
def test_a_prompt_follows_the_coordinates_of_its_model(convention, point, box):
    limits = tasks.Limits(convention=convention)
    last = {"1000": "1000", "1024": "1023", "pixels": "447"}[convention["scale"]]
    for name, shown in (("center_point", point), ("bounding_box", box)):
        task = tasks.get(name)
        path = f"config/prompts/{name}.txt"
        found = prompts.read(path, task.wording(limits))
        assert shown in found and f"integers between 0 and {last}" in found and "127" not in found
        assert "{" not in found.replace('[{"', "").replace("[(", "")
        assert task.check_prompt(found, limits) is None
        # What the paper says is not what this model is asked.
        assert task.check_prompt(prompts.read(path, task.wording(tasks.Limits())), limits)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("as (row, col), integers between 0 and 127", "has numbers up to 127, but its model's go up to 1000"),
        ("as (row, col), integers between 0 and 1000", "puts row first, but its model's coordinates begin with x"),
        ("as (x, y), integers between 0 and 1000", "does not show how its model answers"),
    ],
)
def test_a_prompt_that_says_otherwise_than_its_model_is_refused(said, fault):
    limits = tasks.Limits(convention={"order": "x_y", "scale": "1000", "form": "json"})
    assert tasks.get("center_point").check_prompt("In up to 10 words: {format}", tasks.Limits()) is None
    assert fault in tasks.get("center_point").check_prompt(f"Where is it? Answer {said}.", limits)


def test_a_field_that_is_none_is_named_with_those_there_are(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text('Where? Numbers {rnage}, as {"x": 1}.')
    fields = tasks.get("center_point").wording(tasks.Limits())
    with pytest.raises(UserError, match=r"unknown field \{rnage\}; did you mean range"):
        prompts.read(path, fields)
    path.write_text('Where? Numbers {range}, as {"x": 1}, {two words} or {}.')
    assert prompts.read(path, fields) == 'Where? Numbers integers between 0 and 127, as {"x": 1}, {two words} or {}.'
