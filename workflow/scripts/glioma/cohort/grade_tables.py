"""Who is in a cohort and of which grade: the tables that come with a data set, or that its user writes.

A roster has the columns patient, subject, grade, site, all text; "" is a missing value.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from glioma.base.errors import UserError

COLUMNS = ("patient", "subject", "grade", "site")
GRADES = ("LGG", "HGG")
# Ids become file names and shell words, so nothing else may stand in them.
TAKEN_ENDS = (".mask", ".npy", ".json", ".csv", ".nii", ".gz")
PATIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
WHO = re.compile(r"(who)?[ _-]?(grade)?[ _-]?([1-4]|i{1,3}|iv)", re.IGNORECASE)
LONGEST_ID = 100
"""Characters of an id: names of files may have 255, and Snakemake and we add to them."""
# What people and spreadsheets write where they know nothing; among it all that pandas reads as missing.
MISSING = {
    *("na", "n/a", "n.a.", "nan", "none", "null", "nil", "-nan", "<na>", "#na", "#n/a", "#n/a n/a", "#ref!", "#value!"),
    *("-1.#ind", "-1.#qnan", "1.#ind", "1.#qnan", "-", "--", "---", "?", "??", "???", ".", "..", "...", "_", "*"),
    *(
        "unknown",
        "unk",
        "unclear",
        "undefined",
        "missing",
        "not available",
        "not known",
        "no data",
        "tbd",
        "empty",
        "–",
    ),
}
MOST_SCANS = 25
"""Of one subject: the longest public series of follow-ups have some 20."""


def read_table(path: str | Path, *required: str) -> pd.DataFrame:
    """A table as text, separated by tabs, commas or semicolons; column names in lower case, missing values "".

    Spreadsheets leave byte order marks, blanks around values, empty lines and empty last columns: none of it counts.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
        separator = max("\t,;", key=header.count)
        named = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
        )
    except (OSError, UnicodeDecodeError, csv.Error, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: not a readable table ({error}); save it as CSV or TSV in UTF-8") from None
    twice = sorted({name for name in named if name and named.count(name) > 1})
    if twice:
        raise UserError(f"{path}: column {twice[0]} stands there twice (case does not count); keep one of them")
    table.columns = [str(name).strip().lower() for name in table.columns]
    table = table.fillna("").map(str.strip)
    table = table.mask(table.map(str.lower).isin(MISSING), "")
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise UserError(f"{path}: no column {', '.join(missing)}; it has {', '.join(table.columns)}")
    return table[(table != "").any(axis=1)].reset_index(drop=True)


def name_mapping(path: str | Path) -> pd.DataFrame:
    """The roster in the `name_mapping.csv` of BraTS 2020; rows without an id of that year are other years' cases.

    The subject is the TCGA patient where one is named, since the BraTS id changes between scans; the site is the batch
    of the 2019 id, which is nearly the grade itself and must never be shown to a model.
    """
    mapping = read_table(path, "grade", "brats_2020_subject_id")
    mapping = mapping[mapping["brats_2020_subject_id"] != ""]
    known = mapping.reindex(columns=["tcga_tcia_subject_id", "brats_2019_subject_id"], fill_value="")
    site = known["brats_2019_subject_id"].str.extract(r"^BraTS19_(2013|[A-Z]+(?:\d\d)?)_", expand=False)
    return _roster(
        patient=mapping["brats_2020_subject_id"],
        subject=known["tcga_tcia_subject_id"],
        grade=mapping["grade"],
        site=site.fillna(""),
    )


def of_table(path: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The roster and the files (flair, t1, t1ce, t2, mask) of a table with one row a patient."""
    scans = ["flair", "t1", "t1ce", "t2", "mask"]
    table = read_table(path, "patient", "subject", "grade", *scans)
    return _roster(**{name: table.get(name, "") for name in COLUMNS}), table[scans]


def by_grades(path: str | Path, subjects: dict[str, str]) -> pd.DataFrame:
    """The roster of these patients (patient -> subject), with grades from a table that names patients or subjects.

    Rows of others are passed over: one table may serve a whole data set and its parts. A patient without a row has the
    grade "".
    """
    table = read_table(path, "grade")
    key = next((name for name in ("patient", "subject") if name in table.columns), None)
    if key is None:
        raise UserError(f"{path}: no column patient or subject; it has {', '.join(table.columns)}")
    table = table[table[key].isin(subjects if key == "patient" else subjects.values())]
    twice = sorted(set(table.loc[table[key].duplicated(), key]))
    if twice:
        raise UserError(f"{path}: {_several(twice)} twice; leave one row a {key}")
    rows = table.set_index(key)
    of = pd.Series(subjects) if key == "subject" else pd.Series(list(subjects), index=list(subjects))
    found = rows.reindex(of).fillna("").set_axis(list(subjects))
    subject = found["subject"] if "subject" in found else pd.Series("", index=found.index)
    return _roster(
        patient=pd.Series(list(subjects)),
        subject=subject.where(subject != "", pd.Series(subjects)).reset_index(drop=True),
        grade=found["grade"].reset_index(drop=True),
        site=found["site"].reset_index(drop=True) if "site" in found else "",
    )


def faults(roster: pd.DataFrame, path: str | Path) -> list[str]:
    """What is wrong with ids and grades, one line a fault; the same fault of many patients is one line."""
    found = [f"{path}: {error}" for patient in roster["patient"] if (error := _id_error(patient))]
    twice = roster.loc[roster["patient"].duplicated(), "patient"]
    found += [f"{path}: {patient} stands there twice; leave one row" for patient in sorted(set(twice))]
    # Some file systems do not tell upper from lower case.
    for _, alike in roster.drop_duplicates("patient").groupby(roster["patient"].str.lower())["patient"]:
        if len(alike) > 1:
            found.append(f"{path}: {' and '.join(alike)} differ by case alone; rename one")
    found += [f"{path}: {error}" for error in _subject_errors(roster)]
    for grade, group in roster[~roster["grade"].isin(GRADES)].groupby("grade", sort=True):
        who = f"no grade of {_several(group['patient'])}"
        if not grade:
            found.append(f"{path}: {who}; add it, or list the case under cohort.exclude")
            continue
        remedy = "write HGG or LGG"
        if WHO.fullmatch(grade):
            remedy += "; which WHO grades are which is your decision (by custom 2 is LGG, 4 HGG, 3 either)"
        found.append(f"{path}: grade {grade!r} of {_several(group['patient'])}; {remedy}")
    return found


def _id_error(patient: str) -> str | None:
    """What is wrong with an id, which becomes the name of files."""
    if not patient:
        return "a row without an id of its patient (NA, null, unknown and the like are none); write one"
    if not PATIENT.fullmatch(patient):
        return f"id {patient!r}; use letters, digits, '.', '_' and '-'"
    if patient.lower().endswith(TAKEN_ENDS):
        return f"id {patient!r} ends as files do that the workflow writes; rename it without {Path(patient).suffix}"
    if len(patient) > LONGEST_ID:
        return f"id {patient[:20]}... has {len(patient)} characters; {LONGEST_ID} at most become names of files"
    return None


def _subject_errors(roster: pd.DataFrame) -> Iterator[str]:
    """Subjects that cannot be one person each."""
    known = roster[roster["grade"].isin(GRADES)]
    most = min(MOST_SCANS, max(6, len(known) // 10))
    for subject, scans in known.groupby("subject", sort=True):
        if scans["grade"].nunique() > 1:
            yield (
                f"subject {subject} has both grades ({_several(scans['patient'])}); correct the grade or the subject, "
                "or list the scans of one grade under cohort.exclude"
            )
        elif len(scans) > most:
            yield (
                f"subject {subject} has {len(scans)} scans of {len(known)}, more than one person's ({most}); correct "
                "the column subject, or list the scans too many under cohort.exclude"
            )


def _roster(**columns: pd.Series | str) -> pd.DataFrame:
    roster = pd.DataFrame(columns).reset_index(drop=True)
    upper = roster["grade"].str.upper()
    roster["grade"] = roster["grade"].where(~upper.isin(GRADES), upper)
    roster["subject"] = roster["subject"].where(roster["subject"] != "", roster["patient"])
    return roster[list(COLUMNS)]


def _several(names: list[str] | pd.Series) -> str:
    names = list(names)
    return names[0] if len(names) == 1 else f"{len(names)} cases ({', '.join(names[:3])}{', ...' * (len(names) > 3)})"
