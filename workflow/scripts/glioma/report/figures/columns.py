"""Figures as wide as a column of a journal: pages of PDF, scaled with all that is on them."""

from pathlib import Path

from pypdf import PdfWriter

from glioma.base.files import atomic_path

WIDTHS = (88, 180)
"""Millimetres: one column and two, of Nature's and most journals' pages."""
_POINTS = 72 / 25.4


def write(pdf: str | Path, out: str | Path, width: float) -> float:
    """Write a figure `width` millimetres wide; return the size in points that type of 9 points has there.

    A journal that wants no type below 5 points takes a figure of 8.6 inches over two columns (7.4 points), and not in
    one (3.6).
    """
    writer = PdfWriter(clone_from=pdf)
    (page,) = writer.pages
    factor = width * _POINTS / float(page.mediabox.width)
    page.scale_by(factor)
    with atomic_path(out) as temporary:
        writer.write(temporary)
    return 9 * factor
