"""Which patients there are: a folder of scans as one table, checked once, all faults listed together."""

import hashlib
import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from glioma.base.errors import UserError
from glioma.cohort import grade_tables, layouts
from glioma.cohort import labels as conventions
from glioma.cohort.sequences import SCANS

COLUMNS = (*grade_tables.COLUMNS, *SCANS)
SHOWN_FAULTS = 20


def name(settings: Mapping) -> str:
    """What the results of a cohort are kept under: readable, and another one for other scans, labels or phantoms."""
    if settings["layout"] == "phantom":
        return f"phantom-{settings['hgg']}-{settings['lgg']}-{settings['seed']}"
    # Excluding a patient leaves the others' crops as they are.
    causes = {key: value for key, value in settings.items() if key not in ("exclude", "grades", "hgg", "lgg", "seed")}
    for key in ("root", "table"):
        causes[key] = str(Path(settings[key]).expanduser().resolve()) if settings[key] else ""
    shown = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(causes["root"] or causes["table"]).stem).strip("-") or "cohort"
    return f"{shown}-{hashlib.sha256(json.dumps(causes, sort_keys=True).encode()).hexdigest()[:6]}"


def index(settings: Mapping, scans_here: bool = True) -> pd.DataFrame:
    """The table of a cohort, a row a patient: patient, subject, grade, site, and the paths flair, t1, t1ce, t2, mask.

    `settings` is the section `cohort`: root, layout (auto, brats2020, brats2021, brats2023, table), table, grades and
    exclude; what is left out is empty. Looks at names and tables only, so that it can run before every workflow start;
    where scans lie in a storage (`scans_here` false), at tables alone, and the layout must be one. Raises `UserError`
    listing every fault found.
    """
    if not scans_here and not settings.get("table"):
        raise UserError(
            f"cohort.layout: {settings.get('layout') or 'auto'}, but jobs that share no file system list no folder "
            "of scans; name a table of their paths in the storage (cohort.table, docs/cloud.md)"
        )
    source = layouts.find(settings)
    exclude = set(settings.get("exclude") or ())
    if source.layout == "table":
        table, present, faults = _of_table(source, exclude, scans_here)
    else:
        table, present, faults = _of_year(source, exclude)
    unknown = sorted(exclude - present)
    # A text in braces is a wildcard to Snakemake.
    braced = [path for path in table[list(SCANS)].to_numpy().ravel() if isinstance(path, str) and set(path) & set("{}")]
    faults += [f"{path}: a path with braces; rename the folder or the file" for path in braced[:1]]
    _complain(
        [f"cohort.exclude: {name} is not in {source.table} or {source.folder}" for name in unknown] + faults, source
    )
    if table.empty:
        raise UserError(f"{source.table}: names no patient of {source.folder} that is not excluded")
    return table[list(COLUMNS)]


def labels(settings: Mapping) -> dict[int, str]:
    """What the values of the cohort's masks mean: `cohort.labels`, or the convention of its layout."""
    if settings.get("labels"):
        return conventions.read(settings["labels"])
    layout = "brats2020" if settings.get("layout") == "phantom" else layouts.find(settings).layout
    if layout == "table":
        raise UserError(
            "cohort.labels: empty, but a table's masks have no convention; "
            "say what their values mean, such as {1: necrosis, 2: oedema, 4: enhancing} or {1: tumour}"
        )
    return conventions.read(layouts.YEARS[layout].labels)


def sources(settings: Mapping) -> list[str]:
    """The tables that `index` reads: they are inputs, beside the scans."""
    return [str(layouts.find(settings).table)]


def expected(root: str | Path, roster: pd.DataFrame) -> pd.DataFrame:
    """The table that `index` will give for a phantom roster (patient, grade) once its files are written."""
    table = roster[["patient", "grade"]].assign(subject=roster["patient"], site="")
    for scan, end in layouts.YEARS["brats2020"].ends.items():
        table[scan] = [f"{root}/{patient}/{patient}{end}.nii.gz" for patient in table["patient"]]
    return table[list(COLUMNS)]


def check(table: pd.DataFrame, labels: Mapping[int, str], threads: int = 1) -> None:
    """Open every file of a cohort: readable and whole, one grid a patient, masks with declared labels and a tumour,
    sequences with something on them and nothing around the brain.

    Masks and FLAIR are read; of the other scans two planes, the header and the size. Raises `UserError` listing every
    fault found.
    """
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(lambda row: _faults(row, labels), table[["patient", *SCANS]].itertuples(index=False))
        _complain([fault for faults in found for fault in faults], "the cohort")


def _faults(row: Any, labels: Mapping[int, str]) -> list[str]:
    """The faults in one patient's files."""
    # Only here: the table is made at every start of the workflow, where no scan is opened.
    from glioma.cohort import nifti, voxels

    faults, opened = [], {}
    for scan in SCANS:
        path = getattr(row, scan)
        try:
            image = nifti.open_scan(path)
            opened[path] = (tuple(image.shape), image.affine)
            nifti.check_size(image, path)
            if scan == "mask":
                if not conventions.canonical(nifti.read(path)[0], labels, path).any():
                    faults.append(f"{path}: no tumour in this mask; list {row.patient} under cohort.exclude")
                continue
            planes = nifti.planes(image, path)
            voxels.check_background(planes, path)
            try:
                voxels.check_content(planes[1], path)
                known = scan != "flair"
            except UserError:
                known = False
            # A plane may miss a small head; and whether a head has its skull shows on one sequence as on all.
            if not known:
                whole = nifti.read(path)[0]
                voxels.check_content(whole, path)
                voxels.check_extent(int(np.count_nonzero(whole)), image.header.get_zooms(), path)
        except UserError as fault:
            faults.append(str(fault))
    first = next(iter(opened), None)
    return faults + [
        f"{path}: another shape or affine than {first}; co-register the scans of {row.patient} to one grid"
        for path, grid in opened.items()
        if not nifti.same_grid(grid, opened[first])
    ]


class _Cohort(NamedTuple):
    """A table of patients, all ids that may be excluded, and the faults found."""

    table: pd.DataFrame
    present: set[str]
    faults: list[str]


def _of_year(source: layouts.Source, exclude: set[str]) -> _Cohort:
    """The patients of a BraTS folder: those of its mapping, or of its folders where grades come from elsewhere."""
    folders, year = layouts.cases(source), layouts.YEARS[source.layout]
    named = sorted(name for names in folders.values() for name in names if year.case.fullmatch(name))
    if source.layout == "brats2020":
        everyone = grade_tables.name_mapping(source.table)
    else:
        everyone = grade_tables.by_grades(source.table, {name: year.case.fullmatch(name)[1] for name in named})
    roster = everyone[~everyone["patient"].isin(exclude)].reset_index(drop=True)
    faults = grade_tables.faults(roster, source.table)
    listed = set(everyone["patient"].str.lower()) | {name.lower() for name in exclude}
    faults += [
        f"{source.folder / name}: not in {source.table.name}; add its grade there, or list it under cohort.exclude"
        for name in named
        if name.lower() not in listed
    ]
    rows = []
    for patient in roster["patient"]:
        paths, its_faults = layouts.files(source, patient, folders)
        rows.append(paths)
        faults += its_faults
    table = roster.join(pd.DataFrame(rows, columns=SCANS, index=roster.index))
    return _Cohort(table, {*everyone["patient"], *named}, faults)


def _of_table(source: layouts.Source, exclude: set[str], scans_here: bool) -> _Cohort:
    """The patients of a table of files, whose paths are absolute or relative to the root."""
    everyone, paths = grade_tables.of_table(source.table)
    kept = ~everyone["patient"].isin(exclude)
    roster, paths = everyone[kept], paths[kept]
    faults = grade_tables.faults(roster, source.table)
    for scan in SCANS:
        empty = roster.loc[paths[scan] == "", "patient"]
        faults += [f"{source.table}: no {scan} of {patient}; name the file, or exclude the case" for patient in empty]
    paths = paths.map(lambda path: str(source.folder / path) if path else "")
    named = paths.stack()
    named = named[named != ""]
    faults += [f"{source.table}: {path} stands there twice" for path in sorted(set(named[named.duplicated()]))]
    faults += layouts.missing_files(list(dict.fromkeys(named))) if scans_here else []
    return _Cohort(roster.join(paths).reset_index(drop=True), set(everyone["patient"]), faults)


def _complain(faults: list[str], where: object) -> None:
    if not faults:
        return
    if isinstance(where, layouts.Source):
        where = where.folder if where.layout != "table" else where.table
    shown = "; ".join(faults[:SHOWN_FAULTS])
    more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
    raise UserError(f"{where}: {len(faults)} fault{'s' if len(faults) > 1 else ''}: {shown}{more}")
