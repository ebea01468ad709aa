"""Who takes part: the flow from the folder to the folds, grades, sites and tumour sizes, and what the crops cut off."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from glioma.cohort import crop_files
from glioma.cohort import folds as fold_tables
from glioma.report.html import UNDEFINED, Cell, Out, Table, write
from glioma.report.tables.scores import count

GRADES = ("HGG", "LGG")


def participants_table(
    patients: str | Path,
    folds: str | Path,
    crop_sets: Sequence[str | Path],
    excluded: Sequence[str],
    cohort_label: str,
    out: Out,
) -> None:
    """Write the page.

    patients: the cohort's table (patient, subject, grade, site). crop_sets: the folders of crops, each with its
    table. excluded: the ids of cohort.exclude.
    """
    people = pd.read_csv(patients, dtype=str, keep_default_na=False).set_index("patient")
    assigned = fold_tables.read(folds).set_index("patient")
    people = people.join(assigned[["split", "fold"]]).assign(ml=_volumes(crop_sets[0], people.index))
    sections = [_flow(people, excluded), _groups(people), _sites(people), _crops(crop_sets)]
    notes = (
        "Scans of one subject stay in one group. Each fold validates once and trains otherwise; test patients do "
        "neither. Tumour volume is the whole tumour of the expert mask, in the scan's own voxels: median (quartiles).",
    )
    write(out, "Participants", cohort_label, sections, notes)


def _volumes(folder: str | Path, patients: Sequence[str]) -> list[float]:
    """Tumour volumes in millilitres, from the voxels of the scans."""
    found = []
    for patient in patients:
        geometry = crop_files.load_geometry(folder, patient)
        voxel = abs(np.linalg.det(np.asarray(geometry["scan_affine"])[:3, :3]))
        found.append(geometry["tumour_voxels_in_scan"] * voxel / 1000)
    return found


def _flow(people: pd.DataFrame, excluded: Sequence[str]) -> Table:
    def row(name: str, chosen: pd.DataFrame, detail: str = "") -> list[Cell | str]:
        grades = [count((chosen["grade"] == grade).sum()) for grade in GRADES]
        return [Cell(name, detail), count(len(chosen)), count(chosen["subject"].nunique()), *grades]

    unknown = [UNDEFINED] * 3
    body = [
        [Cell("Found"), count(len(people) + len(excluded)), *unknown],
        [Cell("Excluded by name", ", ".join(excluded)), count(len(excluded)), *unknown],
        row("Cohort", people, "four sequences and a mask each; incomplete patients stop the workflow"),
        row("Development", people[people["split"] == "development"], "cross-validation"),
        row("Test", people[people["split"] == "test"], "held out"),
    ]
    columns = ("Step", "Patients", "Subjects", *GRADES)
    return Table("Flow", columns, body, numeric=frozenset(columns[1:]))  # type: ignore[arg-type]


def _groups(people: pd.DataFrame) -> Table:
    groups = [("Test", people[people["split"] == "test"])]
    developing = people[people["split"] == "development"]
    groups += [(f"Fold {fold}", group) for fold, group in developing.groupby("fold")]
    body = []
    for name, group in [*groups, ("All", people)]:
        by_grade = [group[group["grade"] == grade] for grade in GRADES]
        share = len(by_grade[0]) / len(group)
        sites = group["site"][group["site"] != ""].nunique()
        body.append(
            [
                name,
                count(len(group)),
                *(count(len(each)) for each in by_grade),
                Cell(f"{share:.3f}"),
                count(sites or np.nan),
                *(_spread(each["ml"]) for each in by_grade),
            ]
        )
    columns = ("Group", "Patients", *GRADES, "Share HGG", "Sites", *(f"Tumour of {grade} (ml)" for grade in GRADES))
    return Table("Groups", columns, body, numeric=frozenset(columns[1:]))


def _spread(values: pd.Series) -> Cell:
    if values.empty:
        return Cell(UNDEFINED)
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return Cell(f"{middle:.1f}", f"{low:.1f} to {high:.1f}", float(middle))


def _sites(people: pd.DataFrame) -> Table:
    table = pd.crosstab(people["site"].replace("", "unknown"), people["grade"]).reindex(columns=GRADES, fill_value=0)
    test = people[people["split"] == "test"]["site"].replace("", "unknown").value_counts()
    body = [
        [site, *(count(row[grade]) for grade in GRADES), count(test.get(site, 0))]
        for site, row in table.sort_index().iterrows()
    ]
    columns = ("Site", *GRADES, "Of these tested")
    note = (
        "Where sites saw one grade only, a model may learn the site from the look of its scans. The baseline "
        '"site majority" grades by the site alone and shows how far that goes.'
    )
    return Table("Sites", columns, body, note, frozenset(columns[1:]))


def _crops(crop_sets: Sequence[str | Path]) -> Table:
    body = []
    for folder in map(Path, crop_sets):
        share = pd.read_csv(folder / crop_files.TABLE)["tumour_share_in_crop"]
        body.append([folder.parent.name, count(len(share)), count((share < 1).sum()), Cell(f"{share.min():.3f}")])
    columns = ("Crops", "Patients", "Tumours cut", "Least share inside")
    note = "What of a tumour lies outside its crop can be found by no model and is not scored."
    return Table("Crops", columns, body, note, frozenset(columns[1:]))
