import nibabel as nib
import numpy as np
import pytest

from glioma import cohort, folds
from glioma.errors import UserError

HEADER = (
    "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID,BraTS_2020_subject_ID"
)


def volume(path, shape=(4, 5, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros(shape, np.int16), np.eye(4)), path)


@pytest.fixture
def root(tmp_path):
    """A small BraTS 2020 folder with its quirks: .nii and .nii.gz, NA, case 355's mask, two scans of a subject."""
    rows = [
        "HGG,Brats17_CBICA_AAB_1,Brats18_CBICA_AAB_1,NA,BraTS19_CBICA_AAB_1,BraTS20_Training_001",
        "LGG,NA,NA,TCGA-CS-4942,BraTS19_TCIA09_177_1,BraTS20_Training_260",
        "LGG,NA,NA,TCGA-CS-4942,BraTS19_TCIA10_178_1,BraTS20_Training_261",
        "HGG,NA,NA,NA,NA,BraTS20_Training_355",
        "HGG,NA,NA,NA,NA,NA",
    ]
    (tmp_path / "name_mapping.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    for patient, suffix in (("001", ".nii"), ("260", ".nii.gz"), ("261", ".nii.gz"), ("355", ".nii")):
        name = f"BraTS20_Training_{patient}"
        for scan in ("flair", "t1", "t1ce", "t2"):
            volume(tmp_path / name / f"{name}_{scan}{suffix}")
        seg = "W39_1998.09.19_Segm.nii" if patient == "355" else f"{name}_seg{suffix}"
        volume(tmp_path / name / seg)
    return tmp_path


def test_index_reads_the_quirks(root):
    table = cohort.index(root).set_index("patient")
    assert list(table.index) == [f"BraTS20_Training_{n}" for n in ("001", "260", "261", "355")]
    assert table.at["BraTS20_Training_355", "mask"].endswith("W39_1998.09.19_Segm.nii")
    assert table.at["BraTS20_Training_001", "flair"].endswith("_flair.nii")
    assert table["site"].tolist() == ["CBICA", "TCIA09", "TCIA10", ""]
    # Two scans of one person are one subject.
    assert table.at["BraTS20_Training_260", "subject"] == table.at["BraTS20_Training_261", "subject"] == "TCGA-CS-4942"
    cohort.check(table.reset_index())


def test_all_faults_are_listed_together(root):
    (root / "BraTS20_Training_001" / "BraTS20_Training_001_t1.nii").unlink()
    (root / "BraTS20_Training_261" / "BraTS20_Training_261_seg.nii.gz").unlink()
    with pytest.raises(UserError) as fault:
        cohort.index(root, ("nobody",))
    message = str(fault.value)
    assert "3 faults" in message and "\n" not in message
    for part in ("BraTS20_Training_001_t1", "BraTS20_Training_261_seg", "nobody"):
        assert part in message


def test_exclusion(root):
    assert len(cohort.index(root, ("BraTS20_Training_355",))) == 3


def test_bad_headers_are_listed_together(root):
    volume(root / "BraTS20_Training_001" / "BraTS20_Training_001_t2.nii", (9, 9, 9))
    (root / "BraTS20_Training_260" / "BraTS20_Training_260_t1.nii.gz").write_bytes(b"not a scan")
    with pytest.raises(
        UserError, match=r"2 faults.*different shapes.*_t1\.nii\.gz|2 faults.*_t1\.nii\.gz.*different shapes"
    ):
        cohort.check(cohort.index(root))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MGG,NA,NA,NA,NA,BraTS20_Training_001", "grade 'MGG'"),
        ("HGG,NA,NA,NA,NA,../../etc", "id '../../etc'"),
    ],
)
def test_mapping_faults(tmp_path, line, message):
    (tmp_path / "name_mapping.csv").write_text(f"{HEADER}\n{line}\n")
    with pytest.raises(UserError, match=message):
        cohort.index(tmp_path)


def test_missing_root_and_mapping(tmp_path):
    with pytest.raises(UserError, match=r"cohort\.root"):
        cohort.index(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"name_mapping\.csv: missing"):
        cohort.index(tmp_path)


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
