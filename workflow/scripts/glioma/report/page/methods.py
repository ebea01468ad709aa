"""The methods text and the captions, which are reStructuredText for Snakemake's own report as well, as HTML."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from docutils.core import publish_parts

from glioma.base.files import PROJECT

TEXTS = PROJECT / "workflow/report"
_SETTINGS = {
    "raw_enabled": False,
    "file_insertion_enabled": False,
    "embed_stylesheet": False,
    "initial_header_level": 3,
    "report_level": 4,
    "doctitle_xform": False,
    "smart_quotes": False,
}


def html(name: str, config: dict[str, Any]) -> str:
    """A text of workflow/report/ as HTML; what the configuration holds is escaped by docutils, which makes it."""
    source = (TEXTS / f"{name}.rst").read_text(encoding="utf-8")
    text = (
        jinja2.Environment(undefined=jinja2.StrictUndefined)
        .from_string(source)
        .render(snakemake=SimpleNamespace(config=config))
    )
    return publish_parts(text, writer="html5", settings_overrides=_SETTINGS)["body"]


def caption(path: Path, config: dict[str, Any]) -> str:
    """The caption of a figure."""
    return html(path.stem, config) if (TEXTS / f"{path.stem}.rst").is_file() else ""
