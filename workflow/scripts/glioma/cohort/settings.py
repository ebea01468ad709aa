"""What may be said of a cohort: where it is, how it is cut, how it is split."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from glioma.base.section import Count, Section, Whole, number
from glioma.cohort import labels as conventions

CropMode = Literal["brain", "tumour"]
MODES: tuple[str, ...] = ("brain", "tumour")
Side = Annotated[int, Field(ge=8), BeforeValidator(number)]


class Cohort(Section):
    """Which patients there are."""

    layout: Literal["auto", "brats2020", "brats2021", "brats2023", "table", "phantom"] = "auto"
    """How files are named: auto recognises the BraTS years; table: the files of `table`; phantom: generated."""
    root: str = ""
    """The folder of the scans."""
    table: str = ""
    """Of layout table: patient, subject, grade, flair, t1, t1ce, t2, mask, and a site where known."""
    grades: str = ""
    """BraTS 2021 and 2023 carry no grades: a table with the columns patient and grade."""
    labels: dict[Annotated[str, BeforeValidator(str)], str] | None = None
    """Meaning of the mask's values; null: as the layout defines them."""
    exclude: tuple[str, ...] = ()
    """Patients to leave out, by id."""
    hgg: Count = 24
    """Of layout phantom: HGG patients."""
    lgg: Count = 16
    """Of layout phantom: LGG patients."""
    seed: Whole = 2020
    """Of layout phantom: what the patients are drawn from."""

    @field_validator("labels")
    @classmethod
    def _meanings(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if value is not None:
            unknown = [tissue for tissue in value.values() if tissue not in conventions.CODES]
            if unknown:
                raise ValueError(f"{unknown[0]!r} is no tissue; use one of {', '.join(conventions.CODES)}")
            if not all(number.isdecimal() for number in value) or not value:
                raise ValueError("name values of the mask, whole numbers from 0 on, such as {1: tumour}")
        return value

    @model_validator(mode="after")
    def _of_one_kind(self) -> "Cohort":
        phantom = self.layout == "phantom"
        for key in ("root", "table", "grades", "labels") if phantom else ("hgg", "lgg", "seed"):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(
                    f"{key} is given, but the layout is {self.layout}; "
                    + (f"leave {key} out, or name the layout of your scans" if phantom else "that is of layout phantom")
                )
        return self


class Crops(Section):
    """How patients are cut to one size."""

    mode: CropMode = "brain"
    """brain: the brain's box, resampled (uses no truth). tumour: centred on the true mask, as published."""
    shape: tuple[Side, Side, Side] = (95, 128, 128)
    """Slices, rows, columns."""


class Folds(Section):
    """How patients are split, by subject and stratified by grade."""

    test_fraction: Annotated[float, Field(gt=0, lt=1), BeforeValidator(float)] = 0.25
    """Share of the subjects that is held out for testing."""
    count: Annotated[int, Field(ge=2), BeforeValidator(number)] = 3
    """Folds of the others."""
    published: Whole = 0
    """The fold whose network alone stands beside published rows of CNNs: those are of one network, its 248 training, 62
    validation and 55 test patients."""

    @model_validator(mode="after")
    def _there(self) -> "Folds":
        if self.published >= self.count:
            raise ValueError(f"published is {self.published}, but the last of {self.count} folds is {self.count - 1}")
        return self


class Slices(Section):
    """How a FLAIR slice is shown to a VLM, and what shows a tumour."""

    side: Annotated[int, Field(ge=16), BeforeValidator(number)] = 128
    """Side of the square picture in pixels."""
    frame: Literal["square", "native"] = "square"
    """square: coronal and sagittal slices are padded to it; native: shown as they are."""
    tumour_pixels: Count = 10
    """From how many pixels on a slice shows a tumour."""
