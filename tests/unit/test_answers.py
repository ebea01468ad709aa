"""Parsing answers: the exact format, its near misses, and any string at all."""

import json
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glioma import tasks
from glioma.base.errors import UserError
from glioma.geometry import coordinates, shapes
from glioma.tasks import MODES, STATUSES, Answer, Limits
from glioma.tasks._forms import FORMS
from glioma.tasks._responses import probability_of_hgg

POLYGON = [(10, 20), (12, 25), (15, 30), (20, 33), (26, 33), (30, 29), (32, 24), (29, 19), (22, 16), (14, 17)]


def written(task: str, points) -> str:
    return tasks.get(task).write(points, coordinates.DEFAULT, 128)


def parse(text: str, task: str, mode: str = "strict", limits: Limits | None = None) -> Answer:
    return tasks.get(task).parse(text, mode, limits)


POLYGON_TEXT = written("polygon", POLYGON)
pixels = st.integers(0, 127)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("Choice: 1", ("ok", 1), ("ok", 1)),
        ("Choice: 0\n", ("ok", 0), ("ok", 0)),
        ("  Choice: 0", ("malformed", None), ("ok", 0)),
        ("Choice:1", ("malformed", None), ("ok", 1)),
        ("Choice: 2 Reasoning: symmetric, dark, calm", ("ok", 2), ("ok", 2)),
        ("Choice: 1 Reasoning: ring,\nbright", ("ok", 1), ("ok", 1)),
        ("Choice: 0 Reasoning: a. Choice: 1 Reasoning: b.", ("malformed", None), ("malformed", None)),
        ("Choice: 1. Reasoning: ring, bright", ("malformed", None), ("ok", 1)),
        ("Choice: 1\n\nReasoning:", ("malformed", None), ("ok", 1)),
        ("Looking at the scan, I see oedema. Choice: 1 Reasoning: bright", ("malformed", None), ("ok", 1)),
        ("Choice: <1>", ("malformed", None), ("ok", 1)),
        ("**Choice:** 0", ("malformed", None), ("ok", 0)),
        ("choice is 1", ("malformed", None), ("ok", 1)),
        ("My answer: 0", ("malformed", None), ("ok", 0)),
        ("<1>", ("malformed", None), ("ok", 1)),
        ("1", ("malformed", None), ("ok", 1)),
        ("2. The scan is normal", ("malformed", None), ("ok", 2)),
        ("High Grade Glioma", ("malformed", None), ("ok", 1)),
        ("Low-grade or high-grade, hard to say", ("malformed", None), ("malformed", None)),
        ("Choice: <0, 1, or 2> Reasoning: <ten keywords>", ("malformed", None), ("malformed", None)),
        ("Choice: <0, 1, or 2>\nChoice: 1", ("malformed", None), ("ok", 1)),
        ("Choice: 7", ("out_of_range", None), ("out_of_range", None)),
        ("Choice: 10", ("out_of_range", None), ("out_of_range", None)),
        ("Choice: " + "9" * 5000, ("out_of_range", None), ("out_of_range", None)),
        ("Choice: ١", ("malformed", None), ("malformed", None)),
        ("I cannot help with medical images.", ("malformed", None), ("malformed", None)),
        ("", ("empty", None), ("empty", None)),
        (" \n\t", ("empty", None), ("empty", None)),
    ],
)
def test_choices(text, strict, lenient):
    for reading, expected in (("strict", strict), ("lenient", lenient)):
        answer = parse(text, "classification", reading)
        assert (answer.status, answer.choice) == expected, reading


@pytest.mark.parametrize(
    ("text", "strict", "lenient", "points"),
    [
        ("(63, 70)", "ok", "ok", [[63, 70]]),
        ("( 63 ,70 )", "ok", "ok", [[63, 70]]),
        ("The centre is (63, 70).", "malformed", "ok", [[63, 70]]),
        ("[63, 70]", "malformed", "ok", [[63, 70]]),
        ("<63; 70>", "malformed", "ok", [[63, 70]]),
        ("63, 70", "malformed", "ok", [[63, 70]]),
        ("row 63, col 70", "malformed", "ok", [[63, 70]]),
        ("(row=63, col=70)", "malformed", "ok", [[63, 70]]),
        ("(x=70, y=63)", "malformed", "ok", [[63, 70]]),
        ("(col: 70, row: 63)", "malformed", "ok", [[63, 70]]),
        ("(63.4, 70.0)", "malformed", "ok", [[63, 70]]),
        ("(63, 128)", "out_of_range", "out_of_range", None),
        ("(-1, 5)", "out_of_range", "out_of_range", None),
        ("(" + "9" * 4999 + ", 5)", "out_of_range", "out_of_range", None),
        ("(1, 2), (3, 4)", "malformed", "wrong_count", None),
        ("(63, 70", "malformed", "ok", [[63, 70]]),
        ("(63)", "malformed", "malformed", None),
        ("no tumour", "malformed", "malformed", None),
    ],
)
def test_centre_points(text, strict, lenient, points):
    for reading, status in (("strict", strict), ("lenient", lenient)):
        answer = parse(text, "center_point", reading)
        assert answer.status == status, reading
        if status == "ok":
            assert answer.points.tolist() == points


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("[(3, 5), (3, 9), (7, 9), (7, 5)]", "ok", "ok"),
        ("[(3,5),(3,9),\n(7,9),(7,5)]", "ok", "ok"),
        ("[(3, 5), (3, 9), (7, 9), (7, 6)]", "ok", "ok"),  # one corner off by a pixel: the smallest box that holds all
        ("[(3, 5), (7, 5), (7, 9), (3, 9)]", "malformed", "ok"),
        ("[(7, 9), (7, 5), (3, 5), (3, 9)]", "degenerate", "ok"),
        ("((3, 5), (3, 9), (7, 9), (7, 5))", "malformed", "ok"),
        ("[(3, 5), (7, 9)]", "wrong_count", "ok"),
        ("[3, 5, 7, 9]", "malformed", "ok"),
        ("top-left: (3, 5), top-right: (3, 9), bottom-right: (7, 9), bottom-left: (7, 5)", "malformed", "ok"),
        ("Rows lie in (0, 127). The box is [(3, 5), (3, 9), (7, 9), (7, 5)].", "malformed", "ok"),
        ("[(3, 5), (3, 9), (7, 9)]", "wrong_count", "wrong_count"),
        ("[(3, 5), (3, 200), (7, 200), (7, 5)]", "out_of_range", "out_of_range"),
    ],
)
def test_boxes(text, strict, lenient):
    for reading, status in (("strict", strict), ("lenient", lenient)):
        answer = parse(text, "bounding_box", reading)
        assert answer.status == status, reading
        if status == "ok":
            assert shapes.box_from_corners(answer.points) == (3, 5, 7, 9)
            assert answer.points.shape == (4, 2)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        (POLYGON_TEXT, "ok", "ok"),
        (f"[{POLYGON_TEXT[1:-1]}]", "malformed", "ok"),
        (f"Here: {POLYGON_TEXT}", "malformed", "ok"),
        (written("polygon", POLYGON[:9]), "wrong_count", "wrong_count"),
        (written("polygon", POLYGON * 2), "wrong_count", "wrong_count"),
        (written("polygon", [(5, 5)] * 10), "degenerate", "degenerate"),
        (written("polygon", [(k, 2 * k) for k in range(12)]), "degenerate", "degenerate"),
        (POLYGON_TEXT.replace("33", "133"), "out_of_range", "out_of_range"),
    ],
)
def test_polygons(text, strict, lenient):
    for reading, status in (("strict", strict), ("lenient", lenient)):
        answer = parse(text, "polygon", reading)
        assert answer.status == status, reading
        if status == "ok":
            assert answer.points.tolist() == [list(point) for point in POLYGON]


@given(st.lists(st.tuples(pixels, pixels), min_size=10, max_size=15))
def test_what_we_write_we_read(points):
    points = np.array(points)
    for reading in MODES:
        centre = parse(written("center_point", points[:1]), "center_point", reading)
        assert centre.status == "ok" and centre.points.tolist() == points[:1].tolist()
        box = shapes.box_from_corners(points)
        corners = parse(written("bounding_box", shapes.corners_from_box(box)), "bounding_box", reading)
        assert corners.status == "ok" and shapes.box_from_corners(corners.points) == box
        polygon = parse(written("polygon", points), "polygon", reading)
        assert polygon.status in ("ok", "degenerate") and polygon.points.tolist() == points.tolist()


# The tokens of form loc are whole numbers.
WRITTEN = [
    pair for pair in product(coordinates.SCALES, FORMS) if pair[1] != "loc" or pair[0] not in coordinates.DECIMALS
]


@pytest.mark.parametrize(("scale", "form"), WRITTEN)
@pytest.mark.parametrize("order", coordinates.ORDERS)
def test_every_convention_comes_back(order, scale, form):
    limits = Limits(side=128, convention={"order": order, "scale": scale, "form": form})
    for task, points in (
        ("center_point", np.array([(63, 70)])),
        ("bounding_box", shapes.corners_from_box((3, 5, 70, 127))),
        ("polygon", np.array(POLYGON)),
    ):
        text = tasks.get(task).write(points, limits.convention, 128)
        for reading in MODES:
            answer = parse(text, task, reading, limits)
            assert answer.status == "ok", (text, reading)
            assert answer.points.tolist() == points.tolist()


@pytest.mark.parametrize(
    ("form", "text", "status"),
    [
        ("json", '```json\n[{"bbox_2d": [5, 3, 9, 7], "label": "tumor"}]\n```', "ok"),
        ("json", '{"bbox_2d": [5, 3, 9, 7]}', "ok"),
        ("json", '[{"bbox_2d": [5, 3, 9, 7]}, {"bbox_2d": [1, 1, 2, 2]}]', "malformed"),
        ("json", '{"bbox_2d": [5, 3, 9]}', "malformed"),
        ("json", '{"bbox_2d": [5, 3, 9, true]}', "malformed"),
        ("json", '{"bbox_2d": [5, 3, 9, 1001]}', "out_of_range"),
        ("json", "[(5, 3), (9, 3), (9, 7), (5, 7)]", "malformed"),
        ("json", "[" * 5000, "malformed"),
        ("tags", "<ref>tumor</ref><box>[[5, 3, 9, 7]]</box>", "ok"),
        ("tags", "The box is <box>[[5, 3, 9, 7]]</box>", "malformed"),
        ("loc", "<loc0005><loc0003><loc0009><loc0007> tumor", "ok"),
        ("loc", "<loc0005><loc0003><loc0009>", "malformed"),
        ("points", '<points x1="5" y1="3" x2="9" y2="7" alt="tumor">tumor</points>', "ok"),
        ("points", '<points x1="5" x2="9" y2="7">', "malformed"),
    ],
)
def test_native_forms_are_read_strictly(form, text, status):
    limits = Limits(side=128, convention={"order": "x_y", "scale": "1000", "form": form})
    answer = parse(text, "bounding_box", "strict", limits)
    assert answer.status == status
    if status == "ok":
        assert (
            answer.points.tolist()
            == coordinates.decode([(5, 3), (9, 3), (9, 7), (5, 7)], limits.convention, 128).tolist()
        )


@pytest.mark.parametrize("mode", MODES)
def test_what_a_model_thought_is_no_part_of_its_answer(mode):
    thoughts = "<think>\nIt may be Choice: 0, or (3, 4).\n</think>\n\n"
    assert parse(f"{thoughts}Choice: 1", "classification", mode).choice == 1
    assert parse(f"{thoughts}(63, 70)", "center_point", mode).points.tolist() == [[63, 70]]
    # Thoughts that never ended hold no answer that is strictly one.
    assert parse("<think>\nIt may be Choice: 0", "classification", "strict").status == "malformed"
    assert parse(thoughts, "classification", mode).status == "empty"


def test_range_is_that_of_the_image():
    assert parse("(200, 20)", "center_point", "strict", Limits(side=256, convention={"scale": "pixels"})).status == "ok"
    assert parse("(63, 70)", "center_point", "strict", Limits(side=64, convention={"scale": "pixels"})).status != "ok"


tricky = st.text(alphabet="()[]{}<>,;:=.-+0123456789 \nxychoice:CRow٣²", max_size=80)


@given(st.one_of(st.text(max_size=200), tricky), st.sampled_from(tasks.queries()), st.sampled_from(MODES))
@settings(max_examples=600)
@example("(" + "1" * 6000 + "," + "1" * 6000 + ")", "center_point", "lenient")
@example("\ud800 (1, 2)", "center_point", "lenient")
@example("(1e400, nan)", "center_point", "lenient")
def test_total_on_any_text(text, task, reading):
    answer = parse(text, task, reading)
    assert answer.status in STATUSES
    if answer.status == "ok":
        if task == "classification":
            assert answer.choice in (0, 1, 2) and answer.points is None
        else:
            assert answer.points.min() >= 0 and answer.points.max() < 128
    if reading == "strict" and answer.status == "ok" and task in ("classification", "center_point"):
        lenient = parse(text, task, "lenient")
        assert lenient.choice == answer.choice and np.array_equal(lenient.points, answer.points)


HOSTILE = {
    "digits": "1" * 100_000,
    "open brackets": "(" * 100_000,
    "spaces": "(" + " " * 99_000,
    "pairs": "(1, 2), " * 12_500,
    "open pairs": "(1, " * 25_000,
    "flat list": "[" + "1," * 49_999,
    "flat lists": "[1,1,1," * 14_000,
    "choices": "choice is " * 10_000,
    "choice spaces": "choice" + " :" * 49_000,
    "labels": "(" + "x" * 99_000,
    "commas": "1 , " * 25_000,
    "dots": "1.1." * 25_000,
    "signs": "+-" * 50_000,
    "template": "<0, 1, or " * 10_000,
    "million": "Choice: 1 " * 100_000,
    "grades": "low grade or " * 7_600,
    "stated grades": "Answer: high grade (0) " * 4_300,
    "thoughts": "<think></thinking>" * 5_500,
    "named": "row 1 to 2, x=3 " * 6_200,
    "examples": "for example (1, 2). " * 5_000,
    "tumours": "there is no tumour yes " * 4_300,
    "box tags": "\\boxed{" * 14_000,
    "strict box": "[" + "(1, 2), " * 12_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_long(name):
    for task in tasks.queries():
        for reading in MODES:
            start = time.process_time()
            assert parse(HOSTILE[name], task, reading).status in STATUSES
            assert time.process_time() - start < 1.0, (task, reading)


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="parsing 'sloppy'"):
        parse("(1, 2)", "center_point", "sloppy")


def response(text, **changes):
    row = {"patient": "007", "orientation": "axial", "slice": 4, "repeat": 0, "text": text, "finish": "stop"}
    return row | {"tokens": 3, "logprobs": None} | changes


def test_table_round_trip(tmp_path):
    rows = [
        response("Choice: 1", logprobs={"0": np.log(0.2), "1": np.log(0.6), "2": np.log(0.2)}),
        response("Choice", finish="length", slice=5),
        response("Choice: 0", finish="length", repeat=1),
        response("line\u2028separator", slice=6),
    ]
    paths = [tmp_path / "shard-0.jsonl", tmp_path / "shard-1.jsonl"]
    for path, part in zip(paths, (rows[:3], rows[3:]), strict=True):
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part), encoding="utf-8")
    responses = tasks.read_responses(paths)
    assert responses["text"].tolist() == [row["text"] for row in rows]
    table = tasks.answers_table(responses, tasks.get("classification"))
    assert list(table.columns) == list(tasks.COLUMNS)
    assert table["status"].tolist() == ["ok", "truncated", "ok", "malformed"]
    assert table["choice"].isna().tolist() == [False, True, False, True]
    assert table["p_hgg"][0] == pytest.approx(0.75) and table["p_hgg"][1:].isna().all()
    table.to_csv(tmp_path / "answers.csv", index=False)
    again = tasks.read_answers(tmp_path / "answers.csv")
    assert again["patient"].tolist() == ["007"] * 4
    assert again["choice"].equals(table["choice"]) and again["status"].tolist() == table["status"].tolist()


PERMUTED = ("no glioma", "LGG", "HGG")


@pytest.mark.parametrize(
    ("text", "label"),
    [("Choice: 0", "no glioma"), ("Choice: 1", "LGG"), ("Choice: 2", "HGG"), ("the answer is 2", "HGG"),
     ("A high grade glioma.", "HGG"), ("LGG", "LGG"), ("no tumour", "no glioma")],
)  # fmt: skip
def test_a_number_means_what_its_prompt_says_and_a_name_always_the_same(text, label):
    assert parse(text, "classification", "lenient", Limits(choices=PERMUTED)).choice == tasks.LABELS.index(label)


def test_the_table_means_the_same_for_every_prompt(tmp_path):
    shares = {"0": np.log(0.5), "1": np.log(0.1), "2": np.log(0.4)}
    responses = tasks.read_responses(_written(tmp_path, [response("Choice: 2", logprobs=shares)]))
    table = tasks.answers_table(responses, tasks.get("classification"), "strict", Limits(choices=PERMUTED))
    assert table["choice"].tolist() == [1] and table["p_hgg"].tolist() == [pytest.approx(0.8)]
    plain = tasks.answers_table(responses, tasks.get("classification"))
    assert plain["choice"].tolist() == [2] and plain["p_hgg"].tolist() == [pytest.approx(1 / 6)]


@pytest.mark.parametrize("choices", [("LGG", "HGG"), ("LGG", "LGG", "no glioma"), ("LGG", "HGG", "none")])
def test_choices_name_each_label_once(choices):
    with pytest.raises(UserError, match="choices"):
        Limits(choices=choices)


def test_points_survive_a_csv(tmp_path):
    table = tasks.answers_table(
        tasks.read_responses(_written(tmp_path, [response(POLYGON_TEXT), response("nothing", slice=5)])),
        tasks.get("polygon"),
    )
    table.to_csv(tmp_path / "answers.csv", index=False)
    again = tasks.read_answers(tmp_path / "answers.csv")
    assert tasks.points_from_text(again["points"][0]).tolist() == [list(point) for point in POLYGON]
    assert tasks.points_from_text(again["points"][1]) is None


def test_no_responses_make_an_empty_table(tmp_path):
    table = tasks.answers_table(tasks.read_responses(_written(tmp_path, [])), tasks.get("polygon"))
    assert list(table.columns) == list(tasks.COLUMNS) and table.empty


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_a_table_written_part_by_part_is_the_whole_one(tmp_path, count):
    texts = ["Choice: 1", "what?", "Choice: 0", "Choice: 2", "", "Choice: 1"][:count]
    shares = {"0": np.log(0.2), "1": np.log(0.6), "2": np.log(0.2)}
    rows = [response(text, slice=n, logprobs=shares if n % 2 else None) for n, text in enumerate(texts)]
    path = _written(tmp_path, rows)
    counts = tasks.write_answers(tasks.responses(path), tmp_path / "a.csv", tasks.get("classification"), at_once=2)
    whole = tasks.answers_table(tasks.read_responses(path), tasks.get("classification"))
    assert (tmp_path / "a.csv").read_text() == whole.to_csv(index=False)
    assert counts == whole["status"].value_counts().to_dict()


def test_the_texts_of_some_rows_are_found_in_all_files(tmp_path):
    for name in ("shard-0", "shard-1"):
        rows = [json.dumps(response(f"{name}, {n}", slice=n)) for n in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("\n\n".join(rows) + "\n")
    found = tasks.texts_of(sorted(tmp_path.glob("*.jsonl")), [1, 3, 5])
    assert found == {1: "shard-0, 1", 3: "shard-1, 0", 5: "shard-1, 2"}


@pytest.mark.parametrize(
    "line",
    [
        *("{", "[]", "3", '{"patient": "a"}', json.dumps(response(None)), "[" * 100_000),
        *(
            json.dumps(response("b", **odd))
            for odd in (
                *({"slice": "5"}, {"repeat": True}, {"patient": 7}, {"logprobs": 1}, {"logprobs": {"0": 1.0}}),
                *({"logprobs": {"0": -1, "1": bad, "2": -1}} for bad in (5.0, "x", True, None, float("nan"))),
            )
        ),
        json.dumps(response("\ud800", slice=5)),
        json.dumps(response("the same question again")),
    ],
)
def test_broken_response_names_file_and_line(tmp_path, line):
    path = tmp_path / "shard-0.jsonl"
    path.write_text(json.dumps(response("ok")) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"shard-0\.jsonl: line 2") as caught:
        tasks.read_responses(path)
    assert "\n" not in str(caught.value)


def test_a_question_answered_in_two_files_and_text_that_is_none_are_named(tmp_path):
    for name in ("shard-0", "shard-1"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(response("ok")) + "\n")
    with pytest.raises(UserError, match=r"shard-1\.jsonl: line 1 answers 007/axial/4/0 again, as line 1 of .*shard-0"):
        tasks.read_responses(sorted(tmp_path.glob("*.jsonl")))
    (tmp_path / "shard-0.jsonl").write_bytes(b'{"patient": "\xff"}')
    with pytest.raises(UserError, match=r"shard-0\.jsonl: not UTF-8"):
        tasks.read_responses(tmp_path / "shard-0.jsonl")


def test_probability_with_certain_answers():
    assert probability_of_hgg({"0": -1000.0, "1": 0.0, "2": -1000.0}) == 1.0
    assert probability_of_hgg({"0": 0.0, "1": -1000.0, "2": -1000.0}) == 0.0
    assert np.isnan(probability_of_hgg(None))


def _written(folder, rows):
    path = folder / "shard-0.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
