"""The study's page: verdicts from declared comparisons, pictures that are the crops, texts that stay texts."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
import small_page
from PIL import Image

from glioma.report.page import __main__, answer, build, follows, methods, patients


def test_a_card_for_grade_and_one_for_location():
    grade, location = answer.cards(small_page.summary(), small_page.comparisons(), small_page.PAIRS, small_page.MARGINS)
    assert grade.verdict == "The CNN “net” is better than the fine-tuned VLM “vlm-tuned”."
    assert [row.name for row in grade.rows] == ["net", "vlm-tuned", "always HGG"] and grade.chance == 0.5
    assert location.verdict == "The CNN “unet” is better than the fine-tuned VLM “box-tuned”."
    # The trivial baseline is among the rows though no pair names it.
    assert [row.name for row in location.rows] == ["unet", "box-tuned", "whole frame"] and location.chance is None
    assert "unet less box-tuned: +0.40 [+0.30, +0.50], difference; 40 patients" in location.evidence


def test_two_methods_at_chance_answer_nothing():
    table, tests = small_page.summary(), small_page.comparisons()
    table.loc[table["metric"] == "balanced_accuracy_all", ["value", "low"]] = [0.52, 0.4]
    tests[["effect", "effect_low", "effect_high"]] = [0.0, -0.05, 0.05]
    grade = answer.cards(table, tests, small_page.PAIRS, small_page.MARGINS)[0]
    assert grade.tone == "open" and grade.verdict.endswith("Neither can be told from chance.")


def test_the_headline_is_a_cnn_against_a_fine_tuned_vlm():
    tests = small_page.comparisons()
    other = tests[:1].assign(first="net", second="vlm-plain", effect_low=-0.5, effect_high=0.5)
    pairs = [["net", "vlm-plain"], *small_page.PAIRS]
    grade = answer.cards(small_page.summary(), pd.concat([other, tests]), pairs, small_page.MARGINS)[0]
    assert "vlm-tuned" in grade.verdict and "vlm-plain" in [row.name for row in grade.rows]


def test_only_declared_pairs_answer():
    assert answer.cards(small_page.summary(), small_page.comparisons(), [], small_page.MARGINS) == []


@pytest.mark.parametrize(
    ("low", "high", "tone", "words"),
    [
        (0.02, 0.3, "better", "“a” is better than “b”."),
        (-0.3, -0.02, "better", "“a” is worse than “b”."),
        (-0.08, 0.09, "equal", "“a” and “b” are as good as each other, within the declared margin of 0.1."),
        (-0.05, 0.3, "equal", "“a” is not worse than “b” by more than the declared margin of 0.1."),
        (-0.3, 0.05, "equal", "“a” is not better than “b” by more than the declared margin of 0.1."),
        (-0.3, 0.3, "open", "Whether “a” or “b” is better cannot be told from these patients."),
        (np.nan, np.nan, "open", "Whether “a” or “b” is better cannot be told: the difference has no interval."),
    ],
)
def test_verdicts(low, high, tone, words):
    assert answer.say({"first": "a", "second": "b", "effect_low": low, "effect_high": high}, 0.1) == (tone, words)


def test_answers_that_score_as_well_in_other_patients_do_not_follow_the_picture():
    (found,) = follows.localisers(small_page.summary())
    assert (found.name, found.distinct, found.group) == ("box-tuned", 7, "vlm fine-tuned")
    assert found.verdict.startswith("No sign of it")
    table = small_page.summary()
    table.loc[table["metric"] == "centre_in_other_boxes", ["value", "low", "high"]] = [0.1, 0.05, 0.15]
    assert follows.localisers(table)[0].verdict.startswith("Follows the picture")


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_pictures_are_the_slices_in_their_places():
    volume = np.zeros((23, 8, 9), np.uint8)
    for index in range(23):
        volume[index, index % 8, index % 9] = 200
    wide = decoded(patients.stencil(patients.mosaic(volume) > 0))
    assert wide.shape == (3 * 8, 10 * 9)
    for index in range(23):
        row, column = index // 10 * 8, index % 10 * 9
        assert np.array_equal(wide[row : row + 8, column : column + 9] > 0, volume[index] > 0), index
    grey = np.full((64, 64), 120, np.uint8)
    assert np.abs(decoded(patients.picture(grey))[..., 0].astype(int) - 120).max() < 4


def test_test_patients_and_the_most_often_wrong_are_shown_first():
    folds = pd.DataFrame({"patient": list("abcd"), "split": ["development", "test", "test", "development"]})
    assert patients.chosen(folds, {"c": 3, "b": 1, "a": 9}, 3) == ["c", "b", "a"]


def test_no_text_is_markup(tmp_path):
    text = small_page.write(tmp_path).read_text(encoding="utf-8")
    assert "onerror=alert" in text and "<img src=x" not in text
    # What the script reads holds the hostile text, and no character that could end its element.
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert "onerror" in data and not set("<>&\u2028") & set(data)
    policy = re.search(r'Content-Security-Policy"\s+content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy.partition("script-src")[2]
    # Nothing is fetched: every picture is in the file.
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)


def test_the_verdicts_in_the_terminal(tmp_path):
    said = __main__.lines(small_page.write(tmp_path).read_text(encoding="utf-8"))
    assert said[:2] == ["Grade: LGG or HGG?", "  The CNN “net” is better than the fine-tuned VLM “vlm-tuned”."]
    assert max(map(len, said)) <= 100 and sum("patients" in line for line in said) == 2


def test_methods_and_captions_are_html_of_the_texts():
    body = methods.html("placement", {})
    assert body.startswith("<") and "follow the picture" in body
    assert methods.caption(build.HERE / "no_such_figure.png", {}) == ""


def test_a_card_names_the_pair_that_its_verdict_is_about():
    """The list of patients shows both of them, not the first two of the card's rows."""
    cards = answer.cards(small_page.summary(), small_page.comparisons(), small_page.PAIRS, small_page.MARGINS)
    assert [card.headline for card in cards] == [("net", "vlm-tuned"), ("unet", "box-tuned")]
    assert all(f"“{name}”" in card.verdict for card in cards for name in card.headline)
