"""A BraTS training folder at full scale, without BraTS: `.venv/bin/python benchmarks/brats_tree.py OUT`.

True names, tables and headers (240 x 240 x 155, int16, LPS at 1 mm), but next to no voxels: every scan is zero except
for a small head with a smaller tumour, at the same place in every patient. `.nii` files are sparse, so that 369 cases
take some 100 MB of disk. Made to plan the workflow and to time what does not depend on voxels; results on it mean
nothing.
"""

import argparse
import csv
import gzip
import math
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (240, 240, 155)
AFFINE = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=float)
HEAD = (slice(114, 126), slice(114, 126), slice(70, 76))
SCANS = {
    "brats2020": ("_flair", "_t1", "_t1ce", "_t2", "_seg"),
    "brats2021": ("_flair", "_t1", "_t1ce", "_t2", "_seg"),
    "brats2023": ("-t2f", "-t1n", "-t1c", "-t2w", "-seg"),
}
CASES = {"brats2020": 369, "brats2021": 1251, "brats2023": 1251}
MAPPING = ["Grade", "BraTS_2017_subject_ID", "BraTS_2018_subject_ID"]
MAPPING += ["TCGA_TCIA_subject_ID", "BraTS_2019_subject_ID", "BraTS_2020_subject_ID"]
# Batch and number of cases in the order of the ids 1-259 (HGG), 260-335 (LGG) and 336-369 (HGG, new in 2020).
BATCHES = (
    [("HGG", "CBICA")] * 129
    + [("HGG", f"TCIA{number:02d}") for number in range(1, 9)] * 12
    + [("HGG", "TCIA01")] * 6
    + [("HGG", "2013")] * 20
    + [("HGG", "TMC")] * 8
    + [("LGG", f"TCIA{number:02d}") for number in range(9, 14)] * 13
    + [("LGG", "2013")] * 10
    + [("LGG", "TMC")]
    + [("HGG", "")] * 34
)
ODD_MASK = (355, "W39_1998.09.19_Segm")


def write(out: Path, layout: str, cases: int | None = None, compressed: bool = False) -> None:
    """Write the tree. Fewer cases than there are keep the share of grades, and 2020 its case 355.

    Grades lie in `name_mapping.csv` (2020) or `grades.csv`, where 2021 and 2023 themselves have none.
    """
    out.mkdir(parents=True, exist_ok=True)
    suffix = ".nii.gz" if compressed else ".nii"
    scan, mask = _voxels(4 if layout != "brats2023" else 3)
    contents = [_packed(voxels) for voxels in (scan, mask)] if compressed else None
    rows = []
    for patient, row, odd in _names(layout, cases or CASES[layout]):
        rows.append(row)
        (out / patient).mkdir()
        for end in SCANS[layout]:
            stem = odd if odd and end == "_seg" else patient + end
            path, is_mask = out / patient / f"{stem}{suffix}", end.endswith("seg")
            if contents:
                path.write_bytes(contents[is_mask])
            else:
                _write_sparse(path, mask if is_mask else scan)
    table, columns = ("name_mapping.csv", MAPPING) if layout == "brats2020" else ("grades.csv", ("patient", "grade"))
    with (out / table).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])


def _names(layout: str, cases: int) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    """Patient, row of the table of grades, and the name of its mask where that is odd."""
    if layout != "brats2020":
        for number in range(cases):
            grade = "LGG" if number % 5 == 4 else "HGG"
            # In 2023 every tenth scan is a second one of the patient before.
            second = number % 10 == 1
            name = (
                f"BraTS2021_{number:05d}"
                if layout == "brats2021"
                else f"BraTS-GLI-{number - second:05d}-{int(second):03d}"
            )
            yield name, (name, grade), None
        return
    numbers = sorted({*np.linspace(1, len(BATCHES), cases).round().astype(int).tolist()})
    if ODD_MASK[0] not in numbers:
        numbers[-1] = ODD_MASK[0]
    for number in numbers:
        name = f"BraTS20_Training_{number:03d}"
        grade, batch = BATCHES[number - 1]
        older = [f"Bra{prefix}_{batch}_{number}_1" if batch else "NA" for prefix in ("ts17", "ts18", "TS19")]
        tcga = f"TCGA-{batch[4:]}-{number:04d}" if batch.startswith("TCIA") else "NA"
        yield name, (grade, *older[:2], tcga, older[2], name), ODD_MASK[1] if number == ODD_MASK[0] else None


def _voxels(enhancing: int) -> tuple[np.ndarray, np.ndarray]:
    """What a head of scan and mask holds, both (12, 12, 6) int16."""
    scan = np.random.default_rng(0).integers(100, 900, (12, 12, 6)).astype(np.int16)
    mask = np.zeros_like(scan)
    mask[2:9, 2:9, 1:5] = 2
    mask[3:7, 3:7, 2:4] = enhancing
    mask[4:6, 4:6, 2:4] = 1
    return scan, mask


def _header() -> bytes:
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    header.set_data_dtype(np.int16)
    header.set_xyzt_units("mm", "sec")
    header.set_sform(AFFINE, 1)
    header.set_qform(AFFINE, 1)
    header.set_data_offset(352)
    header["magic"] = b"n+1"
    return header.binaryblock + bytes(4)


def _packed(head: np.ndarray) -> bytes:
    volume = np.zeros(SHAPE, np.int16)
    volume[HEAD] = head
    return gzip.compress(_header() + volume.tobytes("F"), 9)


def _write_sparse(path: Path, head: np.ndarray) -> None:
    # Voxels lie column after column: the head's rows of one slice are one block.
    rows, slices = HEAD[1].start, HEAD[2].start
    block = np.zeros((SHAPE[0], *head.shape[1:]), np.int16)
    block[HEAD[0]] = head
    with path.open("wb") as stream:
        stream.write(_header())
        stream.truncate(352 + 2 * math.prod(SHAPE))
        for number in range(head.shape[2]):
            stream.seek(352 + 2 * SHAPE[0] * (rows + SHAPE[1] * (slices + number)))
            stream.write(block[:, :, number].tobytes("F"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write; its cases must not be there yet")
    parser.add_argument("--layout", choices=SCANS, default="brats2020")
    parser.add_argument("--cases", type=int, help="default: as many as the data set has")
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--compressed", action="store_true", help="write .nii.gz")
    files.add_argument("--uncompressed", action="store_true", help="write sparse .nii (default)")
    arguments = parser.parse_args()
    write(arguments.out, arguments.layout, arguments.cases, arguments.compressed)


if __name__ == "__main__":
    main()
