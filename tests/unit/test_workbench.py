"""The prompt workbench: an edited prompt beside the former ones, on the slices of one patient."""

import re

import pandas as pd
import pytest
from small_crops import SIDE

from glioma import tasks, workbench
from glioma.vlm import requests
from glioma.vlm.backends import Prompt
from glioma.vlm.images import Crops
from glioma.vlm.respond import key_of, respond
from glioma.vlm.settings import Conversations, Responses

OLD, NEW = "Where is the tumour? <b>Answer</b> (row, col).", "Where is the bright tumour? <b>Answer</b> (row, col)."
HOW = {"side": SIDE, "max_new_tokens": 8, "batch_size": 8, "legal": tasks.get("center_point").legal(tasks.Limits(SIDE))}
CONVENTION = {"order": "row_col", "scale": "128"}
PARSING = {
    "task": "center_point", "side": SIDE, "coordinates": CONVENTION, "polygon_points": [10, 15],
    "choices": ["LGG", "HGG", "no glioma"], "parsing": "strict",
}  # fmt: skip


@pytest.fixture
def bench(small_crops):
    asked = requests.slices_of(["gli-e"], small_crops, every=2)
    truth = Conversations().model_dump(mode="json") | {"side": SIDE, "coordinates": CONVENTION}
    return workbench.Bench(asked, small_crops, tasks.get("center_point"), PARSING, truth, True, HOW)


@pytest.fixture
def tried(bench, tiny_mllama, small_crops, tmp_path):
    """Asks a prompt as the rule does; returns how many slices were asked, and the page."""

    def tried(prompt):
        out, kept = tmp_path / "try.jsonl", tmp_path / "store"
        files = out, tmp_path / "try.timing.csv"
        count = respond(
            tiny_mllama, None, bench.requests, small_crops, prompt, HOW, *files, 3, "", kept, "center_point"
        )
        others = bench.former(kept, tiny_mllama, None, Prompt(prompt))
        page = tmp_path / "page.html"
        shown = {"run": "centre", "patient": "gli-e", "banner": "Phantom patient.", "about": "All."}
        bench.write(page, tasks.read_responses(out), prompt, others, **shown)
        return count, page.read_text()

    return tried


def test_an_edited_prompt_stands_beside_the_former_one(tried, bench, tiny_mllama, tmp_path):
    kept = tmp_path / "store"
    count, first = tried(OLD)
    assert count and "Former prompt" not in first
    count, page = tried(NEW)
    assert count and page.count("This prompt") == page.count("Former prompt") == 1
    # Words that changed are marked, and nothing of a prompt or an answer is taken for HTML.
    assert "<ins>bright </ins>" in page and "<b>" not in page and "&lt;b&gt;" in page
    rows = page.split("<tbody>")[1].split("</tr>")[:-1]
    assert len(rows) == len(bench.requests)
    assert all(len(re.findall(r"<code>\(\d+, \d+\)</code>", row)) == 2 for row in rows)
    # Slices with tumour have the truth and a score for each prompt.
    scored = [row for row in rows if "no tumour" not in row]
    assert 0 < len(scored) < len(rows) and all(len(re.findall(r">ok, [01]\.\d\d<", row)) == 2 for row in scored)
    assert "Phantom patient." in page and "Not for clinical use." in page
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")
    # What another task was asked is no former prompt of this one.
    grade = workbench.Bench(**{**vars(bench), "task": tasks.get("classification")})
    assert (
        not grade.former(kept, tiny_mllama, None, Prompt(NEW))
        and len(bench.former(kept, tiny_mllama, None, Prompt(NEW))) == 1
    )
    # Taken back, nothing is asked, and the other one is the former.
    count, again = tried(OLD)
    assert count == 0 and "<del>bright </del>" in again


def test_scores_are_those_of_the_task(bench):
    true = [bench.task.true_answer(True, True, mask, bench.truth) for mask in _masks(bench)]
    given = [bench._given(text, text, mask) for text, mask in zip(true, _masks(bench), strict=True)]
    assert {each.score for each in given} == {1.0}
    wrong = bench._given("(0, 0)", true[0], _masks(bench)[0])
    assert wrong.score == 0.0 and wrong.status == "ok" and wrong.path.startswith("M")
    unreadable = bench._given("there", true[0], _masks(bench)[0])
    assert unreadable.score == 0.0 and unreadable.status == "malformed" and not unreadable.path


def _masks(bench):
    from glioma.cohort import crop_files
    from glioma.geometry import slices

    mask = crop_files.load_mask(bench.crops, "gli-e")
    drawn = [slices.render_mask(slices.take(mask, each.orientation, each.slice) > 0, SIDE) for each in bench.requests]
    return [each for each in drawn if each.any()]


def test_a_grade_is_right_or_wrong(bench):
    parsing = PARSING | {"task": "classification"}
    truth = bench.truth
    bench = workbench.Bench(bench.requests, bench.crops, tasks.get("classification"), parsing, truth, True, HOW)
    mask = _masks(bench)[0]
    assert bench._given("Choice: 1", "Choice: 1", mask).score == 1.0
    assert bench._given("Choice: 0", "Choice: 1", mask).score == 0.0


def test_each_sample_of_a_slice_has_its_row_and_its_former_answer(bench, small_crops):
    how = HOW | {"temperature": 1.0}
    asked = requests.sampled(bench.requests[:2], 3)
    bench = workbench.Bench(**{**vars(bench), "requests": asked, "how": how})
    shown = Crops(small_crops).pictures(asked, SIDE, "square")
    former = {key_of(asked[4], shown[4], Responses.read(how)): {"text": "(9, 9)"}}
    found = bench.rows(pd.DataFrame({"text": [f"(1, {number})" for number in range(6)]}), [former])
    assert [row.name for row in found] == [f"axial {each.slice}, sample {each.repeat + 1}" for each in asked]
    assert [row.given[0].text for row in found] == [f"(1, {number})" for number in range(6)]
    assert [row.given[1] and row.given[1].text for row in found] == [None, None, None, None, "(9, 9)", None]
