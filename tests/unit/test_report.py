"""Report pages: exact numbers, nothing unescaped, nothing from elsewhere; the methods text is valid."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import figure_data as data
import jinja2
import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts

from configuration import resolved
from glioma import tasks
from glioma.metrics import records
from glioma.report import html, patient_scores, revisions
from glioma.report.tables import answers as answer_pages
from glioma.report.tables import derivation, participants, published, scores, timing

ROOT = Path(__file__).parents[2]
LABEL = "phantom cohort"
PUBLISHED = ROOT / "resources" / "published_tables.csv"
TEXT = ROOT / "resources" / "published_text.csv"


class Page(HTMLParser):
    """Headings, and the rows of each table as lists of cell texts; counts tags."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables, self.tags, self.headings, self._cell = [], [], [], None
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th", "h2"):
            self._cell = []
        elif tag == "small" and self._cell is not None:
            self._cell.append(" | ")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1][-1].append("".join(self._cell).strip())
        elif tag == "h2":
            self.headings.append("".join(self._cell))

    def handle_data(self, content):
        if self._cell is not None:
            self._cell.append(content)

    def table(self, heading: str) -> pd.DataFrame:
        rows = self.tables[self.headings.index(heading)]
        return pd.DataFrame(rows[1:], columns=rows[0])


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """Every arm and task on test patients, cut around the tumour; the classifier's scores on all patients as well."""
    path = data.write_summary(tmp_path_factory.mktemp("summary") / "summary.csv")
    table = pd.read_csv(path, keep_default_na=False).assign(crops="tumour")
    pooled = table[table["run"] == "paper-classifier"].assign(cohort="pooled", n=40)
    means = table[table["slices"] == "tumour volume"].assign(slices="tumour")
    sections = table[table["task"] == "segmentation"].assign(slices="tumour", orientation="axial")
    calibration = [
        data.summary_row(
            "classification", "paper-classifier", "cnn", "paper-classifier", metric, value, 0.1, crops="brain"
        )
        for metric, value in (("brier", 0.25), ("ece", 0.125), ("ece_if_calibrated", 0.0625))
    ]
    alone = table[table["family"] == "cnn"].assign(cohort="fold_test")
    pd.concat([table, alone, pooled, means, sections, pd.DataFrame(calibration)]).to_csv(path, index=False)
    return path


def test_numbers_are_rounded_as_said_and_undefined_is_a_dash():
    assert html.number("dice", 0.12345) == "0.123" and html.number("hd95", 12.25) == "12.2"
    assert html.number("tp", 7.0) == "7" and html.number("answers_ok", 12.0) == "12"
    assert html.number("mcc", np.nan) == "–" and html.estimate("mcc", np.nan).text == "–"
    assert html.estimate("dice", 0.5, 0.25, 0.75).detail == "0.250 to 0.750"


def test_summary_table_holds_every_number(summary, tmp_path):
    scores.summary_table(summary, LABEL, tmp_path / "t.html")
    table, ours = Page(tmp_path / "t.html").table("All scores"), pd.read_csv(summary)
    assert len(table) == len(ours)
    for column, name in (("Value", "value"), ("Low", "low"), ("High", "high")):
        assert table[column].tolist() == [html.number(m, v) for m, v in zip(ours["metric"], ours[name], strict=True)]
    assert table["n"].tolist() == ours["n"].astype(str).tolist()
    undefined = table[(table["Method"] == "always HGG") & (table["Metric"] == "mcc")]
    assert set(undefined["Value"]) == {"–"}


def test_comparison_shows_both_denominators(summary, tmp_path):
    scores.comparison_table(summary, "mm", LABEL, tmp_path / "t.html")
    page, ours = Page(tmp_path / "t.html"), pd.read_csv(summary)
    everyone = page.table("Test patients: grade, all patients")
    decided = page.table("Test patients: grade, decided patients only")
    for table, metric, n in ((everyone, "balanced_accuracy_all", "10"), (decided, "balanced_accuracy", "8")):
        chosen = table["Method"].str.startswith("tiny-mllama, off the shelf") & (
            table["Slices"] == "sagittal, all slices"
        )
        row = table[chosen].iloc[0]
        wanted = ours[
            (ours["run"] == "classify-general-sagittal") & (ours["slices"] == "all") & (ours["metric"] == metric)
        ]
        value, low, high = wanted.iloc[0][["value", "low", "high"]]
        assert row["Balanced accuracy"] == f"{value:.3f} | {low:.3f} to {high:.3f}"
        assert (row["n"], row["Undecided"]) == (n, "2")
    assert "HD95 (mm)" in page.table("Test patients: segmentation, boxes and polygons, per volume").columns
    assert set(everyone[everyone["Method"].str.startswith("always HGG")]["MCC"]) == {"–"}


def test_comparison_begins_with_all_patients_and_shows_calibration(summary, tmp_path):
    scores.comparison_table(summary, "mm", LABEL, tmp_path / "t.html")
    page = Page(tmp_path / "t.html")
    assert page.headings[0] == "All patients, each by a model that has not seen it: grade, all patients"
    assert page.headings[2:5] == [
        f"Test patients: grade, {what}" for what in ("all patients", "decided patients only", "by probability")
    ]
    assert page.table(page.headings[0])["n"].tolist() == ["40"]
    table = page.table("Test patients: grade, by probability")
    row = table[(table["Method"] == "paper-classifier | CNN") & (table["Crops"] == "brain")].iloc[0]
    assert row["Brier score"].startswith("0.250 | ") and row["ECE"].startswith("0.125")
    assert set(page.table("Test patients: grade, all patients")["Crops"]) == {"tumour†"}


def test_a_baseline_that_grades_alike_everywhere_has_one_row(summary, tmp_path):
    table = pd.read_csv(summary, keep_default_na=False)
    constant = table[table["run"] == "always HGG"]
    other = constant.assign(value=0.25, crops="brain", slices="tumour")
    again = [constant.assign(crops="brain"), constant.assign(slices="tumour"), other]
    pd.concat([table, *again]).to_csv(tmp_path / "s.csv", index=False)
    scores.comparison_table(tmp_path / "s.csv", "mm", LABEL, tmp_path / "t.html")
    shown = Page(tmp_path / "t.html").table("Test patients: grade, all patients")
    assert shown["Method"].str.startswith("always HGG").sum() == 2


REPLICATES = {
    "paper-classifier": ["1/baseline"],
    "classify-general-axial": ["2/general-axial", "3/general-axial-tumour-slices"],
    "classify-general-sagittal": ["2/general-sagittal"],
    "bounding_box-general": ["7/general"],
    "point-general": ["5/general"],
    "paper-segmenter": ["4/baseline", "text/other-segmenters"],
    "nothing-scored": ["8/finetuned-200-steps"],
}


def beside(summary, out: Path, phantom: bool = False, **scoring) -> Page:
    keys = {"truth": "shape", "unreadable": "exclude", "hd95_unit": "mm", "side": 128} | scoring
    published.published_table(summary, PUBLISHED, TEXT, REPLICATES, keys, phantom, LABEL, out)
    return Page(out)


def test_published_rows_stand_beside_ours_with_interval_n_and_difference(summary, tmp_path):
    page = beside(summary, tmp_path / "t.html")
    ours = pd.read_csv(summary, keep_default_na=False)
    theirs = pd.read_csv(PUBLISHED)
    for table, run, subset, setting, metric in (
        (1, "paper-classifier", "volume", "baseline", "specificity"),
        (2, "classify-general-sagittal", "all", "general-sagittal", "recall"),
        (3, "classify-general-axial", "tumour", "general-axial-tumour-slices", "accuracy"),
        (4, "paper-segmenter", "volume", "baseline", "dice"),
        (5, "point-general", "tumour", "general", "p95_distance_to_box"),
        (7, "bounding_box-general", "tumour", "general", "recall"),
    ):
        heading = next(name for name in page.headings if name.startswith(f"Published table {table}:"))
        shown = page.table(heading)
        first = shown.index[(shown["Model"] == f"published: {setting}") & (shown["Cohort"] == "test")][0]
        mine = ours[(ours["run"] == run) & (ours["slices"] == subset) & (ours["metric"] == metric)]
        cohort = "fold_test" if table in (1, 4) else "test"
        mine = mine[(mine["cohort"] == cohort) & (mine["crops"] == "tumour")].iloc[0]
        value = theirs.query("table == @table and setting == @setting and metric == @metric and cohort == 'test'")
        value = value["value"].iloc[0]
        name = records.heading(metric)
        low, high = (html.number(metric, float(mine[bound])) for bound in ("low", "high"))
        assert shown[name].iloc[first] == html.number(metric, value)
        assert shown[name].iloc[first + 1] == f"{html.number(metric, float(mine['value']))} | {low} to {high}"
        difference = shown[name].iloc[first + 2]
        assert float(difference) == pytest.approx(float(mine["value"]) - value, abs=0.051 if "p95" in metric else 6e-4)
        assert difference.startswith(("+", "-")) and shown["n"].iloc[first + 1].startswith(("8 | 2 undecided", "10"))
        assert shown["Crops"].iloc[first + 1] == "tumour†"
        assert shown["n"].iloc[first] == {1: "55", 2: "54", 3: "55"}.get(table, "")


def test_a_segmenter_stands_beside_with_its_volume_alone(summary, tmp_path):
    shown = beside(summary, tmp_path / "t.html").table("Published table 4: segmentation")
    assert shown["Scored"][shown["Model"].str.startswith("ours: paper-segmenter | paper")].tolist() == ["whole volume"]


def test_published_rows_without_a_counterpart_say_why(summary, tmp_path):
    page = beside(summary, tmp_path / "t.html")
    train = page.table("Published table 1: classification").iloc[1]
    assert train["Model"] == "ours: paper-classifier | has no such scores of train patients"
    nobody = page.table("Published table 6: center point").iloc[1]
    assert nobody["Model"] == "ours: none | no entry of the configuration replicates it"
    assert "nothing-scored" in page.table("Published table 8: bounding box").iloc[1]["Model"]


def test_distances_differ_only_in_one_unit(summary, tmp_path):
    column = "HD95 (theirs px, ours {})"
    in_mm = beside(summary, tmp_path / "mm.html").table("Published table 7: bounding box")
    in_px = beside(summary, tmp_path / "px.html", hd95_unit="px").table("Published table 7: bounding box")
    finer = beside(summary, tmp_path / "side.html", hd95_unit="px", side=256).table("Published table 7: bounding box")
    assert in_mm[column.format("mm")].iloc[2] == finer[column.format("px")].iloc[2] == "–"
    assert float(in_px[column.format("px")].iloc[2]) and float(in_mm["Dice"].iloc[2]) == float(in_px["Dice"].iloc[2])


@pytest.mark.parametrize("other", [{"truth": "mask"}, {"unreadable": "empty"}])
def test_only_like_is_subtracted_from_like(other, summary, tmp_path):
    """Published boxes are means over slices against shapes: no volume stands beside them, no other truth counts."""
    same, page = beside(summary, tmp_path / "s.html"), beside(summary, tmp_path / "t.html", **other)
    for number, heading in ((7, "bounding box"), (5, "center point")):
        shown, plain = (each.table(f"Published table {number}: {heading}") for each in (page, same))
        assert shown["Scored"].iloc[1] == "axial, tumour slices†"
        column = "Dice" if number == 7 else "Points in true box"
        assert (shown[column].iloc[2] == "–") == (number == 7) and plain[column].iloc[2] != "–"
    assert "They have no difference" in page.source and "They have no difference" not in same.source


def test_figures_of_the_text_stand_beside_ours(summary, tmp_path):
    shown = beside(summary, tmp_path / "t.html").table("Published outside of the tables")
    row = shown[shown["Published"] == "CNN segmenters that were not selected, test Dice"].iloc[0]
    ours = pd.read_csv(summary, keep_default_na=False).query(
        "run == 'paper-segmenter' and metric == 'dice' and cohort == 'fold_test' and slices == 'volume'"
    )
    value = float(ours["value"].iloc[0])
    assert row["Value"] == "0.550 to 0.570" and row["Ours"] == "paper-segmenter | paper-segmenter"
    beyond = float(row["Difference"])
    assert beyond == pytest.approx(value - min(max(value, 0.55), 0.57), abs=6e-4)
    asked = shown[shown["Published"].str.startswith("consistency, LGG slice: 77")].iloc[0]
    assert asked["Value"] == html.number("accuracy", 77 / 95) and asked["Ours"].startswith("none")


def test_phantom_differences_are_marked_as_meaningless(summary, tmp_path):
    page, real = beside(summary, tmp_path / "p.html", phantom=True), beside(summary, tmp_path / "r.html")
    assert "not comparable" in page.source and "not comparable" not in real.source
    differences = [name for name in page.table("Published table 1: classification")["Model"] if "difference" in name]
    assert differences == ["difference, meaningless: phantom results"]
    assert page.source.count("<tr class=void>") == real.source.count("<tr class=difference>") > 5
    assert "<tr class=difference>" not in page.source and "<tr class=void>" not in real.source


def test_derivation_shows_the_middle_of_the_image_on_each_crop(summary, tmp_path):
    table = pd.read_csv(summary, keep_default_na=False)
    made = [
        data.summary_row("center_point", "image centre", "baseline", "", "fraction_in_box", value, 0.02, "tumour",
                         "axial", crops=crops, cohort=cohort)
        for crops, cohort, value in (("brain", "pooled", 0.05), ("tumour", "pooled", 0.85), ("brain", "test", 0.5))
    ]  # fmt: skip
    pd.concat([table, pd.DataFrame(made)]).to_csv(tmp_path / "s.csv", index=False)
    derivation.derivation_tables(PUBLISHED, tmp_path / "s.csv", LABEL, tmp_path / "t.html")
    shown = Page(tmp_path / "t.html").table("Which crops are the published points of?")
    column = records.heading("fraction_in_box")
    assert shown[column].tolist() == ["0.081", "0.080", "0.050 | 0.030 to 0.070", "0.850 | 0.830 to 0.870"]
    assert shown["Crops"].tolist() == ["?", "?", "brain", "tumour†"]


def test_derivation_shows_the_patients_behind_the_figures(summary, tmp_path):
    derivation.derivation_tables(PUBLISHED, summary, LABEL, tmp_path / "t.html")
    page = Page(tmp_path / "t.html")
    counts = page.table("The patients behind the rows").set_index("Row")
    row = counts.loc["Table 3: finetuned-full-epoch | test"]
    assert row[["n", "TP", "FN", "TN", "FP"]].tolist() == ["51", "29", "12", "5", "5"]
    assert (row["Missing"], row["Matrix that fits"], row["Balanced accuracy"]) == (
        "3 HGG, 1 LGG",
        "the only one",
        "0.604",
    )
    assert counts.loc["Table 2: general-coronal | test", "MCC"] == "–"
    both = page.table("Both denominators, and a constant answer").set_index("Row")
    row = both.loc["Table 3: finetuned-full-epoch | test"]
    # 34 right of 51 decided patients, and of all 55.
    assert (row["Accuracy, decided"], row["Accuracy, all"]) == (f"{34 / 51:.3f}", f"{34 / 55:.3f}")
    assert row["Balanced accuracy, all"] == f"{(29 / 44 + 5 / 11) / 2:.3f}"
    assert both.loc["Always HGG | for comparison", ["Accuracy, all", "F1, all"]].tolist() == ["0.800", "0.889"]
    tests = page.table("Can the specificities be told apart?").set_index("Row")
    assert tests.loc["Table 3: general-axial-tumour-slices | test"].tolist() == [
        "7 of 11",
        "2 of 11",
        "0 to 2",
        "0.062 to 0.180",
    ]


def write_cohort(folder: Path) -> tuple[Path, Path, list[Path]]:
    """Ten patients of two sites in two folds and a test set; two tumours are cut by one of two crop sets."""
    names = [f"P{number}" for number in range(10)]
    grades = ["HGG"] * 6 + ["LGG"] * 4
    sites = ["north"] * 5 + ["south"] * 3 + [""] * 2
    people = pd.DataFrame({"patient": names, "subject": ["P0", *names[:9]], "grade": grades, "site": sites})
    people.to_csv(folder / "patients.csv", index=False)
    folds = people.assign(split=["test", "test"] + ["development"] * 8, fold=[-1, -1] + [0, 1] * 4)
    folds.drop(columns="site").to_csv(folder / "folds.csv", index=False)
    tables = []
    for mode, cut in (("brain", 0), ("tumour", 2)):
        cut_alike = folder / mode / "study"
        cut_alike.mkdir(parents=True)
        shares = [0.75] * cut + [1.0] * (10 - cut)
        pd.DataFrame({"patient": names, "tumour_share_in_crop": shares}).to_csv(cut_alike / "crops.csv", index=False)
        tables.append(cut_alike)
        for number, name in enumerate(names):
            geometry = {"tumour_voxels_in_scan": 1000 * (number + 1), "scan_affine": np.diag([1, -2, 1, 1]).tolist()}
            (cut_alike / f"{name}.json").write_text(json.dumps(geometry))
    return folder / "patients.csv", folder / "folds.csv", tables


def test_participants_flow_from_the_folder_to_the_folds(tmp_path):
    patients, folds, tables = write_cohort(tmp_path)
    participants.participants_table(patients, folds, tables, ["X1", "X2"], LABEL, tmp_path / "t.html")
    page = Page(tmp_path / "t.html")
    flow = page.table("Flow").set_index("Step")
    assert flow.loc["Found", "Patients"] == "12" and flow.loc["Excluded by name | X1, X2", "Patients"] == "2"
    assert flow["Patients"].tolist() == ["12", "2", "10", "8", "2"]
    assert flow["HGG"].tolist()[2:] == ["6", "4", "2"] and flow["Subjects"].tolist()[2] == "9"
    groups = page.table("Groups").set_index("Group")
    assert groups["Patients"].to_dict() == {"Test": "2", "Fold 0": "4", "Fold 1": "4", "All": "10"}
    # Volumes: 1000 voxels of 2 cubic mm and multiples.
    low, middle, high = np.percentile([2, 4, 6, 8, 10, 12], [25, 50, 75])
    assert groups.loc["All", "Tumour of HGG (ml)"] == f"{middle:.1f} | {low:.1f} to {high:.1f}"
    assert groups.loc["Test", "Tumour of LGG (ml)"] == "–"
    sites = page.table("Sites").set_index("Site")
    assert sites.loc["north"].tolist() == ["5", "0", "2"] and sites.loc["unknown"].tolist() == ["0", "2", "0"]
    assert page.table("Crops").to_numpy().tolist() == [["brain", "10", "0", "1.000"], ["tumour", "10", "2", "0.750"]]


def test_model_answers_are_escaped_and_capped(tmp_path):
    crops = data.write_crops(tmp_path / "crops", patients=("P00", "P01"))
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    texts = ["Choice: 1", evil, "Choice: 0", "y" * 5000, "{{ 7 * 7 }}"]
    rows = [{"patient": "P01", "orientation": "axial", "slice": i + 8, "repeat": 0, "text": text, "finish": "stop",
             "tokens": 3, "logprobs": None} for i, text in enumerate(texts)]  # fmt: skip
    shard, table, folds = tmp_path / "shard-0.jsonl", tmp_path / "a.csv", tmp_path / "folds.csv"
    shard.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tasks.answers_table(tasks.read_responses(shard), tasks.get("classification")).to_csv(table, index=False)
    pd.DataFrame({"patient": ["P00", "P01"], "grade": ["LGG", "HGG"]}).to_csv(folds, index=False)
    out = tmp_path / "t.html"
    answer_pages.sample_answers(
        {"run": [shard]}, {"run": table}, {"run": "classification"}, folds, {"run": crops}, LABEL, out, side=32
    )
    page = Page(out)
    assert "script" not in page.tags and "img" not in page.tags
    shown = page.table("run")
    assert evil in shown["Answer"].tolist() and "{{ 7 * 7 }}" in shown["Answer"].tolist()
    assert shown["Answer"].str.len().max() < 400 and "(4700 more characters)" in page.source
    assert set(shown["Status"]) == {"ok", "malformed"} and shown["Truth"].str.startswith("HGG").all()
    answer_pages.answer_status({"run": table}, LABEL, tmp_path / "s.html")
    status = Page(tmp_path / "s.html").table("Answers by status").iloc[0]
    assert (status["Answers"], status["ok"], status["malformed"], status["Share read"]) == ("5", "2", "3", "0.400")


def test_names_are_escaped_too(summary, tmp_path):
    table = pd.read_csv(summary).head(3).assign(model="<b>bold</b>")
    table.to_csv(tmp_path / "s.csv", index=False)
    scores.summary_table(tmp_path / "s.csv", "<i>cohort</i>", tmp_path / "t.html")
    page = Page(tmp_path / "t.html")
    assert "b" not in page.tags and "i" not in page.tags and "&lt;b&gt;" in page.source


def test_pages_fetch_nothing(summary, tmp_path):
    scores.summary_table(summary, LABEL, tmp_path / "t.html")
    page = Page(tmp_path / "t.html")
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://", page.source)
    assert "default-src 'none'" in page.source and LABEL in page.source


def test_choose_takes_unreadable_answers_up_to_half():
    status = pd.Series(["ok"] * 20 + ["empty"] * 10)
    assert sum(index >= 20 for index in answer_pages.choose(status, 8)) == 4
    assert answer_pages.choose(pd.Series(["ok", "empty"]), 8) == [0, 1]
    assert answer_pages.choose(pd.Series(["ok"] * 9), 3) == [0, 4, 8]


def test_tests_table_shows_effects_and_marks_what_is_undefined(summary, tmp_path):
    row = {
        "first": "polygon-finetuned",
        "second": "nobody",
        "cohort": "pooled",
        "role": "primary",
        "metric": "recall_all",
        "slices": "all, axial",
        "test": "Wilcoxon",
        "value_first": 0.5,
        "value_second": 0.25,
        "p": 0.0004,
        "p_holm": np.nan,
        "effect": 0.25,
        "effect_name": "median difference",
        "effect_low": 0.125,
        "effect_high": 0.375,
        "n": 9,
    }
    nothing = dict.fromkeys(("effect", "effect_name", "effect_low", "effect_high", "p"), np.nan)
    pd.DataFrame([row, row | nothing | {"n": 0}]).to_csv(tmp_path / "c.csv", index=False)
    scores.tests_table(tmp_path / "c.csv", summary, LABEL, tmp_path / "t.html")
    table = Page(tmp_path / "t.html").table("Paired tests")
    first, second = table.iloc[0], table.iloc[1]
    assert (first["First value"], first["p"], first["p (Holm)"], first["n"]) == ("0.500", "< 0.001", "–", "9")
    # Called as in the other tables, and as in the configuration.
    assert (first["First"], first["Second"]) == ("tiny-mllama, fine-tuned | polygon-finetuned", "nobody")
    assert (first["Effect"], first["Effect is"]) == ("0.250 | 0.125 to 0.375", "median difference")
    assert (first["Role"], first["Cohort"], first["Metric"]) == ("primary", "pooled", "Recall, all patients")
    assert second[["Effect", "Effect is", "p", "n"]].tolist() == ["–", "–", "–", "0"]


def test_timing_adds_up(tmp_path):
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for number, (seconds, memory) in enumerate((("3700.5", "512.0"), ("20.0", "-"))):
        line = f"{seconds}\t0:00:20\t{memory}\t-\t-\t-\t-\t-\t0.00\t10.0\n"
        (tmp_path / f"{number}.tsv").write_text(header + line)
    (tmp_path / "t.csv").write_text("batch,rows,tokens,seconds\n0,32,320,2.0\n1,8,80,2.0\n")
    rule = [tmp_path / "0.tsv", tmp_path / "1.tsv"]
    timing.timing_table({"train_cnn": rule}, {"run": [tmp_path / "t.csv"]}, LABEL, tmp_path / "t.html")
    page = Page(tmp_path / "t.html")
    job, run = page.table("Jobs").iloc[0], page.table("VLM inference").iloc[0]
    assert job.tolist() == ["train_cnn", "2", "1 h 02 min", "1 h 01 min", "20.0 s", "512"]
    assert run.tolist() == ["run", "40", "400", "4.0 s", "10.0", "100.0"]


def test_revisions_left_open_are_those_that_were_fetched(tmp_path):
    models = {name: {"source": "owner/name", "revision": None} for name in ("open", "renamed", "missing")}
    for name, source in (("open", "owner/name"), ("renamed", "owner/other")):
        (tmp_path / f"{name}.fetched.json").write_text(json.dumps({"source": source, "revision": "a" * 40}))
    found = revisions.fetched(models, tmp_path.glob("*.json"))
    assert {name: entry["revision"] for name, entry in found.items()} == {
        "open": "a" * 40,
        "renamed": None,
        "missing": None,
    }
    config = resolved()
    assert f"revision ``{'a' * 40}``" in render(config | {"models": found})


def render(config: dict) -> str:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)  # as Snakemake's report has it
    text = environment.from_string((ROOT / "workflow/report/workflow.rst").read_text(encoding="utf-8"))
    return text.render(snakemake=SimpleNamespace(config=config))


def test_methods_say_whose_boxes_become_masks():
    entry = {"model": "/models/medsam", "boxes": ["truth", "monai-unet"], "every": 5, "patients": "test"}
    text = render(resolved() | {"sam": {"medsam": entry}})
    assert "of the boxes of truth, monai-unet on one axial FLAIR slice in 5 of\nthe test patients." in text
    assert "From boxes to masks" not in render(resolved())


def body(text: str) -> str:
    return publish_parts(text, writer="html", settings_overrides={"report_level": 1, "halt_level": 2})["body"]


def test_methods_text_follows_the_configuration():
    config = resolved()
    text = render(config)
    assert "Phantom cohort" in text and "Not for clinical use" in text
    for name in (*config["networks"], *config["models"], *config["runs"], *config["adapters"]):
        assert name in text
    assert "2509.10683" in body(text)
    real = config | {
        "cohort": {"layout": "auto", "root": "/data/`odd`_*name*_", "exclude": ["a_", "b*"]},
        "crops": config["crops"] | {"mode": "tumour"},
    }
    text = render(real)
    assert "Phantom cohort" not in text and "centred on the true tumour" in text
    body(text)


@pytest.mark.parametrize("name", ["paper", "leak-free"])
def test_methods_text_of_a_study_names_what_it_holds(name):
    config = resolved(name, cohort={"root": "/data/brats"})
    sections = [config[section] for section in ("networks", "models", "adapters", "runs")]
    text = render(config)
    for entry in (entry for section in sections for entry in section):
        assert f"**{entry}**" in text or f"``{entry}``" in text
    for first, second in config["comparisons"] + config["leak_audit"]:
        assert f"``{first}``" in text and f"``{second}``" in text
    page = body(text)
    headings = (
        "Ground truth",
        "Missing data",
        "Partition",
        "Calibration",
        "Leak audit",
        "Failure analysis",
        "Limitations",
    )
    for said in (*headings, "optimism", "Holm", "cannot be excluded", "No sample size was calculated"):
        assert said in page
    assert ("last epoch is kept" in text) == (name == "leak-free")


def test_methods_text_and_captions_render_without_a_configuration():
    body(render({}))
    for caption in (ROOT / "workflow/report").glob("*.rst"):
        template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(caption.read_text())
        assert len(body(template.render(snakemake=SimpleNamespace(config={})))) > 60


def test_tables_go_out_as_csv_and_latex(tmp_path):
    """What a cell shows, its interval in brackets; nothing that LaTeX would take for a command."""
    cells = [html.Cell("unet_{x}\\y", "†"), html.Cell("0.85", "0.8 to 0.9")]
    first = html.Table("50 % of A & B", ("Method", "Dice_1"), [cells])
    second = html.Table("Other", ("Method", "n"), [["plain #1 ^~$", "3"], ["–", "4"]])
    paths = [tmp_path / f"a.{suffix}" for suffix in ("html", "csv", "tex")]
    html.write(paths, "Title", "phantom cohort\n\\input{x}", [first, second])
    read = pd.read_csv(paths[1], dtype=str)
    assert list(read.columns) == ["table", "Method", "Dice_1", "n"]
    assert read["table"].tolist() == ["50 % of A & B", "Other", "Other"]
    assert read["Dice_1"][0] == "0.85 [0.8 to 0.9]" and read["n"].tolist()[1:] == ["3", "4"]
    text = paths[2].read_text()
    assert text.startswith("% Title: phantom cohort \\input{x}\n"), "in one line, that it stays a comment"
    assert r"\caption{50 \% of A \& B}" in text and r"Dice\_1" in text
    assert r"unet\_\{x\}\textbackslash{}y [\dag{}] & 0.85 [0.8 to 0.9] \\" in text
    assert r"plain \#1 \textasciicircum{}\textasciitilde{}\$ & 3 \\" in text and "-- & 4" in text
    assert text.count(r"\toprule") == text.count(r"\begin{longtable}") * 2 == 4
    html.write([tmp_path / "b.html", tmp_path / "b.csv", tmp_path / "b.tex"], "Nothing", "phantom", [])
    assert (tmp_path / "b.tex").is_file() and (tmp_path / "b.csv").is_file()


def test_patients_go_out_as_json(tmp_path):
    """Values by patient and their means, recomputed from the tables; nothing that is no JSON."""
    rng = np.random.default_rng(0)
    facts = {"task": "segmentation", "family": "cnn", "run": "unet", "model": "monai:UNet"}
    facts |= {"adapter": "", "crops": "brain"}
    where = {"cohort": "test", "slices": "volume", "orientation": "volume"}
    names = ["p1", "p2", "p3"]
    masks = pd.DataFrame({"patient": names, "dice": rng.random(3), "hd95": [1.5, np.nan, 2.5]}).assign(**facts, **where)
    grades = pd.DataFrame({"patient": names, "grade": "HGG", "label": ["HGG", "", "LGG"], "p_hgg": 0.5})
    grades = grades.assign(**(facts | {"task": "classification", "run": "net"}), **where)
    for name, table in (("a", masks), ("b", grades)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    found = patient_scores.collect([tmp_path / "a.csv", tmp_path / "b.csv"], "demo", "phantom cohort")
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found and [method["run"] for method in found["methods"]] == ["unet", "net"]
    (group,) = found["methods"][0]["groups"]
    assert group["mean"] == {"dice": pytest.approx(masks["dice"].mean()), "hd95": 2.0}
    assert [case["metrics"]["hd95"] for case in group["metric_per_case"]] == [1.5, None, 2.5]
    (group,) = found["methods"][1]["groups"]
    assert group["mean"] == {"p_hgg": 0.5} and group["metric_per_case"][1]["metrics"]["label"] == ""
