"""Score tables recomputed by hand from the level below: slices -> patients -> summary."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats
from sklearn import metrics as sklearn

from glioma import tasks
from glioma.base.errors import UserError
from glioma.geometry import shapes, slices
from glioma.metrics import segmentation
from glioma.scoring import baselines, summaries
from glioma.scoring.grades import score_classification, score_cnn_classifier, score_consistency
from glioma.scoring.masks import score_cnn_segmenter
from glioma.scoring.outlines import score_located
from glioma.scoring.settings import Settings, Votes
from glioma.scoring.summaries import Entry
from glioma.scoring.tables import members, merge, slice_truth
from glioma.stats.statistics import auc_interval
from glioma.tasks import COLUMNS, STATUSES

SHAPE = (20, 128, 128)
SETTINGS = Settings(hd95_unit="px", resamples=300)


def entry(task: str, arm: str = "vlm", cohort: str = "test") -> Entry:
    return Entry(task, arm, "a-run", "tiny", "", cohort, "brain")


def volume(seed: int) -> np.ndarray:
    """A label volume with one smooth tumour in the middle slices."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), (3, 9, 9))
    noise[:4] = noise[-4:] = -1
    return (shapes.largest_component(noise > np.quantile(noise, 0.97)) * 4).astype(np.uint8)


MASKS = {f"p{seed}": volume(seed) for seed in range(6)}
GRADES = pd.Series({"p0": "LGG", "p1": "LGG", "p2": "HGG", "p3": "HGG", "p4": "HGG", "p5": "HGG"})


def value(summary: pd.DataFrame, metric: str, **where: str) -> pd.Series:
    """The one row of a summary."""
    chosen = summary[summary["metric"] == metric]
    for column, wanted in where.items():
        chosen = chosen[chosen[column] == wanted]
    assert len(chosen) == 1, chosen
    return chosen.iloc[0]


def graded_answers(seed: int = 0, patients: tuple[str, ...] = tuple(MASKS)) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    asked = baselines.asked_slices({name: MASKS[name] for name in patients}, selection="all")
    answers = baselines.always_hgg(asked)
    answers["choice"] = pd.array(rng.integers(0, 3, len(answers)), dtype="Int64")
    answers["status"] = rng.choice(["ok", "ok", "ok", "malformed", "truncated"], len(answers))
    answers.loc[answers["status"] != "ok", "choice"] = pd.NA
    return answers.assign(p_hgg=rng.random(len(answers)).round(4))


def shape_answers(task: str, seed: int = 0, selection: str = "all") -> pd.DataFrame:
    """Answers from displaced masks, some of them unreadable."""
    moved = {name: np.roll(mask, (3, -4), axis=(1, 2)) for name, mask in MASKS.items()}
    asked = baselines.asked_slices(MASKS, selection=selection)
    answers = baselines.answers_from_masks(asked, tasks.get(task), moved)
    broken = np.random.default_rng(seed).random(len(answers)) < 0.1
    answers.loc[broken, "status"] = "malformed"
    return answers


def test_classification_can_be_recomputed_by_hand():
    answers = graded_answers()
    answers = answers[answers["patient"] != "p5"]
    scores = score_classification(answers, slice_truth(MASKS), GRADES, entry("classification"), SETTINGS)
    assert len(scores.slices) == len(answers)
    assert list(scores.summary.columns) == list(summaries.COLUMNS)
    for subset in ("all", "tumour"):
        patients = scores.patients[scores.patients["slices"] == subset].set_index("patient")
        assert patients.index.tolist() == GRADES.index.tolist()
        for patient, row in patients.iterrows():
            own = scores.slices[(scores.slices["patient"] == patient) & (scores.slices["status"] == "ok")]
            if subset == "tumour":
                own = own[own["slice"].map(lambda index, mask=MASKS[patient]: mask[index].any()).astype(bool)]
            hgg, lgg = (own["choice"] == 1).sum(), (own["choice"] == 0).sum()
            assert (row["n_hgg"], row["n_lgg"]) == (hgg, lgg)
            assert row["label"] == ("" if hgg == lgg else "HGG" if hgg > lgg else "LGG")
        decided = patients[patients["label"] != ""]
        undecided = patients[patients["label"] == ""]
        assert "p5" in undecided.index
        where = {"slices": subset, "orientation": "axial", "unit": "patient"}
        accuracy = value(scores.summary, "accuracy", **where)
        assert accuracy["value"] == pytest.approx(np.mean(decided["label"] == decided["grade"]))
        assert accuracy["n"] == len(decided) and accuracy["n_undecided"] == len(undecided)
        everyone = value(scores.summary, "accuracy_all", **where)
        assert everyone["value"] == pytest.approx(np.mean(patients["label"] == patients["grade"]))
        assert everyone["n"] == 6
        wrong = {"HGG": "LGG", "LGG": "HGG"}
        called = patients["label"].where(patients["label"] != "", patients["grade"].map(wrong))
        expected = sklearn.balanced_accuracy_score(patients["grade"], called)
        assert value(scores.summary, "balanced_accuracy_all", **where)["value"] == pytest.approx(expected)
        known = patients.dropna(subset=["p_hgg"])
        auc = value(scores.summary, "auc_logprob", **where)
        assert auc["value"] == pytest.approx(sklearn.roc_auc_score(known["grade"] == "HGG", known["p_hgg"]))
        assert auc["n"] == 5 and auc["n_undecided"] == 1
        known = patients.dropna(subset=["gldr"])
        auc = value(scores.summary, "auc_tally", **where)
        assert auc["value"] == pytest.approx(sklearn.roc_auc_score(known["grade"] == "HGG", known["gldr"]))


def test_every_answer_is_counted_once_by_status():
    answers = graded_answers()
    scores = score_classification(answers, slice_truth(MASKS), GRADES, entry("classification"), SETTINGS)
    rows = scores.summary[(scores.summary["slices"] == "all") & scores.summary["metric"].str.startswith("answers_")]
    assert len(rows) == len(STATUSES) and rows["value"].sum() == len(answers)
    counts = rows.set_index("metric")["value"]
    assert counts["answers_malformed"] == (answers["status"] == "malformed").sum()
    parsed = value(scores.summary, "parsed", slices="all", unit="slice")
    assert parsed["value"] == pytest.approx((answers["status"] == "ok").mean())


def test_always_hgg_ranks_nothing():
    asked = baselines.asked_slices(MASKS, selection="all")
    scores = score_classification(
        baselines.always_hgg(asked), slice_truth(MASKS), GRADES, entry("classification", "baseline"), SETTINGS
    )
    where = {"slices": "all", "orientation": "axial"}
    assert value(scores.summary, "accuracy", **where)["value"] == pytest.approx(4 / 6)
    assert value(scores.summary, "balanced_accuracy", **where)["value"] == 0.5
    assert value(scores.summary, "auc_tally", **where)["value"] == 0.5
    for metric in ("mcc", "auc_logprob"):
        row = value(scores.summary, metric, **where)
        assert np.isnan([row["value"], row["low"], row["high"]]).all()


def test_no_glioma_winner_that_counts_is_decided_and_wrong():
    answers = baselines.always_hgg(baselines.asked_slices(MASKS, selection="all"))
    answers.loc[answers["patient"].isin(["p0", "p2"]), "choice"] = 2
    settings = Settings(hd95_unit="px", votes=Votes(no_glioma="counts"), resamples=100)
    scores = score_classification(answers, slice_truth(MASKS), GRADES, entry("classification"), settings)
    cells = {name: value(scores.summary, name, slices="all")["value"] for name in ("tp", "fn", "tn", "fp")}
    assert cells == {"tp": 3, "fn": 1, "tn": 0, "fp": 2}
    assert value(scores.summary, "accuracy", slices="all")["n_undecided"] == 0


def test_only_tumour_slices_asked_make_no_all_row():
    answers = shape_answers("bounding_box", selection="tumour")
    which = tasks.get("bounding_box"), answers, MASKS, entry("bounding_box"), SETTINGS
    assert set(score_located(*which, selection="tumour").summary["slices"]) == {"tumour", "tumour volume"}
    # Where every slice that was asked about happens to show tumour, they still are all slices: table 2's counterpart.
    for selection in ("all", "range"):
        found = score_located(*which, selection=selection).summary
        assert set(found["slices"]) == {"all", "volume", "tumour", "tumour volume"}


def test_a_range_full_of_tumour_is_voted_on_as_all_slices():
    answers = graded_answers()
    shown = answers.merge(slice_truth(MASKS), on=["patient", "orientation", "slice"])
    answers = answers[shown["tumour"].to_numpy()]
    scores = score_classification(
        answers, slice_truth(MASKS), GRADES, entry("classification"), SETTINGS, selection="range"
    )
    votes = {subset: own["label"].tolist() for subset, own in scores.patients.groupby("slices")}
    assert set(votes) == {"all", "tumour"} and votes["all"] == votes["tumour"]


def test_answers_without_truth_are_an_error():
    answers = graded_answers().assign(slice=99)
    with pytest.raises(ValueError, match="no truth"):
        score_classification(answers, slice_truth(MASKS), GRADES, entry("classification"), SETTINGS)


@pytest.mark.parametrize("task", ["bounding_box", "polygon"])
@pytest.mark.parametrize("unreadable", ["empty", "exclude"])
def test_shapes_can_be_recomputed_by_hand(task, unreadable):
    answers = shape_answers(task)
    settings = Settings(hd95_unit="px", resamples=300, unreadable=unreadable)
    scores = score_located(tasks.get(task), answers, MASKS, entry(task), settings)
    draw = {
        "bounding_box": lambda points: shapes.mask_from_box(shapes.box_from_corners(points), (128, 128)),
        "polygon": lambda points: shapes.mask_from_polygon(points, (128, 128)),
    }[task]
    for subset, stacked_name in (("all", "volume"), ("tumour", "tumour volume")):
        means, stacks = {}, {}
        for patient, mask in MASKS.items():
            found, predicted, truth = [], np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
            for row in answers[answers["patient"] == patient].itertuples():
                readable = row.status == "ok"
                if (subset == "tumour" and not mask[row.slice].any()) or (unreadable == "exclude" and not readable):
                    continue
                if readable:
                    predicted[row.slice] = draw(np.array(json.loads(row.points)))
                truth[row.slice] = mask[row.slice] > 0
                found.append(segmentation.scores(predicted[row.slice], truth[row.slice]))
            means[patient] = pd.DataFrame(found).mean()
            stacks[patient] = segmentation.scores(predicted, truth)
        for name, expected in ((subset, means), (stacked_name, stacks)):
            expected = pd.DataFrame(expected).T
            rows = scores.patients[scores.patients["slices"] == name].set_index("patient")
            for metric in segmentation.SCORES:
                np.testing.assert_allclose(rows[metric], expected.loc[rows.index, metric].astype(float))
                row = value(scores.summary, metric, slices=name, unit="patient")
                assert row["value"] == pytest.approx(rows[metric].mean()) and row["n"] == 6
                assert row["low"] <= row["value"] <= row["high"]


def test_unreadable_answers_are_empty_predictions():
    answers = shape_answers("bounding_box", selection="tumour").assign(status="malformed")
    scores = score_located(tasks.get("bounding_box"), answers, MASKS, entry("bounding_box"), SETTINGS)
    dice = value(scores.summary, "dice", slices="tumour", unit="patient")
    assert (dice["value"], dice["n"], dice["n_undecided"]) == (0, 6, 6)
    assert value(scores.summary, "hd95", slices="tumour", unit="patient")["value"] == pytest.approx(np.hypot(128, 128))
    empty = value(scores.summary, "one_side_empty", slices="tumour")
    assert empty["value"] == empty["n"] == len(answers)
    left_out = score_located(
        tasks.get("bounding_box"),
        answers,
        MASKS,
        entry("bounding_box"),
        Settings(hd95_unit="px", unreadable="exclude", resamples=100),
    )
    dice = value(left_out.summary, "dice", slices="tumour", unit="patient")
    assert np.isnan(dice["value"]) and dice["n"] == 0 and dice["n_undecided"] == 6


def test_centre_can_be_recomputed_by_hand():
    answers = shape_answers("center_point")
    scores = score_located(tasks.get("center_point"), answers, MASKS, entry("center_point"), SETTINGS)
    assert not scores.summary["slices"].str.contains("volume").any()
    rows = scores.patients[scores.patients["slices"] == "tumour"].set_index("patient")
    for patient, mask in MASKS.items():
        inside, from_box, from_centre = [], [], []
        for row in answers[answers["patient"] == patient].itertuples():
            box = shapes.box_from_mask(mask[row.slice])
            if box is None:
                continue
            if row.status != "ok":
                found = (0, np.hypot(128, 128), np.hypot(128, 128))
            else:
                ((r, c),) = json.loads(row.points)
                gaps = max(box[0] - r, r - box[2], 0), max(box[1] - c, c - box[3], 0)
                middle = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
                found = (gaps == (0, 0), np.hypot(*gaps), np.hypot(r - middle[0], c - middle[1]))
            for values, each in zip((inside, from_box, from_centre), found, strict=True):
                values.append(each)
        assert rows.loc[patient, "fraction_in_box"] == pytest.approx(np.mean(inside))
        assert rows.loc[patient, "p95_distance_to_box"] == pytest.approx(np.percentile(from_box, 95))
        assert rows.loc[patient, "p95_euclidean_distance"] == pytest.approx(np.percentile(from_centre, 95))
    published = {"fraction_in_box", "p95_distance_to_box", "p95_euclidean_distance"}
    assert published <= set(scores.summary["metric"])


@pytest.mark.parametrize("task", ["bounding_box", "polygon"])
def test_true_shapes_score_one_against_shapes_and_less_against_the_mask(task):
    asked = baselines.asked_slices(MASKS)
    answers = baselines.answers_from_masks(asked, tasks.get(task), MASKS)
    dice = {}
    for truth in ("shape", "mask"):
        settings = Settings(hd95_unit="px", truth=truth, resamples=100)
        scores = score_located(tasks.get(task), answers, MASKS, entry(task), settings)
        dice[truth] = value(scores.summary, "dice", slices="tumour", unit="patient")["value"]
    assert dice["shape"] == 1 > dice["mask"] > 0.7


def test_box_readings():
    answers = baselines.constant_box(baselines.asked_slices(MASKS), tasks.get("bounding_box"), (30, 30, 89, 99))
    pixels = {}
    for reading in ("inclusive", "exclusive"):
        settings = Settings(hd95_unit="px", box_maximum=reading, resamples=100)
        scores = score_located(tasks.get("bounding_box"), answers, MASKS, entry("bounding_box"), settings)
        precision = scores.slices["precision"]
        pixels[reading] = (precision * (60 * 70 if reading == "inclusive" else 59 * 69)).to_numpy()
    # Precision times the box's area is the overlap, which an exclusive maximum can only make smaller.
    assert np.all(pixels["exclusive"] <= pixels["inclusive"] + 1e-9)
    np.testing.assert_allclose(pixels["exclusive"], np.rint(pixels["exclusive"]), atol=1e-6)


def test_square_truth_is_wider():
    answers = baselines.answers_from_masks(baselines.asked_slices(MASKS), tasks.get("bounding_box"), MASKS)
    dice = [
        score_located(
            tasks.get("bounding_box"),
            answers,
            MASKS,
            entry("bounding_box"),
            Settings(hd95_unit="px", truth="shape", square_box=square),
        ).slices["dice"]
        for square in (False, True)
    ]
    assert (dice[0] == 1).all() and (dice[1] <= 1).all() and dice[1].min() < 1


@pytest.mark.parametrize("orientation", slices.ORIENTATIONS)
def test_millimetres_and_orientations(orientation):
    """Isotropic voxels of 2 mm double every HD95 and leave Dice alone, in every orientation."""
    asked = baselines.asked_slices(MASKS, orientation)
    moved = {name: np.roll(mask, (3, -4), axis=(1, 2)) for name, mask in MASKS.items()}
    answers = baselines.answers_from_masks(asked, tasks.get("bounding_box"), moved)
    spacings = dict.fromkeys(MASKS, (2.0, 2.0, 2.0))
    in_pixels, in_mm = (
        score_located(
            tasks.get("bounding_box"),
            answers,
            MASKS,
            entry("bounding_box"),
            Settings(hd95_unit=unit, resamples=100),
            spacings,
        ).patients
        for unit in ("px", "mm")
    )
    np.testing.assert_allclose(in_mm["hd95"], 2 * in_pixels["hd95"])
    np.testing.assert_allclose(in_mm["dice"], in_pixels["dice"])
    assert set(in_mm["orientation"]) == {orientation}


def test_anisotropic_millimetres_reach_the_right_axes():
    mask = np.zeros(SHAPE, np.uint8)
    mask[10, 60:70, 60:70] = 1
    shifted = np.roll(mask, 5, axis=2)
    spacings = {"a": (7.0, 1.0, 3.0)}
    boxes = tasks.get("bounding_box")
    answers = baselines.answers_from_masks(baselines.asked_slices({"a": mask}), boxes, {"a": shifted})
    settings = Settings(hd95_unit="mm", resamples=100)
    found = score_located(tasks.get("bounding_box"), answers, {"a": mask}, entry("bounding_box"), settings, spacings)
    # Five columns of 3 mm: the far edges are 15 mm apart.
    assert found.patients["hd95"].tolist() == [15.0] * 4


def test_cnn_segmenter_and_vlm_stack_share_their_unit():
    """A CNN mask that is a box per slice scores as the same boxes said by a VLM."""
    answers = baselines.answers_from_masks(
        baselines.asked_slices(MASKS),
        tasks.get("bounding_box"),
        {name: np.roll(mask, 4, axis=2) for name, mask in MASKS.items()},
    )
    drawn = {name: np.zeros(SHAPE, bool) for name in MASKS}
    for row in answers[answers["status"] == "ok"].itertuples():
        box = shapes.box_from_corners(np.array(json.loads(row.points)))
        drawn[row.patient][row.slice] = shapes.mask_from_box(box, (128, 128))
    vlm = score_located(tasks.get("bounding_box"), answers, MASKS, entry("bounding_box"), SETTINGS)
    cnn = score_cnn_segmenter(drawn.items(), MASKS, entry("segmentation", "cnn"), SETTINGS)
    for name in ("tumour volume", "tumour"):
        ours, theirs = (
            table.patients[table.patients["slices"] == name].set_index("patient")[list(segmentation.SCORES)]
            for table in (vlm, cnn)
        )
        pd.testing.assert_frame_equal(ours, theirs.loc[ours.index])
    whole = value(cnn.summary, "dice", slices="volume", orientation="volume", unit="patient")
    by_hand = np.mean([segmentation.scores(drawn[name], mask > 0)["dice"] for name, mask in MASKS.items()])
    assert whole["value"] == pytest.approx(by_hand) and whole["n"] == 6


def test_cnn_segmenter_averages_folds():
    half = {name: mask * (np.arange(128) < 64) for name, mask in MASKS.items()}
    predicted = [*MASKS.items(), *half.items()]
    scores = score_cnn_segmenter(predicted, MASKS, entry("segmentation", "cnn", "test"), SETTINGS)
    rows = scores.patients[scores.patients["slices"] == "volume"].set_index("patient")
    for name, mask in MASKS.items():
        alone = segmentation.scores(half[name] > 0, mask > 0)["dice"]
        assert rows.loc[name, "dice"] == pytest.approx((1 + alone) / 2)


def test_cnn_classifier_can_be_recomputed_by_hand():
    rng = np.random.default_rng(3)
    predictions = pd.DataFrame(
        {"patient": [name for name in MASKS if name != "p5"] * 2, "p_hgg": rng.random(10).round(3)}
    )
    scores = score_cnn_classifier(predictions, GRADES, entry("classification", "cnn"), SETTINGS)
    mean = predictions.groupby("patient")["p_hgg"].mean()
    decided = scores.patients[scores.patients["label"] != ""].set_index("patient")
    assert decided.index.tolist() == mean.index.tolist()
    np.testing.assert_allclose(decided["p_hgg"], mean)
    assert (decided["label"] == np.where(mean >= 0.5, "HGG", "LGG")).all()
    accuracy = value(scores.summary, "accuracy")
    assert accuracy["value"] == pytest.approx((decided["label"] == decided["grade"]).mean())
    assert (accuracy["slices"], accuracy["orientation"]) == ("volume", "volume")
    auc = value(scores.summary, "auc")
    assert auc["value"] == pytest.approx(sklearn.roc_auc_score(decided["grade"] == "HGG", mean))
    assert value(scores.summary, "accuracy_all")["n"] == 6


FOLDS = pd.DataFrame(
    {
        "patient": list(MASKS),
        "subject": list(MASKS),
        "grade": GRADES.to_numpy(),
        "split": ["test", "development", "test", "development", "development", "development"],
        "fold": [-1, 0, -1, 0, 1, 1],
    }
)


def test_members_are_of_the_split_and_only_of_who_was_asked():
    assert {name: list(patients) for name, patients in members(FOLDS).items()} == {
        "validation": ["p1", "p3", "p4", "p5"],
        "test": ["p0", "p2"],
        "pooled": list(MASKS),
    }
    assert list(members(FOLDS, ["p2", "p2"])) == ["test"]
    assert list(members(FOLDS, ["p2", "p3"])) == ["validation", "test", "pooled"]


@pytest.mark.parametrize("task", ["classification", "bounding_box", "center_point", "segmentation"])
def test_cohorts_scored_at_once_are_those_scored_alone(task):
    cohorts = members(FOLDS)
    rng = np.random.default_rng(4)
    moved = {name: np.roll(mask, rng.integers(0, 9), axis=2) for name, mask in MASKS.items()}

    def score(patients, entry, **options):
        masks = {name: MASKS[name] for name in patients}
        if task == "classification":
            answers, truth = graded_answers(), slice_truth(MASKS)
            return score_classification(answers, truth, GRADES[patients], entry, SETTINGS, **options)
        if task == "segmentation":
            predicted = ((name, moved[name]) for name in patients)
            return score_cnn_segmenter(predicted, masks, entry, SETTINGS, **options)
        return score_located(tasks.get(task), shape_answers(task), masks, entry, SETTINGS, **options)

    together = score(list(MASKS), entry(task), cohorts=cohorts)
    alone = {name: score(list(patients), entry(task, cohort=name)) for name, patients in cohorts.items()}
    merged = merge(alone.values())
    pd.testing.assert_frame_equal(together.summary, merged.summary)
    pd.testing.assert_frame_equal(together.patients, merged.patients)
    assert together.patients["cohort"].value_counts()["pooled"] * 2 == len(together.patients)
    if task != "segmentation":
        assert len(together.slices) == len(alone["pooled"].slices)
        assert set(together.slices["cohort"]) == {"validation", "test"}


def test_a_segmenter_on_patients_it_has_seen_is_scored_as_whole_volumes():
    scores = score_cnn_segmenter(MASKS.items(), MASKS, entry("segmentation", "cnn", "train"), SETTINGS, whole_only=True)
    assert set(scores.summary["slices"]) == set(scores.patients["slices"]) == {"volume"}
    assert set(scores.patients["cohort"]) == {"train"}
    for metric in ("dice", "nsd"):
        assert value(scores.summary, metric)["value"] == 1


def test_nsd_tolerance_and_bins_are_settings():
    settings = Settings.from_config({"nsd_tolerance": 3.5, "calibration_bins": 4, "dimension": "3d"}, {})
    assert (settings.nsd_tolerance, settings.calibration_bins) == (3.5, 4)
    moved = {name: np.roll(mask, 3, axis=2) for name, mask in MASKS.items()}
    found = [
        score_cnn_segmenter(
            moved.items(),
            MASKS,
            entry("segmentation"),
            Settings(hd95_unit="px", nsd_tolerance=tolerance, resamples=100),
        ).patients["nsd"]
        for tolerance in (0.5, 200)
    ]
    assert (found[1] == 1).all() and found[0].max() < 1


def test_summary_can_be_recomputed_from_the_patients_file(tmp_path):
    """Values and intervals of pooled rows from patients.csv, with pandas, scikit-learn and scipy alone."""
    rng = np.random.default_rng(6)
    names = [f"q{number}" for number in range(60)]
    grades = pd.Series(np.where(np.arange(60) < 45, "HGG", "LGG"), index=pd.Index(names, name="patient"))
    p = np.clip(rng.normal(0.4, 0.25, 60) + 0.25 * (grades == "HGG").to_numpy(), 0, 1).round(3)
    predictions = pd.DataFrame({"patient": names, "p_hgg": p})
    scores = score_cnn_classifier(predictions, grades, entry("classification", "cnn", "pooled"), SETTINGS)
    scores.patients.to_csv(tmp_path / "patients.csv", index=False)
    scores.summary.to_csv(tmp_path / "summary.csv", index=False)
    patients, summary = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("patients", "summary"))
    assert set(patients["cohort"]) == {"pooled"}
    truth, called = patients["grade"] == "HGG", patients["label"] == "HGG"
    expected = {
        "accuracy": sklearn.accuracy_score(truth, called),
        "f1": sklearn.f1_score(truth, called),
        "precision": sklearn.precision_score(truth, called),
        "recall": sklearn.recall_score(truth, called),
        "specificity": sklearn.recall_score(~truth, ~called),
        "balanced_accuracy": sklearn.balanced_accuracy_score(truth, called),
        "mcc": sklearn.matthews_corrcoef(truth, called),
        "auc": sklearn.roc_auc_score(truth, patients["p_hgg"]),
        "brier": sklearn.brier_score_loss(truth, patients["p_hgg"]),
        "tp": sklearn.confusion_matrix(truth, called)[1, 1],
    }
    for metric, wanted in expected.items():
        assert value(summary, metric)["value"] == pytest.approx(wanted), metric
    bins = pd.cut(patients["p_hgg"], np.linspace(0, 1, 11), include_lowest=True)
    gaps = (truth - patients["p_hgg"]).groupby(bins, observed=True).sum().abs()
    ece = value(summary, "ece")
    assert ece["value"] == pytest.approx(gaps.sum() / 60) and np.isnan(ece["low"])
    chance = value(summary, "ece_if_calibrated")
    assert chance["low"] < chance["value"] < chance["high"]
    wilson = stats.binomtest(int((truth & called).sum()), int(truth.sum())).proportion_ci(method="wilson")
    assert tuple(value(summary, "recall")[["low", "high"]]) == pytest.approx((wilson.low, wilson.high))

    # BCa from scipy, stratified by grade; other random numbers, so they agree but for what resampling leaves.
    samples = [patients.loc[truth == grade, "p_hgg"].to_numpy() for grade in (True, False)]

    def brier(hgg, lgg):
        return sklearn.brier_score_loss([1] * hgg.size + [0] * lgg.size, np.concatenate([hgg, lgg]))

    interval = stats.bootstrap(samples, brier, n_resamples=600, vectorized=False, rng=1).confidence_interval
    assert tuple(value(summary, "brier")[["low", "high"]]) == pytest.approx(tuple(interval), abs=0.03)
    auc = value(summary, "auc")
    assert tuple(auc[["low", "high"]]) == auc_interval(auc["value"], len(samples[0]), len(samples[1]))


def test_how_often_an_answer_is_the_likeliest_choice():
    answers = graded_answers()
    likeliest = np.random.default_rng(1).integers(0, 3, len(answers))
    known = np.random.default_rng(2).random(len(answers)) < 0.8
    answers["likeliest"] = pd.array(np.where(known, likeliest, -1), dtype="Int64")
    answers.loc[~known, "likeliest"] = pd.NA
    found = score_classification(answers, slice_truth(MASKS), GRADES, entry("classification"), SETTINGS).summary
    one = value(found, "choice_agreement", slices="all")
    counted = answers[known & answers["status"].eq("ok")]
    assert one["value"] == pytest.approx((counted["choice"] == counted["likeliest"]).mean()) and one["n"] == len(
        counted
    )
    assert one["low"] < one["value"] < one["high"] and one["unit"] == "slice"
    silent = answers.assign(likeliest=pd.NA)
    found = score_classification(silent, slice_truth(MASKS), GRADES, entry("classification"), SETTINGS).summary
    assert "choice_agreement" not in set(found["metric"])


def test_only_readers_with_probabilities_have_a_calibration():
    truth = slice_truth(MASKS)
    asked = baselines.always_hgg(baselines.asked_slices(MASKS, selection="all"))
    silent = score_classification(asked, truth, GRADES, entry("classification", "baseline"), SETTINGS)
    assert not silent.summary["metric"].isin(["brier", "ece"]).any()
    spoken = score_classification(graded_answers(), truth, GRADES, entry("classification"), SETTINGS)
    for subset in ("all", "tumour"):
        patients = spoken.patients[spoken.patients["slices"] == subset].dropna(subset="p_hgg")
        row = value(spoken.summary, "brier", slices=subset, orientation="axial")
        expected = sklearn.brier_score_loss(patients["grade"] == "HGG", patients["p_hgg"])
        assert row["value"] == pytest.approx(expected) and row["n"] == len(patients)


def test_consistency_of_the_published_counts():
    """General model: 95 of 95 answers HGG on the HGG slice, 77 of 95 on the LGG slice."""
    rows = [("p2", 1)] * 95 + [("p0", 1)] * 77 + [("p0", 0)] * 15 + [("p0", None)] * 3
    answers = pd.DataFrame(rows, columns=["patient", "choice"]).assign(orientation="axial", slice=9)
    answers["status"] = np.where(answers["choice"].isna(), "malformed", "ok")
    answers["choice"] = answers["choice"].astype("Int64")
    answers["repeat"] = answers.groupby("patient").cumcount()
    scores = score_consistency(answers, GRADES, entry("classification"), SETTINGS)
    assert value(scores.summary, "share_hgg_on_hgg")["value"] == 1
    lgg = value(scores.summary, "share_hgg_on_lgg")
    assert lgg["value"] == pytest.approx(77 / 95) and lgg["low"] < 77 / 95 < lgg["high"]
    assert value(scores.summary, "share_unreadable_on_lgg")["value"] == pytest.approx(3 / 95)
    assert value(scores.summary, "entropy_on_hgg")["value"] == 0
    p = np.array([77, 15, 3]) / 95
    assert value(scores.summary, "entropy_on_lgg")["value"] == pytest.approx(-np.sum(p * np.log2(p)))
    assert value(scores.summary, "modal_share_on_lgg")["value"] == pytest.approx(77 / 95)
    assert len(scores.patients) == 2 and (scores.patients["repeats"] == 95).all()


def test_cohorts_merge_and_tables_concatenate():
    parts = [
        score_classification(
            graded_answers(),
            slice_truth(MASKS),
            GRADES[names],
            entry("classification", cohort=cohort),
            SETTINGS,
        )
        for cohort, names in (("test", ["p0", "p2", "p3"]), ("validation", ["p1", "p4", "p5"]))
    ]
    merged = merge(parts)
    assert [len(table) for table in merged] == [len(a) + len(b) for a, b in zip(*parts, strict=True)]
    assert set(merged.patients["cohort"]) == {"test", "validation"}
    assert set(parts[0].slices["patient"]) == {"p0", "p2", "p3"}
    with pytest.raises(ValueError, match="no summary"):
        summaries.concatenate([merged.summary, merged.patients])


def test_scores_depend_on_neither_order_nor_other_rows():
    """Intervals belong to the item: scoring a subset of the cohorts or shuffled slices changes no row."""
    answers = shape_answers("bounding_box")
    first = score_located(tasks.get("bounding_box"), answers, MASKS, entry("bounding_box"), SETTINGS).summary
    tumour = answers[[MASKS[p][s].any() for p, s in zip(answers["patient"], answers["slice"], strict=True)]]
    second = score_located(tasks.get("bounding_box"), tumour, MASKS, entry("bounding_box"), SETTINGS).summary
    columns = ["metric", "value", "low", "high", "n"]
    same = [table.loc[table["slices"] == "tumour", columns].reset_index(drop=True) for table in (first, second)]
    pd.testing.assert_frame_equal(*same)


def test_an_undefined_value_is_an_empty_cell():
    row = summaries.row(entry("polygon"), summaries.Scope("all", "axial"), "dice", float("nan"), 0)
    text = summaries.table([row]).to_csv(index=False).splitlines()
    assert text[0].split(",") == list(summaries.COLUMNS)
    assert text[1] == "polygon,vlm,a-run,tiny,,test,brain,all,axial,patient,dice,,,,0,0"


def test_settings_from_config():
    settings = Settings.from_config(
        {"truth": "shape", "hd95_empty": 373.13}, {"tie": "hgg", "no_glioma": "counts"}, side=64, seed=1
    )
    assert (settings.truth, settings.hd95_empty, settings.side) == ("shape", 373.13, 64)
    assert settings.votes == Votes(tie="hgg", no_glioma="counts")
    with pytest.raises(UserError, match="key truth: 'guess'"):
        Settings.from_config({"truth": "guess"}, {})


def test_answers_have_the_columns_of_an_answers_table():
    assert list(graded_answers().columns) == list(COLUMNS) == list(shape_answers("polygon").columns)


@pytest.mark.parametrize("task", tasks.located())
def test_a_cohort_without_answers_has_tables_without_rows(task):
    answers = shape_answers(task).iloc[:0]
    scores = score_located(tasks.get(task), answers, MASKS, entry(task), SETTINGS)
    assert [len(table) for table in scores] == [0, 0, 0]
    graded = score_classification(
        graded_answers().iloc[:0], slice_truth(MASKS), GRADES, entry("classification"), SETTINGS
    )
    assert [len(table) for table in graded] == [0, 0, 0]


def test_a_subset_without_slices_leaves_everybody_undecided():
    answers = graded_answers()
    truth = slice_truth(MASKS, tumour_pixels=10**6)
    scores = score_classification(answers, truth, GRADES, entry("classification"), SETTINGS)
    row = value(scores.summary, "accuracy", slices="tumour")
    assert np.isnan(row["value"]) and (row["n"], row["n_undecided"]) == (0, 6)
    assert value(scores.summary, "accuracy_all", slices="tumour")["value"] == 0
