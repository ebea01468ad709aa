"""Offline pages: templates that escape whatever they show, and what stands in a page besides."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from glioma.base.files import atomic_path

ENVIRONMENT = jinja2.Environment(
    autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def write(path: str | Path, template: str, **shown: Any) -> None:
    """Write a page from the text of its template."""
    with atomic_path(path) as temporary:
        temporary.write_text(ENVIRONMENT.from_string(template).render(**shown), encoding="utf-8")


def embedded(content: object) -> Markup:
    """JSON that may stand within a `<script>` element, whatever texts it holds."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def allowed(*scripts: str) -> Markup:
    """The sources by which a page's policy lets it run scripts of its own."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return Markup(" ".join(f"'sha256-{digest}'" for digest in digests))
