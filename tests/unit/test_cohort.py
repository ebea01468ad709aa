"""Folders as they come: their layouts, their tables, and every fault of a whole folder in one line."""

import gzip
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from glioma.base.errors import UserError
from glioma.cohort import crop_files, folds, labels
from glioma.cohort import index as cohort_index
from glioma.cohort.sequences import SCANS
from glioma.cohort.settings import Cohort

REPOSITORY = Path(__file__).parents[2]
HEADER = (
    "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID,BraTS_2020_subject_ID"
)
BRATS_2020 = {1: "necrosis", 2: "oedema", 4: "enhancing"}
ENDS = {
    "2020": ("_flair", "_t1", "_t1ce", "_t2", "_seg"),
    "2023": ("-t2f", "-t1n", "-t1c", "-t2w", "-seg"),
}


def volume(path, values=(1, 2, 4), shape=(4, 5, 6), dtype=np.int16, affine=None):
    """A volume whose middle voxels are `values`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.zeros(shape, dtype)
    voxels[1, 1 : len(values) + 1, shape[2] // 2] = values if len(shape) == 3 else 0
    nib.save(nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine), path)


def case(folder, ends=ENDS["2020"], suffix=".nii.gz", values=(1, 2, 4)):
    for end in ends:
        volume(folder / f"{folder.name}{end}{suffix}", values)


def index(root, *exclude, **settings):
    return cohort_index.index({"root": str(root), "exclude": list(exclude), **settings})


def fault(root, *exclude, **settings):
    """The one line that a faulty cohort ends in."""
    with pytest.raises(UserError) as raised:
        index(root, *exclude, **settings)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def check_fault(table, meaning=BRATS_2020):
    with pytest.raises(UserError) as raised:
        cohort_index.check(table, meaning)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def root(tmp_path):
    """A small BraTS 2020 folder with its quirks: .nii and .nii.gz, NA, case 355's mask, two scans of a subject."""
    rows = [
        "HGG,Brats17_CBICA_AAB_1,Brats18_CBICA_AAB_1,NA,BraTS19_CBICA_AAB_1,BraTS20_Training_001",
        "LGG,NA,NA,TCGA-CS-4942,BraTS19_TCIA09_177_1,BraTS20_Training_260",
        "LGG,NA,NA,TCGA-CS-4942,BraTS19_2013_10_1,BraTS20_Training_261",
        "HGG,NA,NA,NA,NA,BraTS20_Training_355",
        "HGG,NA,NA,NA,NA,NA",
    ]
    (tmp_path / "name_mapping.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (tmp_path / "survival_info.csv").write_text("Brats20ID,Age,Survival_days,Extent_of_Resection\n")
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "__MACOSX" / "BraTS20_Training_001").mkdir(parents=True)
    for patient, suffix in (("001", ".nii"), ("260", ".nii.gz"), ("261", ".nii.gz"), ("355", ".nii")):
        case(tmp_path / f"BraTS20_Training_{patient}", suffix=suffix)
    odd = tmp_path / "BraTS20_Training_355"
    (odd / "BraTS20_Training_355_seg.nii").rename(odd / "W39_1998.09.19_Segm.nii")
    (odd / "._BraTS20_Training_355_seg.nii").write_bytes(b"")
    return tmp_path


def test_index_reads_the_quirks(root):
    table = index(root).set_index("patient", drop=False)
    assert tuple(table.columns) == cohort_index.COLUMNS
    assert list(table.index) == [f"BraTS20_Training_{n}" for n in ("001", "260", "261", "355")]
    assert table.at["BraTS20_Training_355", "mask"].endswith("W39_1998.09.19_Segm.nii")
    assert table.at["BraTS20_Training_001", "flair"].endswith("_flair.nii")
    assert table["site"].tolist() == ["CBICA", "TCIA09", "2013", ""]
    # Two scans of one person are one subject.
    assert table["subject"].tolist() == ["BraTS20_Training_001", "TCGA-CS-4942", "TCGA-CS-4942", "BraTS20_Training_355"]
    cohort_index.check(table, cohort_index.labels({"root": str(root)}), threads=2)


def test_files_of_one_patient_may_differ_in_suffix(root):
    folder = root / "BraTS20_Training_001"
    (folder / "BraTS20_Training_001_t2.nii").unlink()
    volume(folder / "BraTS20_Training_001_t2.nii.gz")
    odd = root / "BraTS20_Training_355"
    (odd / "W39_1998.09.19_Segm.nii").unlink()
    volume(odd / "W39_1998.09.19_Segm.nii.gz")
    table = index(root).set_index("patient", drop=False)
    assert table.at["BraTS20_Training_001", "t2"].endswith("_t2.nii.gz")
    assert table.at["BraTS20_Training_355", "mask"].endswith("W39_1998.09.19_Segm.nii.gz")
    cohort_index.check(table, BRATS_2020)


def test_a_mapping_from_a_spreadsheet(root):
    """A byte order mark, Windows line ends, blanks, another order of columns, an empty last column and line."""
    rows = [line.split(",") for line in (root / "name_mapping.csv").read_text().splitlines()]
    expected = index(root)
    text = "\r\n".join(";".join([f" {cell} " for cell in reversed(row)] + [""]) for row in rows) + "\r\n;;;;;;\r\n\r\n"
    (root / "name_mapping.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("HGG", "hgg").encode())
    assert index(root).equals(expected)


def test_names_in_another_case(root):
    (root / "BraTS20_Training_001").rename(root / "brats20_training_001")
    (root / "brats20_training_001" / "BraTS20_Training_001_flair.nii").rename(
        root / "brats20_training_001" / "BraTS20_Training_001_FLAIR.nii"
    )
    table = index(root)
    assert table["patient"][0] == "BraTS20_Training_001"
    cohort_index.check(table, BRATS_2020)


@pytest.mark.parametrize("mapping", ["beside the cases", "above them"])
def test_the_cases_may_lie_deeper(root, tmp_path_factory, mapping):
    top = tmp_path_factory.mktemp("archive")
    inner = top / "BraTS2020_TrainingData" / "MICCAI_BraTS2020_TrainingData"
    inner.parent.mkdir()
    root.rename(inner)
    (top / "MICCAI_BraTS2020_ValidationData" / "BraTS20_Validation_001").mkdir(parents=True)
    if mapping == "above them":
        (inner / "name_mapping.csv").rename(top / "name_mapping.csv")
    table = index(top)
    assert len(table) == 4
    assert table.equals(index(top, layout="brats2020"))
    assert all(Path(path).is_file() for path in table["mask"])


def test_all_faults_are_listed_together(root):
    (root / "BraTS20_Training_001" / "BraTS20_Training_001_t1.nii").unlink()
    (root / "BraTS20_Training_001" / "BraTS20_Training_001_t1ce.nii").unlink()
    (root / "BraTS20_Training_001" / "BraTS20_Training_001_t1ce.nii").mkdir()
    (root / "BraTS20_Training_261" / "BraTS20_Training_261_seg.nii.gz").unlink()
    (root / "BraTS20_Training_261" / "BraTS20_Training_261_seg.nii.gz").symlink_to("nothing")
    volume(root / "BraTS20_Training_355" / "BraTS20_Training_355_flair.nii.gz")
    (root / "BraTS20_Training_260").rename(root / "BraTS20_Training_262")
    message = fault(root, "nobody")
    assert "7 faults" in message
    for part in (
        "no BraTS20_Training_001_t1.nii or .nii.gz",
        "BraTS20_Training_001_t1ce.nii: is a folder",
        "BraTS20_Training_261_seg.nii.gz: is a link to nothing",
        "BraTS20_Training_355_flair.nii and BraTS20_Training_355_flair.nii.gz; keep one",
        "BraTS20_Training_260: no such folder",
        "BraTS20_Training_262: not in name_mapping.csv",
        "cohort.exclude: nobody is not in",
    ):
        assert part in message


def test_only_the_first_faults_are_shown(tmp_path):
    ids = [f"BraTS20_Training_{n:03d}" for n in range(1, 31)]
    (tmp_path / "name_mapping.csv").write_text("\n".join(["Grade,BraTS_2020_subject_ID", *(f"LGG,{n}" for n in ids)]))
    message = fault(tmp_path)
    assert "30 faults" in message and message.count("no such folder") == 20 and message.endswith("and 10 more")


def test_exclusion_takes_a_patients_faults_along(root):
    (root / "BraTS20_Training_001" / "BraTS20_Training_001_t1.nii").unlink()
    mapping = root / "name_mapping.csv"
    mapping.write_text(mapping.read_text().replace("HGG,NA,NA,NA,NA,BraTS20_Training_355", ",,,,,BraTS20_Training_355"))
    case(root / "BraTS20_Training_400")
    assert "no grade of BraTS20_Training_355" in fault(root)
    assert len(index(root, "BraTS20_Training_001", "BraTS20_Training_355", "BraTS20_Training_400")) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MGG,NA,NA,NA,NA,BraTS20_Training_001", "grade 'MGG' of BraTS20_Training_001; write HGG or LGG"),
        ("HGG,NA,NA,NA,NA,../../etc", "id '../../etc'"),
        ("HGG,,,,,BraTS20_Training_001\nLGG,,,,,BraTS20_Training_001", "BraTS20_Training_001 stands there twice"),
        ("HGG,NA,NA,NA,NA,NA", "names no patient"),
    ],
)
def test_mapping_faults(tmp_path, line, message):
    (tmp_path / "name_mapping.csv").write_text(f"{HEADER}\n{line}\n")
    assert message in fault(tmp_path)


def test_places_without_a_cohort(root, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    assert "cohort.root" in fault(empty / "nowhere")
    assert "holds no folder such as BraTS20_Training_001, BraTS2021_00000" in fault(empty)
    assert "holds no folder such as BraTS-GLI-00000-000," in fault(root, layout="brats2023")
    (root / "name_mapping.csv").rename(root / "names.csv")
    assert "name_mapping.csv: missing" in fault(root)
    case(root / "BraTS2021_00000")
    assert "cases of brats2020 and brats2021; say under cohort.layout" in fault(root)


@pytest.mark.parametrize("layout", ["auto", "brats2023"])
def test_brats_2023_has_time_points_and_grades_from_a_table(tmp_path, layout):
    root = tmp_path / "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData"
    for name in ("BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-GLI-00002-000"):
        case(root / name, ENDS["2023"], values=(1, 2, 3))
    grades = tmp_path / "grades.tsv"
    grades.write_text("subject\tgrade\nBraTS-GLI-00000\tHGG\nBraTS-GLI-00002\tlgg\nBraTS-GLI-09999\tHGG\n")
    settings = {"root": str(tmp_path), "layout": layout, "grades": str(grades)}
    table = cohort_index.index(settings)
    assert table["patient"].tolist() == ["BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-GLI-00002-000"]
    assert table["subject"].tolist() == ["BraTS-GLI-00000", "BraTS-GLI-00000", "BraTS-GLI-00002"]
    assert table["grade"].tolist() == ["HGG", "HGG", "LGG"]
    assert [Path(table[scan][0]).name[20:-7] for scan in SCANS] == ["t2f", "t1n", "t1c", "t2w", "seg"]
    meaning = cohort_index.labels(settings)
    assert meaning == {0: "background", 1: "necrosis", 2: "oedema", 3: "enhancing"}
    cohort_index.check(table, meaning)
    # The resection cavity of later sets is not taken for enhancing tumour, nor for anything else, until declared.
    volume(Path(table["mask"][1]), (1, 2, 3, 4))
    message = check_fault(table, meaning)
    assert "1 fault" in message and "00000-001-seg.nii.gz: holds 4" in message and "cohort.labels" in message
    cohort_index.check(
        table, cohort_index.labels(settings | {"labels": {"1": "necrosis", 2: "oedema", "3": "enhancing", 4: "cavity"}})
    )


def test_brats_2021_and_its_grades(tmp_path):
    for number in range(5):
        case(tmp_path / f"BraTS2021_{number:05d}")
    assert "cohort.grades: empty, but brats2021" in fault(tmp_path)
    grades = tmp_path / "grades.csv"
    rows = ["HGG,BraTS2021_00000,CBICA,p1", "HGG,BraTS2021_00001,,p1", "4,BraTS2021_00002,,", "2,BraTS2021_00003,UCSF,"]
    grades.write_text("\n".join(["Grade,Patient,Site,Subject", *rows]) + "\n")
    message = fault(tmp_path, grades=str(grades))
    assert "3 faults" in message and "no grade of BraTS2021_00004" in message
    # WHO grades are not taken for anything, and the user is told what to do.
    assert "grade '2' of BraTS2021_00003; write HGG or LGG; which WHO grades" in message
    table = index(tmp_path, *(f"BraTS2021_0000{n}" for n in (2, 3, 4)), grades=str(grades))
    assert table["subject"].tolist() == ["p1", "p1"] and table["site"].tolist() == ["CBICA", ""]
    assert cohort_index.labels({"root": str(tmp_path), "grades": str(grades)}) == {0: "background", **BRATS_2020}
    assert cohort_index.sources({"root": str(tmp_path), "grades": str(grades)}) == [str(grades)]


def test_any_cohort_by_a_table(tmp_path):
    """The table of the documentation, with paths below the root and one absolute."""
    example = (REPOSITORY / "config" / "patients.example.tsv").read_text()
    lines = [line.split("\t") for line in example.splitlines()]
    paths = [cell for line in lines[1:] for cell in line if ".nii" in cell]
    assert len(paths) == 5 * (len(lines) - 1)
    for path in paths:
        volume(tmp_path / "scans" / path)
    table_file = tmp_path / "patients.tsv"
    table_file.write_text(example.replace(paths[0], str(tmp_path / "scans" / paths[0]), 1))
    settings = {"root": str(tmp_path / "scans"), "table": str(table_file)}
    table = cohort_index.index(settings)
    assert table.equals(cohort_index.index(settings | {"layout": "table"}))
    assert set(table["grade"]) == {"LGG", "HGG"} and table["subject"].nunique() == len(table) - 1
    assert all(Path(path).is_file() for scan in SCANS for path in table[scan])
    with pytest.raises(UserError, match=r"cohort\.labels: empty"):
        cohort_index.labels(settings)
    cohort_index.check(
        table, cohort_index.labels(settings | {"labels": {"1": "necrosis", "2": "oedema", "4": "enhancing"}})
    )


def test_faults_of_a_table(tmp_path):
    columns = "patient,subject,grade,flair,t1,t1ce,t2,mask"
    for name in ("a", "b", "c", "d", "seg"):
        volume(tmp_path / f"{name}.nii")
    table = tmp_path / "patients.csv"
    rows = ["one,,2,a.nii,b.nii,c.nii,d.nii,seg.nii", "two,s,HGG,a.nii,,x.nii,d.nii,y/seg.nii", "a b,s,LGG,,,,,"]
    table.write_text("\n".join([columns, *rows]))
    message = fault(tmp_path, table=str(table))
    for part in (
        "grade '2' of one; write HGG or LGG; which WHO grades",
        "no t1 of two",
        "id 'a b'",
        "a.nii stands there twice",
        "x.nii: no such file",
        "y/seg.nii: no such file",
        "no mask of a b",
    ):
        assert part in message
    table.write_text("patient,grade\none,HGG\n")
    assert "no column subject, flair, t1, t1ce, t2, mask" in fault(tmp_path, table=str(table))
    assert "cohort.table: empty" in fault(tmp_path, layout="table")


def test_the_name_of_a_cohort_tells_apart_what_is_cut_otherwise(tmp_path):
    settings = Cohort(root=str(tmp_path / "BraTS 2020")).plain()
    name = cohort_index.name(settings)
    assert name.startswith("BraTS-2020-")
    assert name == cohort_index.name(settings | {"exclude": ["one"], "grades": "other.csv"})
    others = [settings | {"labels": {"1": "tumour"}}, settings | {"root": str(tmp_path / "x" / "BraTS 2020")}]
    assert len({name, *(cohort_index.name(other) for other in others)}) == 3
    assert cohort_index.name(Cohort(layout="phantom", lgg=3).plain()) == "phantom-24-3-2020"


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({1: "necrotic"}, "'necrotic'; use one of background, cavity"),
        ({"x": "oedema"}, "'x' is no value"),
        ({-1: "oedema"}, "-1 is no value"),
        ({0: "oedema"}, "0 is the background"),
        ({4: "cavity"}, "names no tumour"),
    ],
)
def test_labels_that_cannot_be(declared, message):
    with pytest.raises(UserError, match=message):
        labels.read(declared)


def test_canonical_labels():
    meaning = labels.read({"7": "tumour", 4: "cavity", 1: "enhancing", 3: "necrosis", 2: "oedema"})
    mask = np.array([[[0, 1, 2], [3, 4, 7]]])
    for dtype in (np.uint8, np.int32, np.float32):
        coded = labels.canonical(mask.astype(dtype), meaning, "seg.nii")
        assert coded.dtype == np.uint8
        np.testing.assert_array_equal(coded, [[[0, 3, 2], [1, 0, 4]]])
    for wrong, message in ((mask - 2, "holds -2, -1,"), (mask + 0.5, "fractions")):
        with pytest.raises(UserError, match=rf"seg\.nii: .*{message}"):
            labels.canonical(wrong, meaning, "seg.nii")


def test_files_that_cannot_be_used_are_listed_together(root):
    first, second, third = (root / f"BraTS20_Training_{n}" for n in ("001", "260", "261"))
    volume(first / "BraTS20_Training_001_t2.nii", shape=(9, 9, 9))
    volume(first / "BraTS20_Training_001_t1.nii", affine=np.diag([1, 1, 2, 1]))
    (second / "BraTS20_Training_260_t1.nii.gz").write_bytes(b"not a scan")
    volume(second / "BraTS20_Training_260_t2.nii.gz", shape=(4, 5, 6, 2))
    volume(second / "BraTS20_Training_260_seg.nii.gz", values=())
    volume(third / "BraTS20_Training_261_seg.nii.gz", values=(1, 2.5), dtype=np.float32)
    message = check_fault(index(root))
    assert "6 faults" in message
    for part in (
        "_001_t2.nii: another shape or affine",
        "_001_t1.nii: another shape or affine",
        "_260_t1.nii.gz: not a readable NIfTI file",
        "_260_t2.nii.gz: has 4 axes",
        "_260_seg.nii.gz: no tumour in this mask; list BraTS20_Training_260 under cohort.exclude",
        "_261_seg.nii.gz: a mask holds whole numbers, this one fractions",
    ):
        assert part in message


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_truncated_files_are_found_without_being_read(root, share):
    """A scan whose header is whole, cut off anywhere after it."""
    rng = np.random.default_rng(0)
    for patient, suffix in (("001", ".nii"), ("260", ".nii.gz")):
        path = root / f"BraTS20_Training_{patient}" / f"BraTS20_Training_{patient}_flair{suffix}"
        nib.save(nib.Nifti1Image(rng.integers(0, 999, (4, 5, 600)).astype(np.int16), np.eye(4)), path)
        whole = path.read_bytes()
        path.write_bytes(whole[: max(400, int(share * len(whole)))])
    message = check_fault(index(root, "BraTS20_Training_261", "BraTS20_Training_355"))
    assert message.count("_flair.nii: cannot be read to its end") == 1
    assert message.count("_flair.nii.gz: cannot be read to its end") == 1


def test_gzip_in_several_streams_is_whole(root):
    """Block-compressed files end in the length of their last block, which is no fault."""
    path = root / "BraTS20_Training_260" / "BraTS20_Training_260_flair.nii.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(b"".join(gzip.compress(part) for part in (content[:400], content[400:], b"")))
    cohort_index.check(index(root), BRATS_2020)


@pytest.mark.parametrize(("layout", "cases"), [("brats2020", 7), ("brats2021", 6), ("brats2023", 12)])
@pytest.mark.parametrize("compressed", [True, False])
def test_the_full_scale_tree_is_a_cohort(tmp_path, layout, cases, compressed):
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "brats_tree.py"), str(tmp_path / "tree")]
    options = ["--layout", layout, "--cases", str(cases), "--compressed" if compressed else "--uncompressed"]
    subprocess.run(command + options, check=True)
    settings = {"root": str(tmp_path / "tree")}
    if layout != "brats2020":
        settings["grades"] = str(tmp_path / "tree" / "grades.csv")
    table = cohort_index.index(settings)
    assert len(table) == cases and set(table["grade"]) == {"HGG", "LGG"}
    assert table["subject"].nunique() == cases - (2 if layout == "brats2023" else 0)
    cohort_index.check(table, cohort_index.labels(settings))
    image = nib.load(table["flair"][0])
    assert image.shape == (240, 240, 155) and nib.aff2axcodes(image.affine) == ("L", "P", "S")
    assert image.header.get_xyzt_units()[0] == "mm"


def patients(n_hgg=24, n_lgg=16):
    import pandas as pd

    names = [f"p{number:03d}" for number in range(n_hgg + n_lgg)]
    return pd.DataFrame({"patient": names, "subject": names, "grade": ["HGG"] * n_hgg + ["LGG"] * n_lgg})


def test_folds_are_a_stratified_partition():
    table = folds.make(patients(), 0.25, 5, seed=3)
    assert (table["split"] == "test").sum() == 10
    assert table.groupby("fold").size().drop(-1).tolist() == [6] * 5
    shares = table.groupby("fold")["grade"].apply(lambda grades: (grades == "HGG").mean())
    assert shares.between(0.45, 0.75).all()
    for fold in range(5):
        parts = folds.split(table, fold)
        everyone = [name for part in parts.values() for name in part]
        assert sorted(everyone) == sorted(table["patient"])


def test_folds_depend_on_the_seed_and_not_on_the_order():
    one, two = folds.make(patients(), 0.25, 5, 3), folds.make(patients(), 0.25, 5, 4)
    assert not one.equals(two)
    shuffled = folds.make(patients().sample(frac=1, random_state=0), 0.25, 5, 3).sort_values(
        "patient", ignore_index=True
    )
    assert shuffled.equals(one)


def test_scans_of_one_subject_stay_together():
    table = patients()
    table["subject"] = [f"s{number // 2}" for number in range(len(table))]
    made = folds.make(table, 0.25, 5, seed=0)
    assert (made.groupby("subject")["fold"].nunique() == 1).all()


def test_too_few_patients_are_refused():
    with pytest.raises(UserError, match="3 subjects of grade LGG"):
        folds.make(patients(20, 3), 0.25, 5, seed=0)


HEAD = np.s_[8:24, 8:24, 8:24]


def head(rng, change=lambda voxels: voxels, shape=(32, 32, 32)):
    voxels = np.zeros(shape)
    voxels[HEAD] = rng.integers(50, 900, (16, 16, 16))
    return change(voxels)


@pytest.fixture
def scans(tmp_path):
    """One patient whose scans are what the documentation asks for, as a table, and a way to change one of them."""
    import pandas as pd

    rng = np.random.default_rng(0)
    paths = {scan: tmp_path / f"{scan}.nii.gz" for scan in SCANS}
    for scan, path in paths.items():
        voxels = np.zeros((32, 32, 32)) if scan == "mask" else head(rng)
        if scan == "mask":
            voxels[12:18, 12:18, 12:18] = 1
        nib.save(nib.Nifti1Image(voxels.astype(np.float32), np.eye(4)), path)
    table = pd.DataFrame([{"patient": "p", **{scan: str(path) for scan, path in paths.items()}}])
    cohort_index.check(table, BRATS_2020)
    return table, paths


def refused(table, paths):
    """The line that the start of the workflow ends in; cutting the crop ends, too, whatever it sees first."""
    from glioma.cohort import crops

    message = check_fault(table)
    with pytest.raises(UserError):
        crops.make("p", {scan: str(path) for scan, path in paths.items()}, "brain", (16, 16, 16), BRATS_2020)
    return message


@pytest.mark.parametrize("scan", ["flair", "t2"])
@pytest.mark.parametrize(
    "change",
    [
        lambda voxels: (voxels - voxels.mean()) / voxels.std(),
        lambda voxels: voxels * 2 - 5,
        lambda voxels: voxels + np.random.default_rng(1).normal(0, 1e-5, voxels.shape),
    ],
    ids=["z-score", "intercept", "ringing"],
)
def test_a_background_that_is_not_zero_is_refused(scans, scan, change):
    table, paths = scans
    nib.save(nib.Nifti1Image(head(np.random.default_rng(2), change).astype(np.float32), np.eye(4)), paths[scan])
    assert f"{scan}.nii.gz: its background is not zero" in refused(table, paths)


@pytest.mark.parametrize("scan", ["flair", "t1ce"])
@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda voxels: voxels * 0, "every voxel is zero"), (lambda voxels: (voxels > 0) * 7.0, "brain is 7, a picture")],
    ids=["empty", "constant"],
)
def test_a_sequence_with_nothing_on_it_is_refused(scans, scan, change, message):
    table, paths = scans
    nib.save(nib.Nifti1Image(head(np.random.default_rng(2), change).astype(np.float32), np.eye(4)), paths[scan])
    assert message in refused(table, paths)


def test_a_head_with_its_skull_is_refused(scans):
    """By its volume: 16 x 16 x 16 voxels of 9 mm are 2,986 ml, of 8 mm 2,097."""
    table, paths = scans
    for size in (8, 9):
        for path in paths.values():
            nib.save(nib.Nifti1Image(nib.load(path).get_fdata().astype(np.float32), np.diag([size] * 3 + [1])), path)
        if size == 8:
            cohort_index.check(table, BRATS_2020)
    assert "flair.nii.gz: 2,986 ml are not zero" in refused(table, paths)


def test_masks_scaled_by_their_header(scans):
    """A mask exported as floats: 1.00001526 is a 1."""
    table, paths = scans
    mask = nib.load(paths["mask"]).get_fdata() * 1.00001526
    nib.save(nib.Nifti1Image(mask.astype(np.float32), np.eye(4)), paths["mask"])
    cohort_index.check(table, BRATS_2020)
    assert set(np.unique(labels.canonical(mask, BRATS_2020, "mask"))) == {0, 1}


def test_a_damaged_byte_is_found_by_the_checksum(tmp_path):
    """Stored without compression, so that the stream itself is whole; gzip's own test finds it, too."""
    from glioma.cohort import nifti

    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(head(np.random.default_rng(0)).astype(np.int16), np.eye(4)), path)
    raw = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), 0))
    raw[len(raw) // 2] ^= 0x40
    path.write_bytes(raw)
    with pytest.raises(OSError), gzip.open(path) as stream:
        stream.read()
    with pytest.raises(UserError, match="cannot be read to its end"):
        nifti.read(path)


def header(**fields):
    found = nib.Nifti1Header()
    found.set_data_shape((24, 24, 16))
    found.set_data_dtype(np.int16)
    found["magic"] = b"n+1"
    for name, value in fields.items():
        found[name] = value
    return found.binaryblock


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(header(datatype=9999) + bytes(20000)), "not a readable NIfTI file"),
        (
            gzip.compress(header(dim=[3, 24, 0, 16, 1, 1, 1, 1]) + bytes(20000)),
            "has no voxels, its shape is 24 x 0 x 16",
        ),
        (gzip.compress(header() + b"\1\0\0\0" + bytes([255, 255, 255, 127, 6, 0, 0, 0])), "copy it again"),
        (
            gzip.compress(header(dim=[3, 1000, 1000, 1000, 1, 1, 1, 1]) + bytes(9)),
            "1000 x 1000 x 1000 voxels are too many",
        ),
        (gzip.compress(b"NRRD0004\ntype: short\n"), "is a NRRD file, not NIfTI; convert it"),
        (bytes(128) + b"DICM" + bytes(99), "is a DICOM file, not NIfTI; convert it"),
        (b"<!DOCTYPE html><title>Log in</title>", "is a web page, not a scan"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "fetch it with git lfs pull"),
        (b"", "is empty; copy it again"),
    ],
    ids=["data type", "zero axis", "extension", "size", "NRRD", "DICOM", "page", "pointer", "empty"],
)
def test_what_is_no_scan_says_so_in_its_own_line(scans, content, message):
    table, paths = scans
    paths["t1"].write_bytes(content)
    line = refused(table, paths)
    assert f"t1.nii.gz: {message}" in line or (f"{paths['t1']}: " in line and message in line)


def test_a_file_that_holds_far_more_than_its_header_says(scans):
    from glioma.cohort import nifti

    _, paths = scans
    paths["t1"].write_bytes(gzip.compress(gzip.decompress(paths["t1"].read_bytes()) + bytes(2**25)))
    with pytest.raises(UserError, match="holds much more than the"):
        nifti.read(paths["t1"])


def test_a_link_to_itself_is_a_link_to_nothing(root):
    path = root / "BraTS20_Training_001" / "BraTS20_Training_001_t2.nii"
    path.unlink()
    path.symlink_to(path.name)
    assert "_t2.nii: is a link to nothing" in fault(root)


TABLE_HEADER = ("patient", "subject", "grade", "site", *SCANS)


def table_of(folder, rows):
    """The settings of a table of files; `rows` are (patient, subject, grade, site)."""
    for number in range(len(rows)):
        for scan in SCANS:
            volume(folder / f"{number}_{scan}.nii")
    lines = ["\t".join([*row, *(f"{number}_{scan}.nii" for scan in SCANS)]) for number, row in enumerate(rows)]
    (folder / "t.tsv").write_text("\n".join(["\t".join(TABLE_HEADER), *lines]) + "\n")
    return {"root": str(folder), "layout": "table", "table": str(folder / "t.tsv")}


@pytest.mark.parametrize("word", ["NULL", "-", "unknown", "#N/A", "?", ".", "n/a", "None", "not available"])
def test_a_placeholder_is_no_subject_and_no_site(tmp_path, word):
    rows = [(f"p{number:02d}", word, "HGG" if number % 3 else "LGG", word) for number in range(12)]
    table = cohort_index.index(table_of(tmp_path, rows))
    assert table["subject"].tolist() == table["patient"].tolist() and set(table["site"]) == {""}


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["null"], "a row without an id of its patient"),
        (["a", "a.mask"], "id 'a.mask' ends as files do that the workflow writes"),
        (["a" * 250], "has 250 characters; 100 at most"),
        (["Anna", "anna"], "Anna and anna differ by case alone"),
    ],
)
def test_ids_that_cannot_name_files(tmp_path, ids, message):
    rows = [(name, "", "HGG", "") for name in [*ids, "b", "c"]]
    with pytest.raises(UserError, match=message):
        cohort_index.index(table_of(tmp_path, rows))


def test_subjects_that_cannot_be_one_person(tmp_path):
    rows = [(f"p{number:02d}", "s1" if number < 2 else "", "HGG" if number else "LGG", "") for number in range(9)]
    with pytest.raises(UserError, match=r"subject s1 has both grades \(2 cases \(p00, p01\)\)"):
        cohort_index.index(table_of(tmp_path, rows))
    rows = [(f"p{number:02d}", "s1" if number < 7 else "", "HGG", "") for number in range(20)]
    with pytest.raises(UserError, match="subject s1 has 7 scans of 20, more than one person's"):
        cohort_index.index(table_of(tmp_path, rows))


@pytest.mark.parametrize("columns", ["patient,Grade,grade", "Patient,patient,grade", "patient,grade,grade"])
def test_columns_that_differ_by_case_are_one(tmp_path, columns):
    from glioma.cohort import grade_tables

    (tmp_path / "g.csv").write_text(f"{columns}\na,HGG,LGG\n")
    with pytest.raises(UserError, match="stands there twice"):
        grade_tables.by_grades(tmp_path / "g.csv", {"a": "a"})


def test_braces_in_a_path_are_refused(tmp_path):
    (tmp_path / "{x}").mkdir()
    with pytest.raises(UserError, match="a path with braces; rename"):
        cohort_index.index(table_of(tmp_path / "{x}", [("a", "", "HGG", "")]))


@pytest.mark.parametrize(
    ("hgg", "lgg", "fraction", "count"), [(100, 4, 0.1, 3), (20, 4, 0.5, 3), (20, 4, 0.01, 2), (20, 4, 0.95, 2)]
)
def test_a_split_without_a_grade_is_refused(hgg, lgg, fraction, count):
    with pytest.raises(UserError, match=r"^folds.*(lower folds\.count|patients)"):
        folds.make(patients(hgg, lgg), fraction, count, seed=1)


def test_a_stamp_tells_another_content_whatever_its_age(tmp_path):
    import os

    from glioma.base.files import SMALL, stamp

    def written(content):
        (tmp_path / "f").write_bytes(content)
        os.utime(tmp_path / "f", (1, 1))
        return stamp(tmp_path / "f")

    rng = np.random.default_rng(0)
    one, two = rng.bytes(2 * SMALL), rng.bytes(2 * SMALL)
    # Small files by content, gzip by its checksum; of others size and time.
    assert written(one[:50]) != written(two[:50]) and written(one[:50]) == written(one[:50])
    assert written(gzip.compress(one)) != written(gzip.compress(two))
    assert written(one) == written(two) != written(one + b"x")
    os.utime(tmp_path / "f", (2, 2))
    assert stamp(tmp_path / "f") != written(one + b"x")
    assert stamp(tmp_path / "nothing") == ""


def test_a_lost_file_of_a_folder_is_made_again_with_it(tmp_path):
    with pytest.raises(UserError, match=rf"a\.npy: is not there; make it again, .* --force {tmp_path}$"):
        crop_files.load_predicted(tmp_path, "a")
    with pytest.raises(UserError, match=rf"a\.npy: is not there; .* --force {tmp_path}$"):
        crop_files.load(tmp_path, "a")
    # Where the folder is made, the crop itself is missed.
    with pytest.raises(UserError, match=rf"--force {tmp_path}/a\.npy$"):
        crop_files.gather(tmp_path, ["a"], tmp_path / "study")
