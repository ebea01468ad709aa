"""The recipe of the embedded model."""

from typing import Annotated

from pydantic import Field

from glioma.base.section import Count, Number, Rate, Section, Whole


class Recipe(Section):
    """How the tiny Mllama is trained; the defaults made the one that the project holds."""

    looks: Whole = 120
    """Steps of the vision tower alone, on the auxiliary losses."""
    steps: Count = 230
    """Steps of the whole model."""
    batch: Count = 16
    """Images with a blob in a batch, half of either grade; a quarter more come without a blob."""
    questions: Count = 8
    """Images of the batch that each task is asked about."""
    prompts: Count = 4
    """Different prompts a task in each batch: diversity within the batch makes the wording not matter."""
    learning_rate: Rate = 3e-3
    warmup: Whole = 20
    weight_decay: Number = 0.05
    vocabulary: Annotated[int, Field(ge=600)] = 1200
    guide: Number = 0.5
    """Weight of the auxiliary losses of the vision tower."""
    sigma: tuple[Rate, Rate] = (4.5, 1.5)
    """Pixels: width of the soft targets of a coordinate, at the first and at the last step."""
