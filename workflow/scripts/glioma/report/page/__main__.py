"""The verdicts of a page, in the terminal: `python -m glioma.report.page results/demo/report/report.html`."""

import json
import re
import sys
import textwrap
from pathlib import Path

_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def lines(page: str) -> list[str]:
    """Each card's question, verdict and what it rests on."""
    found = []
    for card in json.loads(_DATA.search(page)[1])["cards"]:
        found += [card["heading"], *textwrap.wrap(card["verdict"], 100, initial_indent="  ", subsequent_indent="  ")]
        found += textwrap.wrap(f"({card['evidence']})", 100, initial_indent="  ", subsequent_indent="  ")
    return found


if __name__ == "__main__":
    print("\n".join(lines(Path(sys.argv[1]).read_text(encoding="utf-8"))))
