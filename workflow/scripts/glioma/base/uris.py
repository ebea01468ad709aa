"""Pictures as texts that a page or a request can hold."""

import base64
import io
from typing import Any

from PIL import Image


def data_uri(image: Image.Image, kind: str, **options: Any) -> str:
    """A picture in a format that Pillow writes ("webp", "png"), with its options, as a data URI."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
