"""Pages of tables: light, readable, without anything from elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from glioma.base import pages
from glioma.base.files import atomic_path
from glioma.metrics import records

UNDEFINED = "–"
Out = str | Path | Sequence[str | Path]
"""A page, or the same tables as .html, .csv and .tex."""
ROW_TONES = ("published", "difference", "void")
"""Tones of a row's first cell that are the whole row's; what is void is crossed out."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller line under it, and the number it sorts by where the text would not do.

    run: the method that it names; on the study's page a click on it leads to its patients.
    """

    text: str
    detail: str = ""
    key: float | None = None
    tone: str = ""
    run: str = ""


@dataclass(frozen=True)
class Table:
    """A table under a heading. `numeric` names the columns set flush right; `tools` adds sorting and a filter."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    """Of cells and strings."""
    note: str = ""
    numeric: frozenset[str] = frozenset()
    tools: bool = False


def number(metric: str, value: float) -> str:
    """A metric as printed, with the decimals of its record; undefined is a dash."""
    return f"{value:.{records.decimals(metric)}f}" if np.isfinite(value) else UNDEFINED


def estimate(metric: str, value: float, low: float = float("nan"), high: float = float("nan")) -> Cell:
    """A value over its interval; undefined values sort last."""
    known = np.isfinite(low) and np.isfinite(high)
    detail = f"{number(metric, low)} to {number(metric, high)}" if known else ""
    return Cell(number(metric, value), detail, float(value) if np.isfinite(value) else -np.inf)


def write(
    out: Out,
    title: str,
    cohort_label: str,
    tables: Iterable[Table],
    notes: Iterable[str] = (),
) -> None:
    """Write one page, or by suffix (.html, .csv, .tex) the same tables in several forms.

    Every string, wherever it comes from, is escaped by the template.
    """
    tables = list(tables)
    path, *exports = [Path(out)] if isinstance(out, str | Path) else map(Path, out)
    for other in exports:
        export(tables, f"{title}: {cohort_label}", other)
    pages.write(
        path,
        _TEMPLATE,
        title=title,
        cohort=cohort_label,
        notes=list(notes),
        tables=tables,
        tools=Markup(TOOLS) if any(table.tools for table in tables) else "",
        is_cell=lambda value: isinstance(value, Cell),
        row_tones=ROW_TONES,
        zip=zip,
    )


def export(tables: Iterable[Table], title: str, path: Path) -> None:
    """Tables one below the other as LaTeX (booktabs, longtable), or as CSV with the heading as the first column."""
    frames = {table.heading: _frame(table) for table in tables}
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            together = pd.concat(frames, names=["table"]).reset_index("table") if frames else pd.DataFrame()
            together.to_csv(temporary, index=False)
            return
        parts = [f"% {title.translate(_ONE_LINE)}", "% needs the packages booktabs and longtable"]
        for heading, frame in frames.items():
            shown = frame.map(_latex).rename(columns=_latex)
            parts.append(
                shown.style.hide(axis="index").to_latex(hrules=True, environment="longtable", caption=_latex(heading))
            )
        temporary.write_text("\n".join(parts), encoding="utf-8")


_ONE_LINE = {ord(character): " " for character in "\r\n"}
_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "†": r"\dag{}"}


def _latex(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(_SPECIAL.get(each) or (f"\\{each}" if each in "&%$#_{}" else each) for each in str(text))


def _frame(table: Table) -> pd.DataFrame:
    """A table's texts; the smaller line of a cell in brackets behind the larger."""
    rows = [[_text(cell) for cell in row] for row in table.rows]
    columns = [name if name not in table.columns[:i] else f"{name} ({i})" for i, name in enumerate(table.columns)]
    return pd.DataFrame(rows, columns=columns, dtype=str)


def _text(cell: Any) -> str:
    if not isinstance(cell, Cell):
        return str(cell)
    return f"{cell.text} [{cell.detail}]" if cell.detail else cell.text


# Of pages with a table that has tools; the study's page has it, too.
TOOLS = """\
for (const table of document.querySelectorAll("table[data-tools]")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const box = table.closest("section").querySelector("input"), count = table.closest("section").querySelector(".count");
  const key = (row, i) => {
    const cell = row.cells[i], k = cell.dataset.key;
    return k === undefined ? cell.textContent.trim() : Number(k.replace("-inf", "-Infinity"));
  };
  const filter = () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = shown + " of " + rows.length + " rows";
  };
  [...table.tHead.rows[0].cells].forEach((head, i) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") === "descending" || !head.hasAttribute("aria-sort");
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    rows.sort((a, b) => {
      const x = key(a, i), y = key(b, i);
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return up ? order : -order;
    });
    body.append(...rows);
  }));
  box.addEventListener("input", filter);
  filter();
}
"""
# The policy forbids the page to fetch anything, should a text ever slip through as markup.
_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'{{ "; script-src 'unsafe-inline'" if tools else "" }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 14px/1.45 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; color: #1b1b1b; background: #fff;
  margin: 1.5rem auto; max-width: 1240px; padding: 0 1rem; }
h1 { font-size: 1.35rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .3rem; }
.cohort { color: #444; margin: 0 0 .8rem; } .note { color: #444; margin: .2rem 0 .5rem; max-width: 62rem; }
.wrap { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e4e4e4; }
thead th { border-bottom: 2px solid #555; background: #fff; vertical-align: bottom; }
th.n, td.n { text-align: right; } td.n { white-space: nowrap; }
td small { display: block; color: #666; font-size: .78rem; }
tbody tr:hover { background: #f5f8fa; }
tr.published { background: #f6f1e3; } tr.difference td { color: #444; font-style: italic; }
tr.void td { color: #999; font-style: italic; text-decoration: line-through; }
tr.void td:first-child { text-decoration: none; }
td.text { min-width: 13rem; max-width: 34rem; overflow-wrap: anywhere; white-space: pre-wrap;
  font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .8rem; }
td.bad { color: #a33; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid #0072b2; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
input { font: inherit; padding: .3rem .5rem; width: 26rem; max-width: 100%;
  border: 1px solid #999; border-radius: 3px; }
.count { color: #666; margin-left: .6rem; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="cohort">{{ cohort }}</p>
{% for note in notes %}
<p class="note">{{ note }}</p>
{% endfor %}
{% for table in tables %}
<section>
<h2>{{ table.heading }}</h2>
{% if table.note %}
<p class="note">{{ table.note }}</p>
{% endif %}
{% if table.tools %}
<p><input type="search" aria-label="filter rows" placeholder="filter: words that a row must contain"><span
 class="count"></span></p>
{% endif %}
<div class="wrap"><table{{ " data-tools" if table.tools else "" }}>
<thead><tr>
{% for column in table.columns %}
<th{{ " class=n" if column in table.numeric else "" }}>{% if table.tools %}<button
 type="button">{{ column }}</button>{% else %}{{ column }}{% endif %}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in table.rows %}
<tr{{ " class=%s" % row[0].tone if is_cell(row[0]) and row[0].tone in row_tones else "" }}>
{% for column, value in zip(table.columns, row) %}
<td class="{{ "n " if column in table.numeric else "" }}{{ value.tone if is_cell(value) else "" }}"
{%- if is_cell(value) and value.key is not none %} data-key="{{ value.key }}"{% endif %}
{%- if is_cell(value) and value.run %} data-run="{{ value.run }}"{% endif %}>
{%- if is_cell(value) %}{{ value.text }}{% if value.detail %}<small>{{ value.detail }}</small>{% endif %}
{% else %}{{ value }}{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
</section>
{% endfor %}
{% if tools %}
<script>
{{ tools }}</script>
{% endif %}
</body>
</html>
"""
