"""Figures: what is drawn is what the data say, checked on axes and artists, not on pixels."""

import re
from itertools import pairwise

import figure_data as data
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text
from pypdf import PdfReader
from sklearn.metrics import brier_score_loss
from statsmodels.stats.proportion import proportion_confint

from glioma import tasks
from glioma.geometry import shapes
from glioma.report import score_tables
from glioma.report.figures import (
    abstention,
    answer_overlays,
    calibration,
    columns,
    comparison,
    distributions,
    grading,
    learning,
    mask_overlays,
    mask_sizes,
    placement,
    scans,
    style,
)

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
    drawing = svg.read_text()
    assert drawing.rstrip().endswith("</svg>") and "</text>" in drawing and 5_000 < svg.stat().st_size < 1_500_000
    (page,) = PdfReader(stem.with_name(f"{stem.name}.pdf")).pages
    assert len(page.extract_text()) > 10


def test_save_takes_a_stem_or_named_outputs_and_repeats_itself(tmp_path):
    with style.styled():
        figure = style.new_figure(3, 2, "a title")
        figure.subplots().plot([0, 1])
    style.save(figure, tmp_path / "one")
    first = (tmp_path / "one.svg").read_bytes()
    with style.styled():
        style.save(figure, [tmp_path / "two.svg", tmp_path / "two.pdf"])
        style.save(figure, tmp_path / "three")
    assert (tmp_path / "two.svg").read_bytes() == (tmp_path / "three.svg").read_bytes()
    assert (tmp_path / "two.pdf").read_bytes() == (tmp_path / "three.pdf").read_bytes()
    names = [f"{stem}.{suffix}" for stem in ("one", "three") for suffix in ("pdf", "png", "svg")]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names, "two.pdf", "two.svg"]
    assert b"<dc:date>" not in first


def test_a_figure_is_as_wide_as_a_column_and_keeps_its_text(tmp_path):
    with style.styled():
        style.save(style.new_figure(8.6, 4, "a title"), tmp_path / "one.pdf")
    for width, size in ((88, 3.6), (180, 7.4)):
        out = [tmp_path / f"{name}.pdf" for name in "ab"]
        assert [columns.write(tmp_path / "one.pdf", each, width) for each in out] == pytest.approx([size] * 2, abs=0.05)
        (page,) = PdfReader(out[0]).pages
        assert float(page.mediabox.width) / 72 * 25.4 == pytest.approx(width)
        assert page.mediabox.height / page.mediabox.width == pytest.approx(4 / 8.6, rel=1e-3)
        assert page.extract_text().strip() == "a title" and out[0].read_bytes() == out[1].read_bytes()


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


def write_run(folder, patients, task="classification", name="tiny general", family="vlm"):
    table = {"cohort": "test", "slices": "volume", "orientation": "volume"} | dict(patients)
    return data.write_patients(folder, pd.DataFrame(table), **data.facts(task, name, family, folder.name))


def graded(labels, gldr):
    grades = ["HGG", "HGG", "LGG", "LGG"]
    return pd.DataFrame({"patient": list("abcd"), "slices": "all", "orientation": "axial", "grade": grades,
                         "label": labels, "gldr": gldr})  # fmt: skip


def test_gldr_points_by_grade_and_undefined_counted(tmp_path):
    path = write_run(tmp_path / "run", graded(["HGG", "", "LGG", "HGG"], [0.9, np.nan, 0.2, 0.6]))
    figure = grading.gldr([path], LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    hgg, lgg = figure.axes[0].collections
    assert hgg.get_offsets()[:, 0].tolist() == [0.9] and lgg.get_offsets()[:, 0].tolist() == [0.2, 0.6]
    assert "HGG n=1 (+1 undefined)" in words(figure)
    drawn = [line.get_xdata()[0] for line in figure.axes[0].get_lines()]
    assert drawn == pytest.approx([0.9, 0.4, 0.5]), "the medians, and an even share"


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
    tasks.answers_table(pd.DataFrame(rows), tasks.get("classification")).to_csv(tmp_path / "a.csv", index=False)
    figure = grading.consistency({"tiny general": tmp_path / "a.csv"}, data.GRADES, LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    assert [bar.get_width() for bar in figure.axes[0].patches] == [3, 5, 1, 1]


def test_comparison_draws_the_numbers_of_the_summary(summary, tmp_path):
    figure = comparison.comparison(summary, LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    table = pd.read_csv(summary)
    row = table.query("run == 'paper-classifier' and metric == 'balanced_accuracy_all'").iloc[0]
    drawn = [line.get_xydata() for line in figure.axes[0].get_lines()]
    assert any(np.allclose(line[:, 0], [row["low"], row["high"]]) for line in drawn if len(line) == 2)
    assert any(np.allclose(line[:, 0], row["value"]) for line in drawn if len(line) == 1)
    text = words(figure)
    assert f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]   n=10" in text
    assert LABEL in text and "always HGG" in text and "Grade (8 of 10; all in the table)" in text
    dice = table.query("metric == 'dice' and run != ''").sort_values("value")
    models = dice[dice["family"] != "baseline"]
    for value in models["value"]:
        assert f"{value:.2f} [" in text
    best = dice.query("family == 'baseline'")["value"].nlargest(8 - len(models))
    assert all(f"{value:.2f} [" in text for value in best) and len(figure.axes[1].get_yticks()) == 8


def test_a_comparison_has_one_row_a_method_and_the_best_of_each_group(tmp_path):
    """Volumes before slices, brain crops before tumour crops; a poor group is not crowded out by better ones."""
    rows = [
        data.summary_row("bounding_box", f"m{i}", "vlm", f"r{i}", "dice", 0.5 + i / 100, 0.1, "volume", "axial")
        | {"adapter": "a"}
        for i in range(9)
    ]
    rows += [
        data.summary_row("bounding_box", "m", "vlm", "poor", "dice", value, 0.1, slices, "axial")
        | {"adapter": "", "crops": crops}
        for value, slices, crops in ((0.1, "all", "brain"), (0.2, "volume", "tumour"), (0.3, "volume", "brain"))
    ]
    table = score_tables.primary(pd.DataFrame(rows))
    assert table.set_index("run").loc["poor", "value"] == 0.3 and len(table) == 10
    pd.DataFrame(rows).to_csv(tmp_path / "s.csv", index=False)
    text = words(comparison.comparison(tmp_path / "s.csv", LABEL, tmp_path / "f", "test"))
    assert "0.30 [" in text and "0.58 [" in text and "0.50 [" not in text and "(8 of 10" in text


def test_dollar_signs_are_no_mathematics(summary, tmp_path):
    """Two of them in a label would be read as a formula, and the drawing would end with the study nearly done."""
    table = pd.read_csv(summary)
    table.loc[table["run"].notna(), "run"] = r"tuned, $\cheap$"
    table.to_csv(tmp_path / "summary.csv", index=False)
    comparison.comparison(tmp_path / "summary.csv", r"$\cohort$", tmp_path / "c", "pooled")
    assert_written(tmp_path / "c")


def test_comparison_of_one_group_alone(summary, tmp_path):
    pd.read_csv(summary).query("task == 'classification' and family == 'cnn'").to_csv(tmp_path / "s.csv", index=False)
    figure = comparison.comparison(tmp_path / "s.csv", LABEL, tmp_path / "f")
    assert "no Dice was measured" in words(figure)


def test_distributions_hold_every_patient(tmp_path):
    metrics = {"dice": [0.1, 0.5, 0.9], "hd95": [30, 10, np.nan], "precision": 0.5, "recall": 0.5, "specificity": 1.0}
    table = pd.DataFrame({"patient": list("abc"), "slices": "volume", "orientation": "volume"} | metrics)
    path = write_run(tmp_path / "net", table, task="segmentation", name="net", family="cnn")
    figure = distributions.distributions([path], "mm", LABEL, tmp_path / "f", task="segmentation")
    assert_written(tmp_path / "f")
    assert sorted(figure.axes[0].collections[0].get_offsets()[:, 0].tolist()) == [0.1, 0.5, 0.9]
    assert len(figure.axes[1].collections[0].get_offsets()) == 2
    assert figure.axes[1].get_title(loc="left") == "HD95 (mm)" and "net (n=3)" in words(figure)


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
    figure = mask_overlays.cnn_overlays({"net": (tmp_path / "patients.csv", masks, crops)}, LABEL, tmp_path / "f")
    assert_written(tmp_path / "f")
    assert [axes.get_title() for axes in figure.axes] == ["best, Dice 0.75", "median, Dice 0.50", "worst, Dice 0.00"]
    truth, prediction = (np.vstack([p.vertices for p in c.get_paths()]) for c in figure.axes[0].collections)
    assert np.allclose(prediction.min(axis=0) - truth.min(axis=0), [2, 0])


def test_pooled_patients_where_there_are_some_and_test_patients_elsewhere(tmp_path):
    both = data.write_grader(tmp_path / "net", "net", "cnn", ("train", "validation", "test", "pooled"))
    few = data.write_grader(tmp_path / "run", "tiny general", "vlm", ("test",))
    found = score_tables.read_patients([both, few], "pooled")
    assert found.groupby("run")["cohort"].agg(["unique", "size"]).to_numpy().tolist() == [
        [["pooled"], 12],
        [["test"], 4],
    ]
    assert "all patients" in score_tables.cohort_words(found) and "(test)" in score_tables.cohort_words(found)
    assert score_tables.only_test(found).groupby(found["run"]).first().tolist() == ["", " (test)"]
    alone = score_tables.read_patients([few], "pooled")
    assert score_tables.cohort_words(alone) == "test patients" and set(score_tables.only_test(alone)) == {""}
    assert set(found["method"]) == {"net", "tiny, off the shelf (test)"}
    other = data.write_grader(tmp_path / "tumour", "net", "cnn", ("pooled",), crops="tumour")
    names = score_tables.read_patients([both, other], "pooled")["method"]
    assert set(names) == {"net [brain crop]", "net [tumour crop]"}


def test_reliability_of_few_patients_is_not_drawn(tmp_path):
    few = data.write_grader(tmp_path / "net", "net", "cnn", ("pooled",))
    assert "no method has probabilities of 40 patients" in words(
        calibration.reliability([few], LABEL, tmp_path / "f", "pooled")
    )


def test_reliability_shows_bins_with_wilson_bars_and_scores(tmp_path):
    grades = (["HGG"] * 6 + ["LGG"] * 4) * 5
    p_hgg = [0.95, 0.91, 0.92, 0.55, 0.52, np.nan, 0.58, 0.51, 0.05, 0.91] * 5
    names = [f"p{number:02d}" for number in range(50)]
    table = pd.DataFrame({"patient": names, "grade": grades, "label": "HGG", "p_hgg": p_hgg})
    path = write_run(tmp_path / "net", table, name="net", family="cnn")
    figure = calibration.reliability([path], LABEL, tmp_path / "f", bins=10)
    assert_written(tmp_path / "f")
    points = figure.axes[0].containers[0].lines[0].get_xydata()
    assert points[:, 1].tolist() == pytest.approx([0, 0.5, 0.75]) and points[1, 0] == pytest.approx(0.54)
    low, high = proportion_confint(15, 20, method="wilson")
    assert figure.axes[0].containers[0].lines[2][0].get_segments()[2][:, 1].tolist() == pytest.approx([low, high])
    known = np.isfinite(p_hgg)
    brier = brier_score_loss(np.array(grades)[known] == "HGG", np.array(p_hgg)[known])
    assert f"Brier {brier:.3f}" in words(figure) and "n=45" in words(figure)


def test_abstention_draws_the_risk_of_every_method(tmp_path):
    sure = graded(["HGG", "LGG", "LGG", "HGG"], [0.9, 0.1, 0.2, 0.6]).assign(p_hgg=[0.9, 0.1, 0.4, 0.8])
    told = sure.assign(p_hgg=np.nan)
    paths = [write_run(tmp_path / name, table, name=name) for name, table in (("sure", sure), ("told", told))]
    figure = abstention.curves(paths, LABEL, tmp_path / "f", "test")
    assert_written(tmp_path / "f")
    drawn = [line.get_ydata() for line in figure.axes[0].lines]
    assert len(drawn) == 2 and all(len(line) == 4 for line in drawn)
    grade, label = sure["grade"].to_numpy(), sure["label"].to_numpy()
    for line in drawn:
        assert line[-1] == pytest.approx(np.mean(grade != label))


def test_reliability_without_probabilities_says_so(tmp_path):
    path = write_run(tmp_path / "run", graded(["HGG", "", "LGG", "HGG"], [0.9, np.nan, 0.2, 0.6]))
    assert "nothing of this kind" in words(calibration.reliability([path], LABEL, tmp_path / "f"))


def test_learning_rates_show_the_best_of_each(tmp_path):
    path = data.write_history(tmp_path / "net" / "fold0", "validation_auc", rates=(1e-5, 1e-4, 1e-3))
    single = data.write_history(tmp_path / "one" / "fold0", "validation_auc", rates=(1e-3,))
    figure = learning.learning_rates([path, single], tmp_path / "f")
    assert_written(tmp_path / "f")
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.axison] == ["net"]
    best = pd.read_csv(path).groupby("learning_rate")["validation_auc"].max()
    line, kept = figure.axes[0].get_lines()
    assert line.get_xydata().tolist() == [list(pair) for pair in best.items()]
    assert kept.get_xydata().tolist() == [[1e-3, best[1e-3]]]


def test_vlm_curves_show_generated_answers_on_their_own_axis(tmp_path):
    columns = {"train_loss": [3, 2, 1], "eval_loss": [3, 2, 2], "generation": [np.nan, 0.4, 0.6]}
    table = pd.DataFrame({"step": [0, 5, 10]} | columns)
    table.to_csv(tmp_path / "history.csv", index=False)
    figure = learning.learning_curves_vlm({"classify, fold 1": tmp_path / "history.csv"}, tmp_path / "f")
    left, right = figure.axes
    assert (
        right.get_lines()[0].get_xydata().tolist() == [[5, 0.4], [10, 0.6]]
        and left.get_title(loc="left") == "classify, fold 1"
    )
    assert "generated answers, validation" in words(figure)


def test_true_shapes_are_those_of_the_mask(crops, tmp_path):
    figure = scans.shapes_truth([crops / "P01.npy", crops / "P03.npy"], data.GRADES, LABEL, tmp_path / "f", side=32)
    assert_written(tmp_path / "f")
    mask = np.load(crops / "P03.mask.npy")
    truth = mask[scans.largest_section(mask, "axial")] > 0
    outlined, box, polygon, point = figure.axes[4:]
    assert outlined.collections and len(polygon.patches) == 1
    row_min, col_min, row_max, col_max = shapes.box_from_mask(truth)
    size = (col_max - col_min + 1, row_max - row_min + 1)
    assert box.patches[0].get_bbox().bounds == (col_min - 0.5, row_min - 0.5, *size)
    centre = shapes.centre_from_box((row_min, col_min, row_max, col_max))
    assert point.get_lines()[0].get_xydata()[0].tolist() == list(centre[::-1])


LOCATED = ("center_point", "bounding_box", "polygon")


def shown(folder, crops, task, kinds):
    return [
        answer_overlays.Shown(kind, kind, data.write_slices(folder / task / kind / "s.csv", task, crops, number), crops)
        for number, kind in enumerate(kinds)
    ]


def test_answer_overlays_rank_each_tasks_slices_by_the_mean_score(crops, tmp_path):
    kinds = ("vlm general", "vlm fine-tuned")
    answers = {task: shown(tmp_path, crops, task, kinds) for task in LOCATED}
    figure = answer_overlays.answer_overlays(answers, LABEL, tmp_path / "f", side=32)
    assert_written(tmp_path / "f")
    columns = np.array(figure.axes, dtype=object).reshape(3, len(LOCATED)).T
    assert [axes.texts[-1].get_text() for axes in columns[0]] == ["best", "median", "worst"]
    for task, column in zip(LOCATED, columns, strict=True):
        name = "euclidean_distance" if task == "center_point" else "dice"
        both = pd.concat([pd.read_csv(run.table).set_index(["patient", "slice"]) for run in answers[task]], axis=1)
        largest = both["tumour_pixels"].iloc[:, 0].groupby("patient").idxmax()
        ranked = both.loc[largest, name].mean(axis=1).sort_values(ascending=task == "center_point")
        expected = [ranked.index[position] for position in (0, (len(ranked) - 1) // 2, len(ranked) - 1)]
        headings = [axes.get_title(loc="center").split("\n")[-2:] for axes in column]
        assert [where for where, _ in headings] == [f"{patient}, slice {index}" for patient, index in expected]
        found = [float(number) for _, scores in headings for number in re.findall(r"\d+\.\d+", scores)]
        assert found == pytest.approx(
            both.loc[expected, name].to_numpy().ravel(), abs=0.06 if "dist" in name else 0.006
        )
        # Whose picture is whose side: letters, and a scale bar.
        assert {"R", "L", "A", "P", "50 mm"} <= {text.get_text() for text in column[1].texts}


def test_answer_overlays_draw_truth_and_answers_where_they_are(crops, tmp_path):
    mask = np.load(crops / "P06.mask.npy")
    index = scans.largest_section(mask, "axial")
    points = {"center_point": "[[5, 6]]", "bounding_box": "[[3, 4], [3, 12], [10, 12], [10, 4]]", "polygon": None}
    answers = {}
    for task, text in points.items():
        row = {"patient": "P06", "orientation": "axial", "slice": index, "status": "ok" if text else "malformed",
               "points": text, "tumour_pixels": 9, "tumour": True, "dice": 0.25, "euclidean_distance": 3.0}  # fmt: skip
        pd.DataFrame([row]).to_csv(tmp_path / f"{task}.csv", index=False)
        answers[task] = [answer_overlays.Shown("tiny, off the shelf", "vlm general", tmp_path / f"{task}.csv", crops)]
    figure = answer_overlays.answer_overlays(answers, LABEL, tmp_path / "f", side=32)
    point, box, polygon = figure.axes[:3]
    true_box = shapes.box_from_mask(mask[index] > 0)
    true_centre = shapes.centre_from_box(true_box)
    marks = [line.get_xydata()[0].tolist() for line in point.get_lines() if len(line.get_xydata()) == 1]
    assert marks == [list(true_centre[::-1]), [6, 5]]
    truth, answer = (patch for patch in box.patches if isinstance(patch, Rectangle))
    assert truth.get_xy() == (true_box[1] - 0.5, true_box[0] - 0.5)
    assert (answer.get_xy(), answer.get_width(), answer.get_height()) == ((3.5, 2.5), 9, 8)
    assert len([patch for patch in polygon.patches if isinstance(patch, Polygon)]) == 1
    assert "no shape: malformed" in words(figure)


def test_failures_are_the_worst_patients_of_the_best_network(crops, tmp_path):
    networks = {}
    for number, name in enumerate(("poor", "good")):
        masks = tmp_path / name / "masks"
        masks.mkdir(parents=True)
        rows = []
        for rank, patient in enumerate(["P01", "P02", "P03", "P04", "P05"]):
            np.save(masks / f"{patient}.npy", np.load(crops / f"{patient}.mask.npy") > 0)
            row = {"patient": patient, "cohort": "pooled", "slices": "volume", "dice": 0.1 * rank + 0.4 * number}
            rows.append(row)
        pd.DataFrame(rows).to_csv(tmp_path / name / "patients.csv", index=False)
        networks[name] = (tmp_path / name / "patients.csv", masks, crops)
    figure = mask_overlays.cnn_failures(networks, LABEL, tmp_path / "f", count=3)
    assert_written(tmp_path / "f")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == [f"P0{i}\nDice {0.1 * (i - 1) + 0.4:.2f}" for i in (1, 2, 3)]
    assert titles[3:] == [f"P0{i}\nDice {0.1 * (i - 1):.2f}" for i in (1, 2, 3)]


def test_twelve_networks_and_many_runs_stay_readable(tmp_path, crops, monkeypatch):
    """Every figure of a large configuration is no larger than a page or two, and says what it leaves out."""
    everywhere = [(subset, plane) for subset in ("all", "tumour") for plane in ("axial", "coronal", "sagittal")]
    graders = [data.write_grader(tmp_path / f"net{i}", f"net{i}", "cnn", ("test", "pooled")) for i in range(6)]
    graders += [
        data.write_grader(tmp_path / f"run{i}", f"model {i} {kind}", "vlm", ("test", "pooled")[: 1 + i % 2], everywhere)
        for i in range(5) for kind in ["general", "finetuned"][i % 2 : i % 2 + 1]
    ]  # fmt: skip
    located = [
        data.write_locator(tmp_path / f"seg{i}", "segmentation", f"seg{i}", "cnn", ("pooled",)) for i in range(12)
    ]
    # Sizes are what is tested, not dots an inch.
    monkeypatch.setattr(style, "PNG_DPI", 30)
    located += [
        data.write_locator(tmp_path / f"{task}{i}", task, f"m{i} general", "vlm", crops="tumour" if i % 2 else "brain")
        for task in ("bounding_box", "center_point") for i in range(25)
    ]  # fmt: skip
    drawn = [
        grading.gldr(graders, LABEL, tmp_path / "gldr.png"),
        grading.confusion(graders, LABEL, tmp_path / "confusion.png"),
        calibration.reliability(graders, LABEL, tmp_path / "reliability.png"),
        *(
            distributions.distributions(located, "mm", LABEL, tmp_path / f"{task}.png", task=task)
            for task in ("segmentation", "bounding_box", "center_point", "polygon")
        ),
    ]
    drawn.append(abstention.curves(graders, LABEL, tmp_path / "abstention.png"))
    networks = {}
    for path in located[:12]:
        for patient in data.GRADES:
            (tmp_path / "masks").mkdir(exist_ok=True)
            np.save(tmp_path / "masks" / f"{patient}.npy", np.load(crops / f"{patient}.mask.npy") > 0)
        networks[path.parent.name] = (path, tmp_path / "masks", crops)
    drawn += [
        mask_overlays.cnn_overlays(networks, LABEL, tmp_path / "o.png"),
        mask_overlays.cnn_failures(networks, LABEL, tmp_path / "x.png"),
    ]
    table = data.write_slices(tmp_path / "s.csv", "polygon", crops, 0)
    runs = [answer_overlays.Shown(f"m{i}", "vlm general", table, crops) for i in range(8)]
    drawn.append(answer_overlays.answer_overlays({"polygon": runs}, LABEL, tmp_path / "a.png", side=32))
    for figure in drawn:
        width, height = figure.get_size_inches()
        assert width <= 18 and height <= 22
    assert "more in the tables" in words(drawn[0]) and "7 more runs" in words(drawn[-1])
    assert "nothing of this kind" in words(drawn[6])


def test_a_comparison_of_many_runs_keeps_the_best_and_says_so(summary, tmp_path):
    rows = [
        data.summary_row("classification", f"m{i:02d} general", "vlm", f"r{i}", "balanced_accuracy_all", i / 100, 0.1,
                         "all", "axial")
        for i in range(80)
    ]  # fmt: skip
    pd.concat([pd.read_csv(summary), pd.DataFrame(rows)]).to_csv(tmp_path / "s.csv", index=False)
    figure = comparison.comparison(tmp_path / "s.csv", LABEL, tmp_path / "f")
    text = words(figure)
    assert f"({comparison.LARGEST} of" in text and "m79" in text and "m00" not in text and "always HGG" in text
    text = words(comparison.comparison(tmp_path / "s.csv", LABEL, tmp_path / "f", declared=["r0", "no such"]))
    assert f"({comparison.LARGEST} of" in text and "m79" in text and "m00" in text and "m73" not in text
    assert figure.get_figheight() < 24


@pytest.mark.parametrize(
    "draw",
    [
        lambda out: learning.learning_curves_cnn([], out),
        lambda out: learning.learning_curves_vlm({}, out),
        lambda out: grading.gldr([], LABEL, out),
        lambda out: grading.confusion([], LABEL, out),
        lambda out: grading.consistency({}, {}, LABEL, out),
        lambda out: distributions.distributions([], "mm", LABEL, out, task="segmentation"),
        lambda out: mask_overlays.cnn_overlays({}, LABEL, out),
        lambda out: mask_overlays.cnn_failures({}, LABEL, out),
        lambda out: answer_overlays.answer_overlays({"polygon": []}, LABEL, out),
        lambda out: calibration.reliability([], LABEL, out),
        lambda out: abstention.curves([], LABEL, out),
        lambda out: placement.placement([], LABEL, out),
        lambda out: mask_sizes.mask_sizes([], LABEL, out),
    ],
)
def test_nothing_configured_is_said_in_the_figure(draw, tmp_path):
    assert "nothing of this kind was configured" in words(draw(tmp_path / "f"))
    assert (tmp_path / "f.png").is_file() and (tmp_path / "f.svg").is_file()


def test_placement_draws_every_answer_beside_the_truth(crops, tmp_path):
    runs = {"box general": "bounding_box", "points finetuned": "center_point"}
    paths = []
    for seed, (name, task) in enumerate(runs.items()):
        path = data.write_slices(tmp_path / name / "slices.csv", task, crops, seed)
        table = pd.read_csv(path).assign(**data.facts(task, name, "vlm", name), crops="brain")
        table.to_csv(path, index=False)
        paths.append(path)
    figure = placement.placement(paths, LABEL, tmp_path / "f", side=32)
    assert_written(tmp_path / "f")
    assert len(figure.axes) == 6
    for column, path in enumerate(paths):
        table = pd.read_csv(path).query("row == row")
        true, answered = figure.axes[column].collections
        assert len(true.get_offsets()) == len(answered.get_offsets()) == len(table)
        np.testing.assert_allclose(answered.get_offsets(), table[["column", "row"]], atol=0.5)
    assert "a point has no size" in words(figure) and "different answers to" in words(figure)
    sizes = figure.axes[2].collections[0].get_offsets()
    np.testing.assert_allclose(sizes, pd.read_csv(paths[0]).query("row == row")[["true_area", "area"]])


def test_mask_sizes_draw_every_patient(tmp_path):
    table = pd.DataFrame(
        {
            "patient": list("abcd"), "slices": "volume", "orientation": "volume", "dice": [0.1, 0.5, 0.9, 0.8],
            "true_voxels": [100.0, 1000, 5000, 9000], "oversegmented": [3.0, 0.5, 0, 0.1], "components": [9.0, 2, 1, 1],
            "true_components": [1.0, 1, 2, 1],
        }
    )  # fmt: skip
    path = write_run(tmp_path / "net", table, task="segmentation", name="net", family="cnn")
    figure = mask_sizes.mask_sizes([path], LABEL, tmp_path / "f", cohort="test")
    assert_written(tmp_path / "f")
    for axes, name in zip(figure.axes, ("dice", "oversegmented", "components"), strict=True):
        np.testing.assert_allclose(axes.collections[0].get_offsets(), table[["true_voxels", name]])
    assert "r 0.80" in words(figure)


def test_titles_of_neighbouring_panels_do_not_meet(tmp_path):
    paths = []
    for number in range(4):
        rows = pd.concat([graded(["HGG", "LGG", "LGG", "HGG"], [0.9, 0.1, 0.2, 0.6]).assign(p_hgg=0.5)] * 10)
        rows["patient"] = [f"p{patient:02d}" for patient in range(40)]
        name = f"tiny-mllama-{number}, trained for several epochs on crops around the tumour general"
        paths.append(write_run(tmp_path / str(number), rows, name=name))
    for draw in (grading.gldr, grading.confusion, calibration.reliability):
        figure = draw(paths, LABEL, tmp_path / "f")
        FigureCanvasAgg(figure).draw()
        boxes = [
            text.get_window_extent()
            for axes in figure.axes if axes.axison
            for text in axes.findobj(lambda artist: isinstance(artist, Text) and "epochs" in artist.get_text())
            if text.get_window_extent().width > 1
        ]  # fmt: skip
        assert len(boxes) == 4
        assert not any(one.overlaps(other) for one, other in pairwise(boxes))


def test_one_penalty_does_not_flatten_the_distances_of_all(tmp_path):
    """The axis ends soon after the others and says how many lie beyond; shares that are all high have an own axis."""
    hd95 = [*np.linspace(5, 12, 29), 300.0]
    scores = {"dice": 0.7, "hd95": hd95, "precision": 0.8, "recall": 0.7, "specificity": np.linspace(0.96, 1, 30)}
    patients = pd.DataFrame({"patient": [f"p{i}" for i in range(30)], **scores, "cohort": "test"})
    places = [("volume", "volume"), ("tumour volume", "axial"), ("tumour", "axial"), ("all", "axial")]
    table = pd.concat([patients.assign(slices=slices, orientation=where) for slices, where in places])
    path = write_run(tmp_path / "net", table, task="segmentation", name="net", family="cnn")
    figure = distributions.distributions([path], "mm", LABEL, tmp_path / "f", "test", task="segmentation")
    distance = next(axes for axes in figure.axes if "HD95" in axes.get_title(loc="left"))
    assert distance.get_xlim()[1] < 20 and "2 beyond" in distance.get_title(loc="left"), "one in either scope"
    share = next(axes for axes in figure.axes if "Specificity" in axes.get_title(loc="left"))
    assert share.get_xlim()[0] > 0.9
    text = words(figure)
    assert "Whole volume" in text and "Axial, tumour slices†" in text and "as a volume" not in text
