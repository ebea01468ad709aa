"""What methods are called: made of facts, and no two of a table alike."""

import figure_data as data
import pandas as pd
import pytest

from glioma.metrics import placement, records, segmentation
from glioma.report import html, labels
from glioma.scoring import samples


def table(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame([{"crops": "brain"} | row for row in rows], columns=labels.FACTS)


def test_the_group_is_a_fact_and_never_read_out_of_a_name():
    assert (
        labels.group("cnn", "") == "cnn"
        and labels.group("radiomics", "") == "radiomics"
        and labels.group("baseline", "") == "baseline"
    )
    fine_tuned = data.facts("polygon", "fine-tuned general", "vlm", "finetuned")
    assert labels.group("vlm", fine_tuned["adapter"]) == "vlm general"
    assert labels.label(fine_tuned) == "fine-tuned, off the shelf"
    assert labels.label(data.facts("polygon", "m finetuned", "vlm", "r")) == "m, fine-tuned"


def test_equal_labels_are_told_apart_and_lose_nothing():
    rows = table(
        data.facts("classification", "m general", "vlm", "plain"),
        data.facts("classification", "m general", "vlm", "expert"),
        data.facts("polygon", "m general", "vlm", "outline"),
        data.facts("classification", "m finetuned", "vlm", "tuned"),
        data.facts("classification", "net", "cnn"),
    )
    assert labels.labels(rows).tolist() == [
        *("m, off the shelf (plain)", "m, off the shelf (expert)", "m, off the shelf"),
        *("m, fine-tuned", "net"),
    ]
    assert labels.labels(rows.iloc[:0]).empty


def test_a_metric_is_known_by_its_record_wherever_it_is_shown(monkeypatch):
    new = records.Metric("volume_error", "Volume error", ("region",), unit="distance", decimals=2, better="lower")
    assert "volume_error" not in records.names("region") and html.number("volume_error", 1.256) == "1.256"
    monkeypatch.setattr(records, "RECORDS", (*records.RECORDS, new))
    monkeypatch.setitem(records.BY_NAME, new.name, new)
    assert records.names("region")[-1] == "volume_error" and html.number("volume_error", 1.256) == "1.26"
    assert records.heading("volume_error", "mm") == "Volume error (mm)"


def test_every_score_of_masks_has_a_record_and_no_other_is_claimed():
    of_masks = {*segmentation.SCORES, *segmentation.EXTENT, "dice_by_volume", "one_side_empty"} - {"true_voxels"}
    of_answers = {*placement.METRICS, *samples.METRICS, "parsed"}
    assert set(records.names("region")) == of_masks | of_answers
    assert of_answers - {"size_correlation"} <= set(records.names("point"))


@pytest.mark.parametrize("convention", records.HD95_CONVENTIONS)
def test_the_convention_of_hd95_is_named(convention):
    text = records.explained(["dice", "hd95", "dice"], convention)
    assert records.HD95_CONVENTIONS[convention] in text and text.count("Dice similarity") == 1
