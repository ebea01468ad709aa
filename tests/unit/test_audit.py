"""The leak audit: cells and effects recomputed by hand from the patients' tables."""

import figure_data as data
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from glioma.base.errors import UserError
from glioma.compare import leak_audit
from glioma.report.figures import leaks
from glioma.report.tables import audit as page

PATIENTS = [f"p{number:02d}" for number in range(24)]
GRADES = ["HGG"] * 15 + ["LGG"] * 9


def boxes(cohort: str, shift: float, seed: int) -> pd.DataFrame:
    """Dice of every patient in all four subsets; tumour slices score `shift` more."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.2, 0.5, len(PATIENTS))
    parts = [
        pd.DataFrame({"patient": PATIENTS, "slices": name, "dice": base + shift * name.startswith("tumour")})
        for name in ("all", "tumour", "volume", "tumour volume")
    ]
    return pd.concat(parts, ignore_index=True).assign(
        **data.facts("bounding_box", "whole frame", "baseline"),
        cohort=cohort,
        orientation="axial",
        grade=np.nan,
        label=np.nan,
    )


def labels(cohort: str, seed: int, slices=("all", "tumour")) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for name in slices:
        found = rng.choice(["HGG", "LGG", ""], len(PATIENTS), p=[0.5, 0.4, 0.1])
        parts.append(pd.DataFrame({"patient": PATIENTS, "slices": name, "grade": GRADES, "label": found}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**data.facts("classification", "always HGG", "baseline"), cohort=cohort, orientation="axial")


@pytest.fixture
def paths(tmp_path):
    found = {}
    for number, mode in enumerate(leak_audit.CROPS):
        cohorts = [boxes(cohort, 0.1 + 0.2 * number, 5 * number) for cohort in ("test", "pooled")]
        found[mode] = tmp_path / mode / "patients.csv"
        found[mode].parent.mkdir()
        pd.concat([*cohorts, labels("pooled", number)]).to_csv(found[mode], index=False)
    return found


@pytest.fixture
def table(paths):
    return leak_audit.audit(leak_audit.baselines(paths), 1, 500, 0.95)


def one(table, **where) -> pd.Series:
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_labels_of_slices_are_passed_over(paths, table):
    """Baselines of a task that labels slices stand in the same tables; no choice of slices helps them."""
    for path in paths.values():
        own = labels("pooled", 3).assign(**data.facts("presence", "FLAIR threshold", "baseline"))
        pd.concat([pd.read_csv(path), own]).to_csv(path, index=False)
    again = leak_audit.audit(leak_audit.baselines(paths), 1, 500, 0.95)
    pd.testing.assert_frame_equal(again, table)


def test_cells_and_effects_of_dice_by_hand(paths, table):
    assert tuple(table.columns) == leak_audit.COLUMNS
    for metric, levels in (("dice_volume", ("volume", "tumour volume")), ("dice_slices", ("all", "tumour"))):
        values = {}
        for mode, path in paths.items():
            read = pd.read_csv(path).query("cohort == 'pooled' and task == 'bounding_box'")
            for level, name in zip(leak_audit.SLICES, levels, strict=True):
                values[mode, level] = read[read["slices"] == name].set_index("patient")["dice"]
                cell = one(table, metric=metric, crops=mode, slices=level, factor="")
                assert cell["value"] == pytest.approx(values[mode, level].mean()) and cell["n"] == len(PATIENTS)
                assert cell["low"] < cell["value"] < cell["high"]
        for factor, without, leaking in leak_audit.EFFECTS:
            held = {"crops": "", "slices": ""}
            if factor == "crops":
                held["slices"] = without[1]
            if factor == "slices":
                held["crops"] = without[0]
            effect = one(table, metric=metric, factor=factor, **held)
            assert effect["value"] == pytest.approx((values[leaking] - values[without]).mean())
    paired = one(table, metric="dice_slices", factor="slices", crops="brain")
    assert paired[["value", "low", "high"]].tolist() == pytest.approx([0.1] * 3), "every patient gains the same"
    moved = one(table, metric="dice_slices", factor="crops", slices="all")
    assert moved["low"] <= moved["value"] <= moved["high"] and moved["cohort"] == "pooled"


def test_balanced_accuracy_is_that_of_sklearn_with_undecided_wrong(paths, table):
    scores = {}
    for mode, path in paths.items():
        read = pd.read_csv(path, keep_default_na=False).query("task == 'classification'")
        for level, part in read.groupby("slices"):
            wrong = np.where(part["grade"] == "HGG", "LGG", "HGG")
            said = np.where(part["label"] == "", wrong, part["label"])
            scores[mode, level] = balanced_accuracy_score(part["grade"], said)
            cell = one(table, metric="balanced_accuracy", crops=mode, slices=level, factor="")
            assert cell["value"] == pytest.approx(scores[mode, level])
    both = one(table, metric="balanced_accuracy", factor="both")
    assert both["value"] == pytest.approx(scores["tumour", "tumour"] - scores["brain", "all"])
    assert both["low"] < both["value"] < both["high"]


def test_paired_interval_agrees_with_a_plain_bootstrap(paths, table):
    moved = one(table, metric="dice_volume", factor="crops", slices="all")
    read = {mode: pd.read_csv(path).query("cohort == 'pooled' and slices == 'volume'") for mode, path in paths.items()}
    difference = read["tumour"]["dice"].to_numpy() - read["brain"]["dice"].to_numpy()
    rng = np.random.default_rng(0)
    means = difference[rng.integers(0, len(difference), (20_000, len(difference)))].mean(axis=1)
    assert [moved["low"], moved["high"]] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.012)


def test_a_run_of_tumour_slices_on_test_patients_has_one_effect(tmp_path):
    tables = {}
    for number, mode in enumerate(leak_audit.CROPS):
        path = tmp_path / mode / "patients.csv"
        path.parent.mkdir()
        rows = boxes("test", 0.1, number)
        rows = rows.assign(**data.facts("bounding_box", "tiny finetuned", "vlm", "box-run"))
        rows[rows["slices"].str.startswith("tumour")].to_csv(path, index=False)
        tables[mode] = path
    table = leak_audit.audit([leak_audit.model(("box-run", "box-run-tumour"), tables)], 1, 100, 0.95)
    found = table[table["factor"] != ""]
    assert (
        set(table["cohort"]) == {"test"}
        and set(table["run"]) == {"box-run"}
        and set(table["adapter"]) == {"an-adapter"}
    )
    assert found[["metric", "factor", "slices"]].to_numpy().tolist() == [
        ["dice_volume", "crops", "tumour"], ["dice_slices", "crops", "tumour"]
    ]  # fmt: skip


def network(tmp_path, cohorts=("pooled", "pooled")) -> dict:
    """A CNN's grades on both crops: it sees the whole volume, which is what all slices are to a VLM."""
    tables = {}
    for number, (mode, cohort) in enumerate(zip(leak_audit.CROPS, cohorts, strict=True)):
        tables[mode] = tmp_path / f"{mode}.csv"
        rows = labels(cohort, number, ("volume",)).assign(orientation="volume")
        rows.assign(**data.facts("classification", "net", "cnn")).to_csv(tables[mode], index=False)
    return tables


def test_a_networks_grades_are_audited(tmp_path):
    """Its slices are called "volume": the declared pair once vanished without a word."""
    tables = network(tmp_path)
    table = leak_audit.audit([leak_audit.model(("net", "net-tumour"), tables)], 1, 100, 0.95)
    effect = one(table, factor="crops")
    assert (effect["metric"], effect["slices"], effect["n"]) == ("balanced_accuracy", "all", len(PATIENTS))
    read = [pd.read_csv(tables[mode], keep_default_na=False) for mode in leak_audit.CROPS]
    gains = [balanced_accuracy_score(t["grade"], np.where(t["label"] == t["grade"], t["grade"], "wrong")) for t in read]
    assert effect["value"] == pytest.approx(gains[1] - gains[0])
    assert effect["low"] < effect["value"] < effect["high"]


def test_a_declared_pair_without_rows_is_an_error(tmp_path):
    tables = network(tmp_path)
    others = pd.read_csv(tables["tumour"])
    others.assign(patient="other-" + others["patient"]).to_csv(tables["tumour"], index=False)
    with pytest.raises(UserError, match=r"key leak_audit, pair \[net, net-tumour\]: there is nothing to compare"):
        leak_audit.audit([leak_audit.model(("net", "net-tumour"), tables)], 1, 100, 0.95)
    pd.read_csv(tables["brain"]).iloc[:0].to_csv(tables["brain"], index=False)
    pd.read_csv(tables["tumour"]).iloc[:0].to_csv(tables["tumour"], index=False)
    with pytest.raises(UserError, match="neither has scores of any patient"):
        leak_audit.model(("net", "net-tumour"), tables)


def test_patients_of_one_cell_alone_are_left_out(tmp_path):
    tables = {}
    for number, mode in enumerate(leak_audit.CROPS):
        tables[mode] = tmp_path / f"{mode}.csv"
        rows = boxes("pooled", 0.1, number)
        rows[rows["patient"] != PATIENTS[number]].to_csv(tables[mode], index=False)
    table = leak_audit.audit(leak_audit.baselines(tables), 1, 100, 0.95)
    assert set(table.loc[table["factor"] == "", "n"]) == {23}
    assert set(table.loc[table["factor"].isin(["crops", "both"]), "n"]) == {22}


def test_one_set_of_crops_still_shows_what_slices_are_worth(paths, tmp_path):
    table = leak_audit.audit(leak_audit.baselines({"brain": paths["brain"]}), 1, 100, 0.95)
    assert set(table["factor"]) == {"", "slices"}
    table.to_csv(tmp_path / "a.csv", index=False)
    leaks.leak_audit(tmp_path / "a.csv", "phantom", tmp_path / "f")
    page.audit_table(tmp_path / "a.csv", "phantom", tmp_path / "a.html")
    assert (tmp_path / "f.png").stat().st_size > 5000


def test_figure_and_page_hold_the_numbers(table, tmp_path):
    table.to_csv(tmp_path / "a.csv", index=False)
    figure = leaks.leak_audit(tmp_path / "a.csv", "phantom cohort", tmp_path / "f")
    assert len(figure.axes) == 4, "volumes and grades; slice by slice is in the table"
    cell = one(table, metric="dice_volume", crops="tumour", slices="tumour", factor="")
    drawn = [line.get_xdata()[0] for axes in figure.axes[::2] for line in axes.get_lines()]
    assert any(np.isclose(value, cell["value"]) for value in drawn)
    page.audit_table(tmp_path / "a.csv", "phantom cohort", tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text()
    effect = one(table, metric="balanced_accuracy", factor="both")
    assert f"{effect['value']:+.3f}" in text and f"{cell['value']:.3f}" in text and "phantom cohort" in text


def test_empty_audit_is_said(tmp_path):
    leak_audit.audit([], 1, 100, 0.95).to_csv(tmp_path / "a.csv", index=False)
    leaks.leak_audit(tmp_path / "a.csv", "phantom", tmp_path / "f")
    page.audit_table(tmp_path / "a.csv", "phantom", tmp_path / "a.html")
    assert (tmp_path / "f.svg").is_file() and (tmp_path / "a.html").is_file()
