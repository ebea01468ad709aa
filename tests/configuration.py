"""Complete configurations, as the workflow resolves them."""

from typing import Any

import pytest

from glioma.config import check, study
from workspace import REPOSITORY

ON_PHANTOMS = {"layout": "phantom"}


EVERYTHING = str(REPOSITORY / "tests" / "everything.yaml")


def resolved(name: str = EVERYTHING, **more: Any) -> dict[str, Any]:
    """The configuration of a study, checked; on phantoms if it names no cohort and none is given."""
    if name not in ("demo",) and "/" not in name:
        more = {"cohort": ON_PHANTOMS, **more}
    # Studies, models and prompts are looked up in the working directory.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        config, _ = study.resolve({"study": name, **more})
        check.check(config)
        return config
