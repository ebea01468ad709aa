"""The settings of a radiomics grader."""

from typing import Annotated

from pydantic import Field, StringConstraints

from glioma.base.section import Count, Rate, Section

PENALTIES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0)


class Radiomics(Section):
    """A grader of features of the masks that a network predicts."""

    segmenter: Annotated[str, StringConstraints(min_length=1)]
    """The network whose masks are described: of every patient the mask of networks that have not seen it."""
    strengths: Annotated[tuple[Rate, ...], Field(min_length=1)] = PENALTIES
    """Inverse strengths of the L2 penalty that inner cross-validation chooses from (C of scikit-learn)."""
    inner_folds: Annotated[Count, Field(ge=2)] = 5
    """Folds of that choice, within the training patients of each outer fold."""
