"""Scores against scikit-learn, medpy and the published tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from medpy.metric import binary as medpy
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage
from scipy.spatial import distance
from sklearn import metrics as sklearn

from glioma.metrics import centre, classification, regions, segmentation

PUBLISHED = pd.read_csv(Path(__file__).parents[2] / "resources" / "published_tables.csv")
# The confusion matrices (TP, FN, TN, FP) that the published rates imply.
MATRICES = {
    ("baseline", "validation"): (42, 7, 5, 8),
    ("baseline", "test"): (37, 7, 7, 4),
    ("general-axial", "test"): (43, 1, 0, 11),
    ("general-coronal", "test"): (44, 0, 0, 11),
    ("general-sagittal", "test"): (42, 1, 1, 10),
    ("general-axial-tumour-slices", "test"): (40, 4, 2, 9),
    ("finetuned-100-steps", "test"): (35, 5, 3, 7),
    ("finetuned-full-epoch", "test"): (29, 12, 5, 5),
}
BALANCED_AND_MCC = {
    ("baseline", "validation"): (0.621, 0.249),
    ("baseline", "test"): (0.739, 0.438),
    ("general-axial", "test"): (0.489, -0.068),
    ("general-coronal", "test"): (0.5, np.nan),
    ("general-sagittal", "test"): (0.534, 0.144),
    ("general-axial-tumour-slices", "test"): (0.5455, 0.117),
    ("finetuned-100-steps", "test"): (0.588, 0.191),
    ("finetuned-full-epoch", "test"): (0.604, 0.175),
}
truths = arrays.arrays(bool, st.integers(1, 30))
small_shapes = st.one_of(st.tuples(*[st.integers(1, 9)] * 2), st.tuples(*[st.integers(1, 6)] * 3))
mask_pairs = small_shapes.flatmap(lambda shape: st.tuples(*[arrays.arrays(bool, shape)] * 2))


def expand(tp: int, fn: int, tn: int, fp: int) -> tuple[np.ndarray, np.ndarray]:
    truth = np.repeat([True, True, False, False], [tp, fn, tn, fp])
    return truth, np.repeat([True, False, False, True], [tp, fn, tn, fp])


@pytest.mark.parametrize(("setting", "cohort"), MATRICES)
def test_published_classification_tables(setting, cohort):
    published = PUBLISHED.query("task == 'classification' and setting == @setting and cohort == @cohort")
    published = published[published["metric"] != "auc"]
    assert len(published) == 5
    counts = classification.confusion(*expand(*MATRICES[setting, cohort]))
    assert counts == MATRICES[setting, cohort]
    found = classification.scores(counts)
    for metric, value in published[["metric", "value"]].itertuples(index=False):
        assert round(float(found[metric]), 4) == pytest.approx(value, abs=1e-9), metric
    balanced, mcc = BALANCED_AND_MCC[setting, cohort]
    assert float(found["balanced_accuracy"]) == pytest.approx(balanced, abs=5.1e-4)
    assert float(found["mcc"]) == pytest.approx(mcc, abs=5.1e-4, nan_ok=True)


@given(truths, st.data())
def test_classification_agrees_with_sklearn(truth, data):
    predicted = data.draw(arrays.arrays(bool, truth.shape))
    found = classification.scores(classification.confusion(truth, predicted))
    undefined = {"zero_division": np.nan}
    expected = {
        "accuracy": sklearn.accuracy_score(truth, predicted),
        "precision": sklearn.precision_score(truth, predicted, **undefined),
        "recall": sklearn.recall_score(truth, predicted, **undefined),
        "specificity": sklearn.recall_score(~truth, ~predicted, **undefined),
        "f1": sklearn.f1_score(truth, predicted, **undefined),
    }
    if truth.any() and not truth.all():
        expected["balanced_accuracy"] = sklearn.balanced_accuracy_score(truth, predicted)
    if all(side.any() and not side.all() for side in (truth, predicted)):
        expected["mcc"] = sklearn.matthews_corrcoef(truth, predicted)
    for metric in classification.METRICS:
        assert float(found[metric]) == pytest.approx(expected.get(metric, np.nan), nan_ok=True), metric


@given(arrays.arrays(float, st.integers(1, 15), elements=st.integers(0, 4)), st.data())
def test_auc_agrees_with_sklearn(positive, data):
    negative = data.draw(arrays.arrays(float, st.integers(1, 15), elements=st.integers(0, 4)))
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    expected = sklearn.roc_auc_score(truth, np.concatenate([positive, negative]))
    assert classification.auc(positive, negative) == pytest.approx(expected)


def test_auc_without_one_grade_is_undefined():
    assert np.isnan(classification.auc(np.array([0.3]), np.array([])))


def test_scores_work_on_stacks():
    rng = np.random.default_rng(0)
    truth, predicted = rng.random((5, 12)) < 0.6, rng.random((5, 12)) < 0.5
    stacked = classification.scores(classification.confusion(truth, predicted))
    for row in range(5):
        single = classification.scores(classification.confusion(truth[row], predicted[row]))
        for metric in classification.METRICS:
            np.testing.assert_equal(stacked[metric][row], single[metric])


@given(mask_pairs)
def test_segmentation_agrees_with_medpy(pair):
    predicted, truth = pair
    found = segmentation.scores(predicted, truth)
    if not (predicted.any() or truth.any()):
        assert [found[name] for name in ("dice", "precision", "recall", "nsd", "hd95")] == [1, 1, 1, 1, 0]
        return
    assert found["dice"] == medpy.dc(predicted, truth)
    assert found["precision"] == (medpy.precision(predicted, truth) if predicted.any() else 0)
    assert found["recall"] == (medpy.recall(predicted, truth) if truth.any() else 0)
    if not truth.all():
        assert found["specificity"] == pytest.approx(medpy.specificity(predicted, truth))
    else:
        assert np.isnan(found["specificity"])
    if predicted.any() and truth.any():
        assert found["hd95"] == medpy.hd95(predicted, truth)
    else:
        assert (found["hd95"], found["nsd"]) == (np.linalg.norm(truth.shape), 0)


@pytest.mark.parametrize("convention", ["pooled", "max"])
@given(mask_pairs, st.sampled_from([None, (3.0, 0.5, 0.7)]))
def test_both_backends_give_the_same_scores(convention, pair, spacing):
    spacing = spacing and spacing[: pair[0].ndim]
    own, by_medpy = (
        segmentation.scores(*pair, spacing, convention=convention, backend=backend) for backend in ("own", "medpy")
    )
    assert by_medpy == pytest.approx(own, nan_ok=True)


def test_medpy_computes_what_the_key_leaves_to_it(monkeypatch):
    """Its functions are called, and their results are what is returned."""
    masks = blobs(0), blobs(1)
    for name, value in (("dc", 0.125), ("precision", 0.25), ("recall", 0.5), ("specificity", 0.75), ("hd95", 7.0)):
        monkeypatch.setattr(medpy, name, lambda *_, value=value, **__: value)
    monkeypatch.setattr(medpy, "__surface_distances", lambda *_: np.array([1.0, 3.0]))
    found = segmentation.scores(*masks, backend="medpy")
    assert found == {"dice": 0.125, "precision": 0.25, "recall": 0.5, "specificity": 0.75, "hd95": 7.0, "nsd": 0.5}
    assert segmentation.scores(*masks)["dice"] != 0.125


def blobs(seed: int, shape: tuple[int, ...] = (40, 64, 64)) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return noise > np.quantile(noise, 0.95)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, 1.0), (3.0, 0.5, 0.7)])
def test_hd95_of_volumes_equals_medpy(seed, spacing):
    predicted, truth = blobs(seed), np.roll(blobs(seed + 100), 2, axis=1)
    ours, theirs = segmentation.hd95(predicted, truth, spacing), medpy.hd95(predicted, truth, spacing)
    if spacing is None or set(spacing) == {1.0}:
        assert ours == theirs
    else:
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_hd95_at_the_border_and_for_a_declared_empty_side():
    full, corner = np.ones((20, 20), bool), np.zeros((20, 20), bool)
    corner[0, 0] = True
    assert segmentation.hd95(full, corner) == medpy.hd95(full, corner)
    nothing = np.zeros_like(corner)
    assert segmentation.hd95(nothing, corner, spacing=(2.0, 2.0)) == pytest.approx(2 * np.hypot(20, 20))
    assert segmentation.hd95(nothing, corner, empty=373.13) == 373.13
    assert segmentation.hd95(nothing, nothing, empty=373.13) == 0


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.5, 0.7)])
def test_nsd_equals_monai(tolerance, spacing):
    for seed in range(3):
        predicted, truth = blobs(seed, (20, 40, 40)), np.roll(blobs(seed, (20, 40, 40)), (1, 3), axis=(0, 2))
        one_hot = [torch.from_numpy(np.stack([~mask, mask])[None]) for mask in (predicted, truth)]
        theirs = compute_surface_dice(*one_hot, class_thresholds=[tolerance], spacing=spacing).item()
        ours = segmentation.boundary(predicted, truth, spacing, tolerance=tolerance)["nsd"]
        assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(("spacing", "digits"), [(None, 0), ((1.3, 1.3, 1.3), 1e-14), ((3.0, 0.5, 0.7), 1e-6)])
def test_three_ways_to_the_nearest_voxel_agree(monkeypatch, spacing, digits):
    """By all pairs, by a tree, and by the transform of a frame, which was made for another mask."""
    predicted, mask, frame = blobs(3), np.roll(blobs(4), 2, axis=1), np.ones((40, 64, 64), bool)
    found = {}
    for way, pairs, voxels in (("pairs", 10**9, 0), ("tree", 0, 0), ("transform", 0, 10**9)):
        monkeypatch.setattr(regions, "PAIRS", pairs)
        monkeypatch.setattr(regions, "VOXELS_A_POINT", voxels)
        truth = regions.Region(mask, spacing)
        if way == "transform":
            regions.distances(regions.Region(frame, spacing), truth)
        found[way] = np.concatenate(regions.distances(regions.Region(predicted, spacing), truth))
    np.testing.assert_allclose(found["pairs"], found["tree"], rtol=1e-14)
    np.testing.assert_allclose(found["transform"], found["pairs"], rtol=digits)


@pytest.mark.parametrize("spacing", [None, (3.0, 0.5, 0.7)])
@pytest.mark.parametrize(
    ("first", "last"), [((0, 0, 0), (40, 64, 64)), ((12, 20, 9), (28, 21, 50)), ((30, 40, 40), (31, 41, 41))]
)
def test_distances_to_a_box_are_those_to_its_nearest_voxel(spacing, first, last):
    """Of points within it, outside, and on it; the frame, a sheet and a single voxel among the boxes."""
    box, mask = np.zeros((40, 64, 64), bool), blobs(3)
    box[tuple(map(slice, first, last))] = True
    full, other = regions.Region(box, spacing), regions.Region(mask, spacing)
    expected = distance.cdist(other.places, full.places).min(axis=1)
    np.testing.assert_allclose(full.distances(other), expected, rtol=1e-14)
    assert (expected > 0).any()


def test_a_region_is_what_it_is_and_equal_pixels_are_scored_once():
    truth, answer = blobs(1)[20], blobs(2)[20]
    assert regions.Region.of(region := regions.Region(truth)) is region
    rows, columns = np.nonzero(truth)
    assert region.box == (rows.min(), columns.min(), rows.max(), columns.max())
    assert region.size == truth.sum() and regions.Region(np.zeros_like(truth)).box is None
    assert segmentation.scores(regions.Region(answer), region) == segmentation.scores(answer, truth)


def test_nsd_by_hand():
    """Two columns of ten pixels, four apart but for one of them that is two apart."""
    first, second = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    first[1:11, 2] = second[1:11, 6] = True
    second[1, 4] = True
    distances = segmentation.surface_distances(first, second)
    assert sorted(distances) == sorted([2, np.hypot(1, 2), np.hypot(2, 2), np.hypot(3, 2)] + [4] * 6 + [4] * 10 + [2])
    assert segmentation.boundary(first, second, tolerance=2.5)["nsd"] == pytest.approx(3 / 21)


@given(st.tuples(*[st.integers(0, 30)] * 2), st.tuples(*[st.integers(0, 30)] * 4))
def test_distance_to_box_is_that_to_its_nearest_pixel(point, edges):
    box = (*np.minimum(edges[:2], edges[2:]), *np.maximum(edges[:2], edges[2:]))
    pixels = np.stack(np.meshgrid(np.arange(box[0], box[2] + 1), np.arange(box[1], box[3] + 1)), -1).reshape(-1, 2)
    nearest = np.linalg.norm(pixels - np.array(point), axis=1).min()
    found = centre.scores(point, box, missing=99.0)
    assert found["distance_to_box"] == pytest.approx(nearest)
    assert found["in_box"] == (nearest == 0)


def test_centre_scores():
    box = (10, 20, 14, 28)
    assert centre.scores((12, 24), box, 99.0) == {"in_box": 1, "distance_to_box": 0, "euclidean_distance": 0}
    assert centre.scores((17, 32), box, 99.0) == {
        "in_box": 0,
        "distance_to_box": 5,
        "euclidean_distance": pytest.approx(np.hypot(5, 8)),
    }
    assert centre.scores(None, box, 99.0) == {"in_box": 0, "distance_to_box": 99, "euclidean_distance": 99}
    summary = centre.summarise(np.array([1, 0]), np.array([0.0, 10.0]), np.array([0.0, 20.0]))
    assert summary == {"fraction_in_box": 0.5, "p95_distance_to_box": 9.5, "p95_euclidean_distance": 19.0}


@pytest.mark.parametrize("spacing", [None, (3.0, 1.0, 1.5)])
def test_the_larger_of_two_directed_percentiles_is_monais_hd95(spacing):
    rng = np.random.default_rng(4)
    larger = 0
    for _ in range(8):
        predicted, truth = (ndimage.gaussian_filter(rng.normal(size=(12, 16, 16)), 2) > 0.02 for _ in range(2))
        found = {
            name: segmentation.boundary(predicted, truth, spacing, convention=name)["hd95"]
            for name in ("max", "pooled")
        }
        tensors = (torch.from_numpy(mask)[None, None].float() for mask in (predicted, truth))
        expected = compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=spacing)
        assert found["max"] == pytest.approx(float(expected), abs=1e-4)
        assert found["pooled"] == pytest.approx(medpy.hd95(predicted, truth, spacing or (1, 1, 1)))
        larger += found["max"] > found["pooled"]
    assert larger


def test_extent_by_hand():
    truth, predicted = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    truth[1:3, 1:3] = truth[6:8, 6:8] = True
    predicted[1:4, 1:3] = predicted[8, 8] = True
    found = segmentation.extent(predicted, truth)
    assert found == {"true_voxels": 8, "oversegmented": 3 / 8, "components": 2, "true_components": 2}
    # What touches by a corner is one part.
    predicted[4, 3] = True
    assert segmentation.extent(predicted, truth)["components"] == 2
    assert np.isnan(segmentation.extent(predicted, np.zeros_like(truth))["oversegmented"])
