"""How answers become scores: the sections `votes` and `scores` of a study."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from glioma.base.section import Count, Number, Section, Whole, number
from glioma.geometry.shapes import Components


class Votes(Section):
    """How slices make a patient."""

    ballot: Literal["choice", "probability"] = "choice"
    """A slice votes for the grade that it was answered, or weighs in with its probability of HGG: then the mean over
    slices decides, and the keys below decide nothing."""
    tie: Literal["undecided", "hgg", "lgg", "probability"] = "undecided"
    """Between the leading choices: undecided, that grade where it leads, or HGG or LGG by the mean probability."""
    no_glioma: Literal["exclude", "counts", "undecided"] = "exclude"
    """exclude: such slices have no vote. undecided: a patient they win is undecided. counts: he is labelled so."""
    unparsed: Literal["exclude", "counts", "wrong"] = "exclude"
    """Unreadable slices have no vote, vote for no decision, or vote against the true grade."""
    gldr_denominator: Literal["graded", "readable", "all"] = "graded"
    """Glioma label distribution ratio (GLDR): HGG slices over LGG and HGG slices, over all that can be read, or over
    all that were queried."""


class Scores(Section):
    """How answers and masks are scored."""

    truth: Literal["mask", "shape"] = "mask"
    """A box or polygon is scored against the true mask, or against the mask's own box or polygon."""
    unreadable: Literal["empty", "exclude"] = "empty"
    """A shape that cannot be read is an empty prediction, or its slice is left out."""
    hd95: Literal["pooled", "max"] = "pooled"
    """pooled: the 95th percentile of both directions' distances together, as MedPy; max: the larger of the two, as
    MONAI and BraTS."""
    hd95_unit: Literal["px", "mm"] = "mm"
    hd95_empty: Number | None = None
    """HD95 where exactly one of two masks is empty; null: the diagonal of the frame."""
    backend: Literal["own", "medpy"] = "own"
    """Whose functions compute the scores of masks; the values are equal. medpy (GPL, to be installed) is slower."""
    nsd_tolerance: Number = 2.0
    """Normalised surface distance: the share of the surface within this distance, in the unit of HD95."""
    box_maximum: Literal["inclusive", "exclusive"] = "inclusive"
    """Whether a box holds its last row and column."""
    square_box: bool = False
    """Whether true boxes are squares, where they are scored as shapes."""
    components: Components = "all"
    """What true boxes span, of centre points and where boxes are scored as shapes: all components of a slice's tumour,
    or the largest alone."""
    dimension: Literal["2d", "3d"] = "3d"
    """Boxes and polygons in paired tests: means over slices (2d), or stacked to a volume (3d)."""
    calibration_bins: Count = 10
    confidence: Annotated[float, Field(gt=0, lt=1), BeforeValidator(float)] = 0.95
    resamples: Annotated[int, Field(ge=100), BeforeValidator(number)] = 2000


class Settings(Scores):
    """All that scoring depends on besides what it scores."""

    votes: Votes = Votes()
    side: Count = 128
    """Side in pixels of the rendered slice."""
    seed: Whole = 2020

    @property
    def limits(self) -> tuple[float | None, float, str, str]:
        """What `metrics.segmentation.scores` is told besides two masks and their spacing, in its order."""
        return self.hd95_empty, self.nsd_tolerance, self.hd95, self.backend

    @classmethod
    def from_config(cls, scores: Mapping, votes: Mapping, side: int = 128, seed: int = 2020) -> "Settings":
        """From the `scores` and `votes` sections of a study."""
        return cls.read({**scores, "votes": votes, "side": side, "seed": seed})
