"""How data sets name their folders and files. Looks at names only, one listing a folder: it runs at every start."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glioma.base.errors import UserError
from glioma.cohort.sequences import SCANS

SUFFIXES = (".nii", ".nii.gz")
MAPPING = "name_mapping.csv"
# How deep below cohort.root the cases may lie: archives unpack into a folder of their own, and copies into another.
DEPTH = 2


@dataclass(frozen=True)
class Year:
    """One year of BraTS: the name of a case's folder (group 1: its subject) and what its files end in."""

    case: re.Pattern
    example: str
    ends: Mapping[str, str]
    labels: Mapping[int, str]
    odd: Mapping[tuple[str, str], str] = field(default_factory=dict)


_ENDS = {"flair": "_flair", "t1": "_t1", "t1ce": "_t1ce", "t2": "_t2", "mask": "_seg"}
_LABELS = {1: "necrosis", 2: "oedema", 4: "enhancing"}
YEARS = {
    "brats2020": Year(
        case=re.compile(r"(BraTS20_Training_\d+)", re.IGNORECASE),
        example="BraTS20_Training_001",
        ends=_ENDS,
        labels=_LABELS,
        # BraTS 2020 ships case 355 with its mask under another name.
        odd={("BraTS20_Training_355", "mask"): "W39_1998.09.19_Segm"},
    ),
    "brats2021": Year(
        case=re.compile(r"(BraTS2021_\d+)", re.IGNORECASE), example="BraTS2021_00000", ends=_ENDS, labels=_LABELS
    ),
    # The last number of an id is the time point. 4 is undeclared: later sets use it for the resection cavity.
    "brats2023": Year(
        case=re.compile(r"(BraTS-[A-Z]+-\d+)-\d+", re.IGNORECASE),
        example="BraTS-GLI-00000-000",
        ends={"flair": "-t2f", "t1": "-t1n", "t1ce": "-t1c", "t2": "-t2w", "mask": "-seg"},
        labels={1: "necrosis", 2: "oedema", 3: "enhancing"},
    ),
}


@dataclass(frozen=True)
class Source:
    """Where a cohort is: its layout, the folder of its cases, and the table of its grades."""

    layout: str
    folder: Path
    table: Path


def find(settings: Mapping) -> Source:
    """The source that `cohort` settings speak of. Raises `UserError` where there is none, or more than one."""
    wanted = settings.get("layout") or "auto"
    root, table, grades = (Path(settings.get(key) or "").expanduser() for key in ("root", "table", "grades"))
    if wanted == "table" or (wanted == "auto" and settings.get("table")):
        if not settings.get("table"):
            raise UserError("cohort.table: empty, but cohort.layout is table; name the table of patients there")
        return Source("table", root, table)
    if not root.is_dir():
        raise UserError(f"cohort.root: {root} is not a folder; give the folder that holds the cases")
    if settings.get("table"):
        raise UserError(f"cohort.table: {table}, but cohort.layout is {wanted}; use layout table, or leave it empty")
    layout, folder = _search(root, YEARS if wanted == "auto" else {wanted: YEARS[wanted]})
    if layout == "brats2020":
        if settings.get("grades"):
            raise UserError(f"cohort.grades: {grades}, but BraTS 2020 has its grades in {MAPPING}; leave it empty")
        return Source(layout, folder, _mapping(root, folder))
    if not settings.get("grades"):
        raise UserError(
            f"cohort.grades: empty, but {layout} folders carry no grades; "
            "name a table with the columns patient and grade (LGG or HGG)"
        )
    return Source(layout, folder, grades)


def cases(source: Source) -> dict[str, list[str]]:
    """The case folders of a BraTS year by their names in lower case: [as written, ...], hidden ones left out."""
    found: dict[str, list[str]] = {}
    for entry in listing(source.folder).values():
        if _is(entry.is_dir):
            found.setdefault(entry.name.lower(), []).append(entry.name)
    return found


def files(source: Source, patient: str, folders: Mapping[str, list[str]]) -> tuple[dict[str, str], list[str]]:
    """The files of one case (scan -> path) and its faults."""
    written = folders.get(patient.lower(), [])
    if len(written) != 1:
        which = f"{len(written)} folders ({', '.join(sorted(written))}); keep one" if written else "no such folder"
        remedy = "" if written else "; copy it, or list the case under cohort.exclude"
        return {}, [f"{source.folder / patient}: {which}{remedy}"]
    folder, year = source.folder / written[0], YEARS[source.layout]
    entries: dict[str, list[os.DirEntry]] = {}
    for entry in listing(folder).values():
        entries.setdefault(entry.name.lower(), []).append(entry)
    paths, faults = {}, []
    for scan in SCANS:
        stems = [patient + year.ends[scan]]
        stems += [stem for (case, of), stem in year.odd.items() if (case.lower(), of) == (patient.lower(), scan)]
        names = [f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES]
        found = [entry for name in names for entry in entries.get(name.lower(), [])]
        if not found:
            faults.append(f"{folder}: no {names[0]} or .nii.gz")
        elif len(found) > 1:
            faults.append(f"{folder}: {' and '.join(sorted(entry.name for entry in found))}; keep one of them")
        elif not _is(found[0].is_file):
            faults.append(f"{found[0].path}: {_no_file(found[0])}")
        else:
            paths[scan] = found[0].path
    return paths, faults


def listing(folder: Path) -> dict[str, os.DirEntry]:
    """The entries of a folder by name, without hidden ones (`.DS_Store`, `._` doubles of files)."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry for entry in entries if not entry.name.startswith((".", "__MACOSX"))}
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror}); check cohort.root") from None


def missing_files(paths: list[str]) -> list[str]:
    """Faults of those paths that are no files; every folder is listed once."""
    folders: dict[str, dict[str, os.DirEntry]] = {}
    faults = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = listing(Path(folder)) if os.path.isdir(folder or ".") else {}
        entry = folders[folder].get(name)
        if entry is None or not _is(entry.is_file):
            faults.append(f"{path}: {_no_file(entry)}")
    return faults


def _is(question: Callable[[], bool]) -> bool:
    """The answer of `is_file` or `is_dir`; a link in a circle, of which Python raises an error, is neither."""
    try:
        return question()
    except OSError:
        return False


def _no_file(entry: os.DirEntry | None) -> str:
    if entry is None:
        return "no such file; correct the path, or exclude the case"
    if _is(entry.is_dir):
        return "is a folder, not a file; move the scan out of it"
    return "is a link to nothing; fetch the file that it stands for"


def _search(root: Path, years: Mapping[str, Year]) -> tuple[str, Path]:
    """The layout and folder of the cases: the shallowest folder with names of a year, else one with a mapping."""
    level, levels = [root], []
    for _ in range(DEPTH + 1):
        levels.append(listed := {folder: listing(folder) for folder in level})
        found = [
            (layout, folder)
            for folder, entries in listed.items()
            for layout, year in years.items()
            if any(year.case.fullmatch(name) and _is(entry.is_dir) for name, entry in entries.items())
        ]
        if found:
            return _one(found)
        level = [Path(entry.path) for entries in listed.values() for entry in entries.values() if _is(entry.is_dir)]
    if "brats2020" in years:
        # Cases of other names than BraTS gave them, in its layout.
        for listed in levels:
            found = [("brats2020", folder) for folder, entries in listed.items() if MAPPING in entries]
            if found:
                return _one(found)
    examples = ", ".join(year.example for year in years.values())
    raise UserError(
        f"cohort.root: {root} holds no folder such as {examples}, up to {DEPTH} levels down; "
        "give the folder that holds the cases, or list their files in a table (cohort.layout: table)"
    )


def _one(found: list[tuple[str, Path]]) -> tuple[str, Path]:
    if len({folder for _, folder in found}) > 1:
        raise UserError(f"cohort.root: cases in {', '.join(sorted(str(folder) for _, folder in found))}; give one")
    if len(found) > 1:
        raise UserError(
            f"cohort.root: {found[0][1]} holds cases of {' and '.join(layout for layout, _ in found)}; "
            "say under cohort.layout which"
        )
    return found[0]


def _mapping(root: Path, folder: Path) -> Path:
    """`name_mapping.csv` beside the cases, or in a folder above them up to the root."""
    places = [folder, *folder.parents]
    for source in places[: places.index(root) + 1]:
        for name in listing(source):
            if name.lower() == MAPPING:
                return source / name
    raise UserError(
        f"{folder / MAPPING}: missing; BraTS 2020 ships it beside the patients' folders, with the grade of each"
    )
