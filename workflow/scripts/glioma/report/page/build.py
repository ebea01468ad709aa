"""One HTML file that needs nothing else: no server, no library, no network."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from glioma.base import pages
from glioma.base.files import atomic_path
from glioma.base.uris import data_uri
from glioma.report.html import TOOLS

HERE = Path(__file__).parent
ASSETS = ("page.html.jinja", "page.css", "page.js")
SECTIONS = {
    "answer": "Answer",
    "picture": "Does it look?",
    "patients": "Patients",
    "tables": "Tables",
    "figures": "Figures",
    "methods": "Methods",
    "provenance": "Provenance",
}
ABBREVIATIONS = {"cnn", "gldr", "vlm"}
WIDEST = 1500
"""Pixels: wider figures are scaled down in the page; beside it they lie as they are."""


@dataclass(frozen=True)
class Figure:
    """A figure of the page: its title, its picture as a data URI, and its caption as HTML."""

    title: str
    image: str
    caption: str


@dataclass(frozen=True)
class Table:
    """A table page's sections as HTML, made and escaped by `report.html`."""

    title: str
    body: str


def figure(path: str | Path, caption: str) -> Figure:
    """A PNG as WebP, at most `WIDEST` pixels wide."""
    with Image.open(path) as image:
        shown = image.convert("RGB")
    if shown.width > WIDEST:
        shown = shown.resize((WIDEST, round(shown.height * WIDEST / shown.width)), Image.Resampling.LANCZOS)
    return Figure(_title(path), data_uri(shown, "webp", quality=80, method=4), caption)


def table(path: str | Path) -> Table:
    """The notes and sections of a page that `report.html.write` wrote, without its script."""
    text = Path(path).read_text(encoding="utf-8")
    notes = re.findall(r'^<p class="note">.*?</p>$', text.split("<section>")[0], re.DOTALL | re.MULTILINE)
    sections = re.findall(r"<section>.*?</section>", text, re.DOTALL)
    heading = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
    return Table(html.unescape(heading[1]) if heading else _title(path), "\n".join([*notes, *sections]))


def write(path: str | Path, data: Mapping[str, Any], **shown: Any) -> None:
    """Write the page. `data` is what its script reads; `shown` what the template shows (cards, tables, figures, ...).

    All texts are escaped: by the template, or, in `data`, so that none of them ends the element that holds it. The
    policy lets the page run its own script and nothing else, and fetch nothing; `files`: but for what this script
    loads, which are the patients beside the page.
    """
    page, css, own = ((HERE / name).read_text(encoding="utf-8") for name in ASSETS)
    script = own + TOOLS
    pages.write(
        path,
        page,
        css=Markup(css),
        script=script,
        allowed=pages.allowed(script),
        data=pages.embedded({**data, "cards": [asdict(card) for card in shown["cards"]]}),
        sections=SECTIONS.items(),
        **shown,
    )


def beside(patient: Mapping[str, Any], path: Path) -> Path:
    """One patient as a script beside the page: a file that a page opened from a folder may load, as it may no JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(f"arrived({pages.embedded(patient)});\n", encoding="utf-8")
    return path


def provenance(
    commit: str, versions: Sequence[tuple[str, str]], models: Mapping[str, Mapping]
) -> list[tuple[str, str]]:
    """What the page says of where its numbers come from."""
    revisions = "; ".join(
        f"{name}: {entry['source']} {entry.get('revision') or ''}".strip() for name, entry in models.items()
    )
    return [
        ("workflow", commit or "no commit known (not a git checkout)"),
        ("packages", ", ".join(f"{name} {version}" for name, version in versions)),
        ("models", revisions or "none"),
    ]


def _title(path: str | Path) -> str:
    words = [word.upper() if word in ABBREVIATIONS else word for word in Path(path).stem.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])
