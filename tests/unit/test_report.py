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
import yaml
from docutils.core import publish_parts

from glioma import answers
from glioma.report import answers as answer_pages
from glioma.report import html, scores, timing

ROOT = Path(__file__).parents[2]
LABEL = "phantom cohort"


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
    return data.write_summary(tmp_path_factory.mktemp("summary") / "summary.csv")


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
    undefined = table[(table["Model"] == "always HGG") & (table["Metric"] == "mcc")]
    assert set(undefined["Value"]) == {"–"}


def test_comparison_shows_both_denominators(summary, tmp_path):
    scores.comparison_table(summary, "mm", LABEL, tmp_path / "t.html")
    page, ours = Page(tmp_path / "t.html"), pd.read_csv(summary)
    everyone = page.table("Test patients: grade, all patients")
    decided = page.table("Test patients: grade, decided patients only")
    for table, metric, n in ((everyone, "balanced_accuracy_all", "10"), (decided, "balanced_accuracy", "8")):
        chosen = table["Model"].str.startswith("tiny-mllama, general") & (table["Slices"] == "sagittal, all slices")
        row = table[chosen].iloc[0]
        wanted = ours[
            (ours["run"] == "classify-general-sagittal") & (ours["slices"] == "all") & (ours["metric"] == metric)
        ]
        value, low, high = wanted.iloc[0][["value", "low", "high"]]
        assert row["Balanced accuracy"] == f"{value:.3f} | {low:.3f} to {high:.3f}"
        assert (row["n"], row["Undecided"]) == (n, "2")
    assert "HD95 (mm)" in page.table("Test patients: segmentation, boxes and polygons, per volume").columns
    assert set(everyone[everyone["Model"].str.startswith("always HGG")]["MCC"]) == {"–"}


def test_published_figures_stand_beside_ours_and_a_phantom_says_so(summary, tmp_path):
    published = ROOT / "resources" / "published_tables.csv"
    scores.published_table(summary, published, True, LABEL, tmp_path / "t.html")
    page = Page(tmp_path / "t.html")
    assert "not comparable" in page.source
    table = page.table("Published table 1: classification")
    theirs = (
        pd.read_csv(published).query("table == 1 and cohort == 'test' and metric == 'specificity'")["value"].iloc[0]
    )
    test = table[table["Cohort"] == "test"]
    assert test.iloc[0]["Specificity"] == f"{theirs:.3f}"
    assert test["Model"].tolist()[1:] == ["ours: densenet121", "ours: paper-classifier"]
    scores.published_table(summary, published, False, "BraTS 2020", tmp_path / "real.html")
    assert "not comparable" not in (tmp_path / "real.html").read_text()


def test_model_answers_are_escaped_and_capped(tmp_path):
    crops = data.write_crops(tmp_path / "crops", patients=("P00", "P01"))
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    texts = ["Choice: 1", evil, "Choice: 0", "y" * 5000, "{{ 7 * 7 }}"]
    rows = [{"patient": "P01", "orientation": "axial", "slice": i + 8, "repeat": 0, "text": text, "finish": "stop",
             "tokens": 3, "logprobs": None} for i, text in enumerate(texts)]  # fmt: skip
    shard, table, folds = tmp_path / "shard-0.jsonl", tmp_path / "a.csv", tmp_path / "folds.csv"
    shard.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers.answers_table(answers.read_responses(shard), "classification").to_csv(table, index=False)
    pd.DataFrame({"patient": ["P00", "P01"], "grade": ["LGG", "HGG"]}).to_csv(folds, index=False)
    out = tmp_path / "t.html"
    answer_pages.sample_answers(
        {"run": [shard]}, {"run": table}, {"run": "classification"}, folds, crops, LABEL, out, side=32
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


def test_tests_table_marks_what_is_undefined(tmp_path):
    row = {"first": "a", "second": "b", "metric": "dice", "test": "Wilcoxon signed-rank", "value_first": 0.5,
           "value_second": 0.25, "statistic": 3.0, "p": 0.0004, "p_holm": np.nan, "n": 9}  # fmt: skip
    pd.DataFrame([row]).to_csv(tmp_path / "c.csv", index=False)
    scores.tests_table([tmp_path / "c.csv"], LABEL, tmp_path / "t.html")
    table = Page(tmp_path / "t.html").table("Paired tests").iloc[0]
    assert (table["First value"], table["p"], table["p (Holm)"], table["n"]) == ("0.500", "< 0.001", "–", "9")


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


def render(config: dict) -> str:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)  # as Snakemake's report has it
    text = environment.from_string((ROOT / "workflow/report/workflow.rst").read_text(encoding="utf-8"))
    return text.render(snakemake=SimpleNamespace(config=config))


def body(text: str) -> str:
    return publish_parts(text, writer="html", settings_overrides={"report_level": 1, "halt_level": 2})["body"]


def test_methods_text_follows_the_configuration():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    text = render(config)
    assert "Phantom cohort" in text and "Not for clinical use" in text
    for name in (*config["cnn"]["networks"], *config["models"], *config["runs"], *config["adapters"]):
        assert name in text
    assert "2509.10683" in body(text)
    real = config | {
        "cohort": {"root": "/data/`odd`_*name*_", "exclude": ["a_", "b*"]},
        "crops": config["crops"] | {"mode": "tumour"},
    }
    text = render(real)
    assert "Phantom cohort" not in text and "centred on the true tumour" in text
    body(text)


def test_methods_text_and_captions_render_without_a_configuration():
    body(render({}))
    for caption in (ROOT / "workflow/report").glob("*.rst"):
        template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(caption.read_text())
        assert len(body(template.render(snakemake=SimpleNamespace(config={})))) > 60
