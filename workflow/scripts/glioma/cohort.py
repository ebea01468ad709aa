"""Which patients there are: a BraTS-layout folder as one table, checked once, all faults listed together."""

import re
from pathlib import Path

import pandas as pd

from glioma.errors import UserError
from glioma.volumes import read_header

COLUMNS = ("patient", "subject", "grade", "site", "flair", "t1", "t1ce", "t2", "mask")
SCANS = COLUMNS[4:]
GRADES = ("LGG", "HGG")
# Ids become file names and shell words, so nothing else may stand in them.
PATIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SUFFIXES = (".nii.gz", ".nii")
ID_COLUMN = "BraTS_2020_subject_ID"
# BraTS 2020 ships case 355 with its mask under another name.
ODD_MASKS = {"BraTS20_Training_355": "W39_1998.09.19_Segm"}
SHOWN_FAULTS = 20


def index(root: str | Path, exclude: tuple[str, ...] = ()) -> pd.DataFrame:
    """The table of a BraTS 2020 folder: `name_mapping.csv` and one folder a patient, `.nii` or `.nii.gz`.

    Looks at names only, so that it can run before every workflow start. Raises `UserError` listing every fault found.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(
            f"cohort.root: {root} is not a folder; give the BraTS training folder that holds name_mapping.csv"
        )
    grades = read_grades(root / "name_mapping.csv")
    unknown = sorted(set(exclude) - set(grades["patient"]))
    faults = [f"cohort.exclude: {name} is not in name_mapping.csv" for name in unknown]
    rows = []
    for row in grades[~grades["patient"].isin(exclude)].itertuples():
        folder = root / row.patient
        files = {}
        for scan in SCANS:
            found = _find(folder, row.patient, scan)
            if found:
                files[scan] = str(found)
            else:
                faults.append(f"{folder}: no {row.patient}_{'seg' if scan == 'mask' else scan}.nii or .nii.gz")
        rows.append({"patient": row.patient, "subject": row.subject, "grade": row.grade, "site": row.site, **files})
    _complain(faults, root)
    return pd.DataFrame(rows, columns=COLUMNS)


def expected(root: str | Path, roster: pd.DataFrame) -> pd.DataFrame:
    """The table that `index` will give for a phantom roster (patient, grade) once its files are written."""
    table = roster[["patient", "grade"]].assign(subject=roster["patient"], site="")
    for scan in SCANS:
        stem = "seg" if scan == "mask" else scan
        table[scan] = [f"{root}/{patient}/{patient}_{stem}.nii.gz" for patient in table["patient"]]
    return table[list(COLUMNS)]


def check(table: pd.DataFrame) -> None:
    """Open every header: three axes, one grid a patient. Raises `UserError` listing every fault found."""
    faults = []
    for row in table.itertuples():
        shapes = {}
        for scan in SCANS:
            try:
                shapes[getattr(row, scan)] = read_header(getattr(row, scan))[0]
            except UserError as fault:
                faults.append(str(fault))
        if len(set(shapes.values())) > 1:
            faults.append(f"{row.patient}: its files have different shapes {sorted(set(shapes.values()))}")
    _complain(faults, "the cohort")


def read_grades(path: str | Path) -> pd.DataFrame:
    """Patient, subject, grade and site from a BraTS 2020 `name_mapping.csv`, where missing ids are "NA".

    The subject is the TCGA patient where one is named, since the BraTS id changes between scans; the site is the CBICA
    or TCIA batch of the 2019 id, which is nearly the grade itself and must never be shown to a model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: missing; BraTS 2020 ships it beside the patients' folders, with the grade of each")
    mapping = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = {"Grade", ID_COLUMN} - set(mapping.columns)
    if missing:
        raise UserError(f"{path}: no column {', '.join(sorted(missing))}; use the file that BraTS 2020 ships")
    mapping = mapping[~mapping[ID_COLUMN].isin(["", "NA"])]
    faults = [
        f"{path}: grade {g!r} of {p}; use HGG or LGG"
        for p, g in zip(mapping[ID_COLUMN], mapping["Grade"], strict=True)
        if g not in GRADES
    ]
    faults += [
        f"{path}: id {p!r}; use letters, digits, '.', '_' and '-'"
        for p in mapping[ID_COLUMN]
        if not PATIENT.fullmatch(p)
    ]
    faults += [f"{path}: {p} stands there twice" for p in mapping.loc[mapping[ID_COLUMN].duplicated(), ID_COLUMN]]
    _complain(faults, path)
    if mapping.empty:
        raise UserError(f"{path}: names no patient in column {ID_COLUMN}")
    known = mapping.reindex(columns=["TCGA_TCIA_subject_ID", "BraTS_2019_subject_ID"], fill_value="NA")
    subject = known["TCGA_TCIA_subject_ID"].where(~known["TCGA_TCIA_subject_ID"].isin(["", "NA"]), mapping[ID_COLUMN])
    site = known["BraTS_2019_subject_ID"].str.extract(r"^BraTS19_([A-Z]+(?:\d\d)?)", expand=False).fillna("")
    return pd.DataFrame(
        {"patient": mapping[ID_COLUMN], "subject": subject, "grade": mapping["Grade"], "site": site}
    ).reset_index(drop=True)


def _find(folder: Path, patient: str, scan: str) -> Path | None:
    stems = [f"{patient}_{'seg' if scan == 'mask' else scan}"]
    if scan == "mask" and patient in ODD_MASKS:
        stems.append(ODD_MASKS[patient])
    candidates = (folder / f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _complain(faults: list[str], where: object) -> None:
    if not faults:
        return
    shown = "; ".join(faults[:SHOWN_FAULTS])
    more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
    raise UserError(f"{where}: {len(faults)} fault{'s' if len(faults) > 1 else ''}: {shown}{more}")
