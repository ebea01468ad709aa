"""Figures: what is drawn is what the data say, checked on axes and artists, not on pixels."""

import figure_data as data
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Polygon, Rectangle

from glioma import answers, shapes
from glioma.figures import comparison, distributions, grading, learning, overlays, scans, style

LABEL = "phantom cohort"


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    return data.write_crops(tmp_path_factory.mktemp("crops"))


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return data.write_summary(tmp_path_factory.mktemp("summary") / "summary.csv")


def words(figure) -> str:
    """All text of a figure, its tick labels and legends included."""
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def assert_written(stem):
    png, svg = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 5_000
    assert svg.read_text().rstrip().endswith("</svg>") and 5_000 < svg.stat().st_size < 1_500_000


def test_save_takes_a_stem_or_named_outputs_and_repeats_itself(tmp_path):
    with style.styled():
        figure = style.new_figure(3, 2, "a title")
        figure.subplots().plot([0, 1])
    style.save(figure, tmp_path / "one")
    first = (tmp_path / "one.svg").read_bytes()
    with style.styled():
        style.save(figure, [tmp_path / "two.svg"])
        style.save(figure, tmp_path / "three.svg")
    assert (tmp_path / "two.svg").read_bytes() == (tmp_path / "three.svg").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "one.svg", "three.svg", "two.svg"]
    assert b"<dc:date>" not in first


def test_model_names_and_arms():
    assert style.arm("cnn", "a general network") == "cnn"
    assert style.arm("vlm", "x fine-tuned") == style.arm("vlm", "x finetuned") == "vlm fine-tuned"
    assert style.arm("vlm", "x general") == "vlm general"
    assert style.readable("tiny-mllama finetuned") == "tiny-mllama, fine-tuned"
    assert style.readable("always HGG") == "always HGG"


def test_sample_scans_show_every_sequence_and_say_what_the_cohort_is(crops, tmp_path):
    paths = [crops / "P01.npy", crops / "P03.npy"]
    figure = scans.sample_scans(paths, data.GRADES, LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    assert len(figure.axes) == 10
    index = scans.largest_section(np.load(crops / "P01.mask.npy"), "axial")
    image = np.load(paths[0])
    for axes, sequence in zip(figure.axes[:4], image, strict=True):
        assert np.array_equal(axes.images[0].get_array(), sequence[index])
    overlay = figure.axes[4].images[1].get_array()
    assert np.array_equal(overlay[..., 3] > 0, np.load(crops / "P01.mask.npy")[index] > 0)
    assert all(word in words(figure) for word in (LABEL, "HGG\nP01", "LGG\nP03"))


def test_orientations_are_radiological_and_outline_the_tumour(crops, tmp_path):
    figure = scans.orientations(crops / "P02.npy", "HGG", LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    image, mask = np.load(crops / "P02.npy")[0], np.load(crops / "P02.mask.npy")
    index = scans.largest_section(mask, "sagittal")
    assert np.array_equal(figure.axes[2].images[0].get_array(), image[::-1, :, index])
    axial = mask[scans.largest_section(mask, "axial")] > 0
    rows, columns = np.nonzero(axial)
    points = np.vstack([path.vertices for path in figure.axes[0].collections[0].get_paths()])
    assert np.allclose(points.min(axis=0), [columns.min() - 0.5, rows.min() - 0.5])
    assert np.allclose(points.max(axis=0), [columns.max() + 0.5, rows.max() + 0.5])


def test_no_outline_without_tumour():
    with style.styled():
        axes = style.new_figure(2, 2, "x").subplots()
    scans.outline(axes, np.zeros((8, 8), bool), "red")
    assert not axes.collections


def test_cnn_curves_draw_the_kept_rate_and_mark_the_kept_epoch(tmp_path):
    metrics = {"net-a": "validation_auc", "net-b": "validation_dice"}
    paths = [
        data.write_history(tmp_path / name / f"fold{fold}", metric, kept=9 + fold)
        for name, metric in metrics.items()
        for fold in range(2)
    ]
    figure = learning.learning_curves_cnn(paths, tmp_path / "f")
    assert_written(tmp_path / "f")
    assert len(figure.axes) == 4
    history = pd.read_csv(paths[1]).query("learning_rate == 1e-3")
    lines = figure.axes[1].get_lines()
    assert np.array_equal(lines[2].get_ydata(), history["validation_auc"])
    assert lines[3].get_xdata().tolist() == [10]
    assert lines[3].get_ydata()[0] == history.set_index("epoch")["validation_auc"][10]


def test_vlm_curves_skip_what_was_not_measured(tmp_path):
    table = pd.DataFrame({"step": [0, 5, 10], "train_loss": [np.nan, 2, 1], "eval_loss": [3, np.nan, 2]})
    table.to_csv(tmp_path / "history.csv", index=False)
    figure = learning.learning_curves_vlm({"classify": tmp_path / "history.csv"}, tmp_path / "f")
    assert_written(tmp_path / "f")
    train, evaluated = figure.axes[0].get_lines()
    assert train.get_xydata().tolist() == [[5, 2], [10, 1]] and evaluated.get_xydata().tolist() == [[0, 3], [10, 2]]


def write_run(folder, patients, **identity):
    folder.mkdir(parents=True, exist_ok=True)
    patients.assign(cohort="test").to_csv(folder / "patients.csv", index=False)
    row = {"task": "classification", "model": "tiny general", "arm": "vlm", "run": folder.name} | identity
    pd.DataFrame([row]).to_csv(folder / "summary.csv", index=False)
    return folder / "patients.csv"


def graded(labels, gldr):
    grades = ["HGG", "HGG", "LGG", "LGG"]
    return pd.DataFrame({"patient": list("abcd"), "slices": "all", "orientation": "axial", "grade": grades,
                         "label": labels, "gldr": gldr})  # fmt: skip


def test_gldr_points_by_grade_and_undefined_counted(tmp_path):
    path = write_run(tmp_path / "run", graded(["HGG", "", "LGG", "HGG"], [0.9, np.nan, 0.2, 0.6]))
    figure = grading.gldr([path], LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    hgg, lgg = figure.axes[0].collections
    assert hgg.get_offsets()[:, 1].tolist() == [0.9] and lgg.get_offsets()[:, 1].tolist() == [0.2, 0.6]
    assert "HGG n=1 (+1 undefined)" in words(figure)
    assert any(np.allclose(line.get_ydata(), 0.5) for line in figure.axes[0].get_lines())


def test_confusion_counts_undecided_apart(tmp_path):
    path = write_run(tmp_path / "run", graded(["HGG", "", "LGG", "HGG"], [0.9, 0.5, 0.2, 0.6]))
    figure = grading.confusion([path], LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    table = grading.count_decisions(grading.read_patients([path], "test"))
    assert table.to_numpy().tolist() == [[1, 0, 1], [1, 1, 0]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "0", "1", "1", "1", "0"]


def test_consistency_bars_are_the_counts(tmp_path):
    texts = ["Choice: 1"] * 5 + ["Choice: 0"] * 3 + ["Choice: 2", "who knows"]
    rows = [{"patient": "P01", "orientation": "axial", "slice": 4, "repeat": i, "text": text, "finish": "stop",
             "tokens": 3, "logprobs": None} for i, text in enumerate(texts)]  # fmt: skip
    answers.answers_table(pd.DataFrame(rows), "classification").to_csv(tmp_path / "a.csv", index=False)
    figure = grading.consistency({"tiny general": tmp_path / "a.csv"}, data.GRADES, LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [3, 5, 1, 1]


def test_comparison_draws_the_numbers_of_the_summary(summary, tmp_path):
    figure = comparison.comparison(summary, LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    table = pd.read_csv(summary)
    row = table.query("model == 'paper-classifier' and metric == 'balanced_accuracy_all'").iloc[0]
    drawn = [line.get_xydata() for line in figure.axes[0].get_lines()]
    assert any(np.allclose(line[:, 0], [row["low"], row["high"]]) for line in drawn if len(line) == 2)
    assert any(np.allclose(line[:, 0], row["value"]) for line in drawn if len(line) == 1)
    text = words(figure)
    assert f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]   n=10" in text
    assert "2 undecided" in text and LABEL in text and "always HGG" in text
    dice = table.query("metric == 'dice'")
    for value in dice["value"]:
        assert f"{value:.2f} [" in text


def test_comparison_of_one_arm_alone(summary, tmp_path):
    pd.read_csv(summary).query("task == 'classification' and arm == 'cnn'").to_csv(tmp_path / "s.csv", index=False)
    figure = comparison.comparison(tmp_path / "s.csv", LABEL, tmp_path / "f")
    assert "no Dice was measured" in words(figure)


def test_distributions_hold_every_patient(tmp_path):
    metrics = {"dice": [0.1, 0.5, 0.9], "hd95": [30, 10, np.nan], "precision": 0.5, "recall": 0.5, "specificity": 1.0}
    table = pd.DataFrame({"patient": list("abc"), "slices": "volume", "orientation": "volume"} | metrics)
    path = write_run(tmp_path / "net", table, task="segmentation", model="net", arm="cnn")
    figure = distributions.distributions([path], "mm", LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    assert sorted(figure.axes[0].collections[0].get_offsets()[:, 0].tolist()) == [0.1, 0.5, 0.9]
    assert len(figure.axes[1].collections[0].get_offsets()) == 2
    assert figure.axes[1].get_xlabel() == "mm" and "net, mask (n=3)" in words(figure)


def test_cnn_overlays_rank_by_dice_and_outline_truth_and_prediction(crops, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    rows = []
    for rank, patient in enumerate(["P01", "P02", "P03", "P04"]):
        predicted = np.roll(np.load(crops / f"{patient}.mask.npy") > 0, 2, axis=2)
        np.save(masks / f"{patient}.npy", predicted)
        rows.append(
            {"patient": patient, "cohort": "test", "slices": "volume", "orientation": "volume", "dice": rank / 4}
        )
    pd.DataFrame(rows).to_csv(tmp_path / "patients.csv", index=False)
    figure = overlays.cnn_overlays({"net": (tmp_path / "patients.csv", masks)}, crops, LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    assert [axes.get_title() for axes in figure.axes] == ["best, Dice 0.75", "median, Dice 0.50", "worst, Dice 0.00"]
    truth, prediction = (np.vstack([p.vertices for p in c.get_paths()]) for c in figure.axes[0].collections)
    assert np.allclose(prediction.min(axis=0) - truth.min(axis=0), [2, 0])


def test_shape_overlays_draw_truth_and_answers_where_they_are(crops, tmp_path):
    mask = np.load(crops / "P06.mask.npy")
    index = scans.largest_section(mask, "axial")
    texts = {"center_point": "(5, 6)", "bounding_box": shapes.text_from_box((3, 4, 10, 12)), "polygon": "no idea"}
    paths = {}
    for task, text in texts.items():
        row = {"patient": "P06", "orientation": "axial", "slice": index, "repeat": 0, "text": text, "finish": "stop",
               "tokens": 3, "logprobs": None}  # fmt: skip
        limits = answers.Limits(side=32, convention={"scale": "pixels"})
        answers.answers_table(pd.DataFrame([row]), task, "strict", limits).to_csv(tmp_path / f"{task}.csv", index=False)
        paths[task] = {"tiny general": tmp_path / f"{task}.csv"}
    figure = overlays.shape_overlays(paths, crops, LABEL, tmp_path / "f", side=32)
    assert_written(tmp_path / "f")
    point, box, polygon = figure.axes
    true_box = shapes.box_from_mask(mask[index] > 0)
    true_centre = shapes.centre_from_box(true_box)
    assert [line.get_xydata()[0].tolist() for line in point.get_lines()] == [list(true_centre[::-1]), [6, 5]]
    truth, answer = (patch for patch in box.patches if isinstance(patch, Rectangle))
    assert truth.get_xy() == (true_box[1] - 0.5, true_box[0] - 0.5)
    assert (answer.get_xy(), answer.get_width(), answer.get_height()) == ((3.5, 2.5), 9, 8)
    assert len([patch for patch in polygon.patches if isinstance(patch, Polygon)]) == 1
    assert "no shape: malformed" in words(figure)


@pytest.mark.parametrize(
    "draw",
    [
        lambda out: learning.learning_curves_cnn([], out),
        lambda out: learning.learning_curves_vlm({}, out),
        lambda out: grading.gldr([], LABEL, out),
        lambda out: grading.confusion([], LABEL, out),
        lambda out: grading.consistency({}, {}, LABEL, out),
        lambda out: distributions.distributions([], "mm", LABEL, out),
        lambda out: overlays.cnn_overlays({}, "crops", LABEL, out),
        lambda out: overlays.shape_overlays({}, "crops", LABEL, out),
    ],
)
def test_nothing_configured_is_said_in_the_figure(draw, tmp_path):
    assert "nothing of this kind was configured" in words(draw(tmp_path / "f"))
    assert (tmp_path / "f.png").is_file() and (tmp_path / "f.svg").is_file()
