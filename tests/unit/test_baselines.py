"""Baselines on volumes whose right answer is known, scored by the functions that score the models."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from glioma import tasks
from glioma.geometry import shapes
from glioma.metrics import segmentation
from glioma.scoring import baselines
from glioma.scoring.masks import score_cnn_segmenter
from glioma.scoring.outlines import score_located
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry
from glioma.tasks import points_from_text

SHAPE = (12, 128, 128)
SETTINGS = Settings(hd95_unit="px", resamples=100)


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    """A label volume with one ellipsoid."""
    offsets = (np.indices(SHAPE) - np.array(centre)[:, None, None, None]) / np.array([0.3, 1, 1])[:, None, None, None]
    return (np.sum(offsets**2, axis=0) <= radius**2).astype(np.uint8) * 2


MASKS = {"a": ball((5, 40, 50), 12), "b": ball((6, 80, 70), 15), "c": ball((5, 60, 90), 9)}


def flair(mask: np.ndarray, contrast: float, seed: int) -> np.ndarray:
    """Noise in a round brain, brighter in the tumour, with a small bright speck far from it."""
    rng = np.random.default_rng(seed)
    brain = np.hypot(*(np.indices(SHAPE)[1:] - 64)) < 60
    image = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1) * 40 + 100 + contrast * (mask > 0)
    image[5, 100:102, 40:42] = 250
    return np.where(brain, np.clip(image, 1, 255), 0).astype(np.uint8)


def score(task: str, answers: pd.DataFrame) -> pd.Series:
    """Metric -> value over the tumour slices."""
    entry = Entry(task, "baseline", "a baseline", cohort="test", crops="brain")
    summary = score_located(tasks.get(task), answers, MASKS, entry, SETTINGS).summary
    chosen = summary[(summary["slices"] == "tumour") & (summary["unit"] == "patient")]
    return chosen.set_index("metric")["value"]


def test_asked_slices_are_those_that_a_run_asks():
    asked = baselines.asked_slices(MASKS)
    for patient, mask in MASKS.items():
        own = asked.loc[asked["patient"] == patient, "slice"].tolist()
        assert own == [index for index in range(SHAPE[0]) if mask[index].any()]
    assert len(baselines.asked_slices(MASKS, selection="all")) == 3 * SHAPE[0]
    assert len(baselines.asked_slices(MASKS, "sagittal", "all")) == 3 * 128


def test_whole_frame_scores_what_arithmetic_says():
    asked = baselines.asked_slices(MASKS)
    expected = []
    for mask in MASKS.values():
        pixels = np.array([np.count_nonzero(layer) for layer in mask if layer.any()])
        expected.append(np.mean(2 * pixels / (pixels + 128 * 128)))
    for task in ("bounding_box", "polygon"):
        found = score(task, baselines.whole_frame(asked, tasks.get(task)))
        assert found["dice"] == pytest.approx(np.mean(expected))
        assert found["recall"] == 1 and found["specificity"] == 0


def test_image_centre():
    asked = baselines.asked_slices(MASKS)
    answers = baselines.whole_frame(asked, tasks.get("center_point"))
    assert set(answers["points"]) == {"[[63, 63]]"}
    found = score("center_point", answers)
    inside = [
        np.mean([_holds(shapes.box_from_mask(layer), (63, 63)) for layer in mask if layer.any()])
        for mask in MASKS.values()
    ]
    assert found["fraction_in_box"] == pytest.approx(np.mean(inside))


def test_mean_training_box_is_the_mean_over_slices():
    boxes = [shapes.box_from_mask(layer) for mask in MASKS.values() for layer in mask if layer.any()]
    box = baselines.mean_training_box(baselines.tumour_boxes(mask) for mask in MASKS.values())
    assert box == tuple(np.rint(np.mean(boxes, axis=0)))
    asked = baselines.asked_slices(MASKS)
    as_box = baselines.constant_box(asked, tasks.get("bounding_box"), box)
    as_polygon = baselines.constant_box(asked, tasks.get("polygon"), box)
    as_centre = baselines.constant_box(asked, tasks.get("center_point"), box)
    assert shapes.box_from_corners(points_from_text(as_box["points"][0])) == box
    assert tuple(points_from_text(as_centre["points"][0])[0]) == shapes.centre_from_box(box)
    polygon = points_from_text(as_polygon["points"][0])
    assert 10 <= len(polygon) <= 15
    np.testing.assert_array_equal(shapes.mask_from_polygon(polygon, (128, 128)), shapes.mask_from_box(box, (128, 128)))
    assert score("polygon", as_polygon)["dice"] == pytest.approx(score("bounding_box", as_box)["dice"])


def test_mean_training_box_needs_a_tumour():
    with pytest.raises(ValueError, match="tumour slice"):
        baselines.mean_training_box([baselines.tumour_boxes(np.zeros(SHAPE, np.uint8))])


def test_flair_threshold_is_the_largest_bright_component():
    mask = MASKS["a"]
    image = flair(mask, 60, seed=0)
    brain = image[image > 0].astype(float)
    found = baselines.flair_threshold(image, 2.0)
    above = image > brain.mean() + 2.0 * brain.std()
    assert above[5, 100, 40] and not found[5, 100, 40], "the far speck is bright but not the largest"
    assert not np.any(found & ~above)
    assert ndimage.label(found, np.ones((3, 3, 3)))[1] == 1
    assert segmentation.scores(found, mask > 0)["dice"] > 0.8
    assert not baselines.flair_threshold(np.zeros(SHAPE, np.uint8), 1.0).any()


def test_threshold_is_the_best_on_the_training_patients():
    training = [(flair(mask, 45, seed), mask) for seed, mask in enumerate(MASKS.values())]
    chosen = baselines.choose_deviations(baselines.threshold_dice(*each) for each in training)
    mean = {
        k: np.mean(
            [segmentation.overlap(baselines.flair_threshold(image, k), mask > 0)["dice"] for image, mask in training]
        )
        for k in baselines.DEVIATIONS
    }
    assert mean[chosen] == max(mean.values())
    assert len(set(mean.values())) > 5, "the choice makes a difference"
    quick = np.mean([baselines.threshold_dice(*each) for each in training], axis=0)
    assert quick == pytest.approx(list(mean.values())), "the search in shrinking boxes finds the same masks"
    with pytest.raises(ValueError, match="training"):
        baselines.choose_deviations([])


def test_threshold_dice_of_nothing():
    empty, image = np.zeros(SHAPE, np.uint8), flair(MASKS["a"], 60, 0)
    assert (baselines.threshold_dice(empty, MASKS["a"]) == 0).all()
    assert (baselines.threshold_dice(empty, empty) == 1).all()
    assert baselines.threshold_dice(image, empty)[0] == 0
    with pytest.raises(ValueError, match="rising"):
        baselines.threshold_dice(image, MASKS["a"], (2.0, 1.0))


def test_flair_threshold_in_all_units():
    found = {name: baselines.flair_threshold(flair(mask, 60, 3), 2.0) for name, mask in MASKS.items()}
    asked = baselines.asked_slices(MASKS)
    assert score("bounding_box", baselines.answers_from_masks(asked, tasks.get("bounding_box"), found))["dice"] > 0.6
    assert score("polygon", baselines.answers_from_masks(asked, tasks.get("polygon"), found))["dice"] > 0.7
    assert (
        score("center_point", baselines.answers_from_masks(asked, tasks.get("center_point"), found))["fraction_in_box"]
        > 0.8
    )
    entry = Entry("segmentation", "baseline", "FLAIR threshold", cohort="test", crops="brain")
    summary = score_cnn_segmenter(found.items(), MASKS, entry, SETTINGS).summary
    volume = summary[(summary["slices"] == "volume") & (summary["metric"] == "dice")]
    by_hand = np.mean([segmentation.overlap(found[name], mask > 0)["dice"] for name, mask in MASKS.items()])
    assert volume["value"].tolist() == pytest.approx([by_hand])


def test_a_slice_without_prediction_has_an_empty_answer():
    asked = baselines.asked_slices(MASKS)
    nothing = {name: np.zeros(SHAPE, bool) for name in MASKS}
    answers = baselines.answers_from_masks(asked, tasks.get("bounding_box"), nothing)
    assert set(answers["status"]) == {"empty"} and answers["points"].isna().all()
    assert score("bounding_box", answers)["dice"] == 0


def test_true_shapes_are_ceilings():
    """The centre of the true box is exact, the true polygon nearly so, and no box beats the true one by much."""
    asked = baselines.asked_slices(MASKS)
    centre = score("center_point", baselines.answers_from_masks(asked, tasks.get("center_point"), MASKS))
    assert centre["fraction_in_box"] == 1 and centre["p95_euclidean_distance"] == 0
    polygon = score("polygon", baselines.answers_from_masks(asked, tasks.get("polygon"), MASKS))["dice"]
    box = score("bounding_box", baselines.answers_from_masks(asked, tasks.get("bounding_box"), MASKS))["dice"]
    assert 1 > polygon > 0.93 > box > 0.8


def test_always_hgg():
    answers = baselines.always_hgg(baselines.asked_slices(MASKS, selection="all"))
    assert (answers["choice"] == 1).all() and (answers["status"] == "ok").all()


def test_site_majority_by_hand():
    training = pd.Series({"a": "HGG", "b": "HGG", "c": "LGG", "d": "LGG", "e": "HGG", "f": "LGG"})
    sites = pd.Series(
        {"a": "X", "b": "X", "c": "X", "d": "Y", "e": "", "f": "Y", "p": "X", "q": "Y", "r": "Z", "s": ""}
    )
    found = baselines.site_majority(training, sites, list("pqrs"))
    assert found == {"p": "HGG", "q": "LGG", "r": "HGG", "s": "HGG"}
    assert baselines.majority(training.drop("a")) == "LGG" and baselines.majority(training) == "HGG"
    assert baselines.site_majority(training, pd.Series("", index=sites.index), ["p"]) == {"p": "HGG"}


def test_graded_answers_follow_the_patient():
    asked = baselines.asked_slices(MASKS)
    table = baselines.graded(asked, {"a": "HGG", "b": "LGG", "c": "LGG"})
    assert table.groupby("patient")["choice"].agg(["min", "max"]).to_numpy().tolist() == [[1, 1], [0, 0], [0, 0]]


def _holds(box: shapes.Box, point: tuple[int, int]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]
