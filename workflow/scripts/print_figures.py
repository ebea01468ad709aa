"""Every figure as PDF in the widths of a journal's columns, with the size that its type then has."""

from pathlib import Path

from glioma.base.job import job
from glioma.report.figures import columns

with job(snakemake):
    folder = Path(snakemake.output[0])
    folder.mkdir()
    for figure in map(Path, snakemake.input):
        for width in columns.WIDTHS:
            size = columns.write(figure, folder / f"{figure.stem}-{width}mm.pdf", width)
            print(f"{figure.stem}: {width} mm, type of {size:.1f} points")
