"""The answer to the study's question, from its declared comparisons alone: a card for grade, one for location."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from glioma import tasks
from glioma.metrics import records
from glioma.report import labels
from glioma.report.score_tables import rank
from glioma.scoring.names import BASELINES

MOST_ROWS = 6
HEADINGS = {"grade": "Grade: LGG or HGG?", "region": "Location: where is the tumour?"}
PRIMARY = {"grade": "balanced_accuracy_all", "region": "dice"}
"""The primary score of each output, as in `compare.declared`."""
TRIVIAL = {output: tuple(name for name, outputs in BASELINES.items() if output in outputs) for output in HEADINGS}


@dataclass(frozen=True)
class Row:
    """A method on a card: what it is called, its group (`labels.GROUPS`), its score with interval, and of how many."""

    name: str
    group: str
    value: float
    low: float | None
    high: float | None
    n: int
    note: str


@dataclass(frozen=True)
class Card:
    """A question with its verdict in words, what it rests on, and at most `MOST_ROWS` methods.

    `headline`: the pair that the verdict is about.
    """

    heading: str
    metric: str
    verdict: str
    tone: str
    evidence: str
    rows: list[Row]
    chance: float | None
    headline: tuple[str, ...] = ()


def cards(
    summary: pd.DataFrame, comparisons: pd.DataFrame, pairs: Sequence[Sequence[str]], margins: Mapping[str, float]
) -> list[Card]:
    """A card for each of the outputs of `HEADINGS` that a declared pair is about.

    `summary`: scores/summary.csv. `comparisons`: scores/comparisons.csv. `margins`: the differences in the primary
    score that count as none, by output.
    """
    summary = summary.assign(
        group=[labels.group(*pair) for pair in zip(summary["family"], summary["adapter"].fillna(""), strict=True)]
    )
    primary = comparisons[comparisons["role"] == "primary"]
    found = []
    outputs = primary["task"].map(lambda task: tasks.get(task).output)
    for output in HEADINGS:
        own = primary[outputs == output]
        declared = [pair for pair in pairs if not _tests(own, pair).empty]
        if declared:
            found.append(_card(output, summary, own, declared, margins[output]))
    return found


def _card(
    output: str, summary: pd.DataFrame, own: pd.DataFrame, declared: Sequence[Sequence[str]], margin: float
) -> Card:
    groups = summary.drop_duplicates("run").set_index("run")["group"].to_dict()
    headline = min(declared, key=lambda pair: _rank(*(groups.get(name, "") for name in pair)))
    test = _tests(own, headline).iloc[0]
    names = list(dict.fromkeys([*headline, *(name for pair in declared for name in pair)]))
    trivial = [name for name in TRIVIAL[output] if name in groups]
    if not set(names) & set(TRIVIAL[output]):
        names += trivial[:1]
    kept = names[: MOST_ROWS - 1] if not set(names[:MOST_ROWS]) & set(TRIVIAL[output]) else names[:MOST_ROWS]
    kept += [name for name in names if name in TRIVIAL[output] and name not in kept][: MOST_ROWS - len(kept)]
    crops = summary.loc[summary["run"].isin(headline), "crops"].dropna().tolist()
    rows = [row for name in kept if (row := _row(summary, name, output, crops)) is not None]
    rows.sort(key=lambda row: (labels.ORDER.index(row.group), -row.value))
    by_name = {row.name: row for row in rows}
    tone, verdict = say(test, margin, by_name)
    chance = 0.5 if output == "grade" else None
    if chance is not None and all(name in by_name and _at_chance(by_name[name], chance) for name in headline):
        tone, verdict = "open", f"{verdict} Neither can be told from chance."
        able = [row for row in rows if row.low is not None and not _at_chance(row, chance)]
        if able:
            best = max(able, key=lambda row: row.value)
            name = _called(best.name, by_name)
            verdict += f" {name[:1].upper()}{name[1:]} can: {best.value:.2f}."
    return Card(
        HEADINGS[output],
        records.heading(PRIMARY[output]),
        verdict,
        tone,
        _evidence(test, margin),
        rows,
        chance,
        tuple(headline),
    )


def _at_chance(row: Row, chance: float) -> bool:
    """Whether a method's interval holds what chance gives, or it gives one answer to all."""
    return row.value <= chance or (row.low is not None and row.low <= chance)


def say(test: Mapping[str, Any], margin: float, rows: Mapping[str, Row] | None = None) -> tuple[str, str]:
    """A tone ("better", "equal" or "open") and the verdict in a sentence, from one test's effect and its interval."""
    first, second = (_called(test[side], rows or {}) for side in ("first", "second"))
    low, high = test["effect_low"], test["effect_high"]
    begun = f"{first[:1].upper()}{first[1:]}"
    if not (np.isfinite(low) and np.isfinite(high)):
        return "open", f"Whether {first} or {second} is better cannot be told: the difference has no interval."
    if low > 0 or high < 0:
        return "better", f"{begun} is {'better' if low > 0 else 'worse'} than {second}."
    if -margin < low and high < margin:
        return "equal", f"{begun} and {second} are as good as each other, within the declared margin of {margin:g}."
    if low > -margin or high < margin:
        than = "worse" if low > -margin else "better"
        return "equal", f"{begun} is not {than} than {second} by more than the declared margin of {margin:g}."
    return "open", f"Whether {first} or {second} is better cannot be told from these patients."


def _evidence(test: Mapping[str, Any], margin: float) -> str:
    """The numbers behind a verdict."""
    who = {"pooled": "all patients, each by a model that has not seen it", "test": "test patients"}
    return (
        f"{test['first']} less {test['second']}: {test['effect']:+.2f} "
        f"{_interval(test['effect_low'], test['effect_high'])}, {test['effect_name']}; "
        f"{int(test['n'])} patients ({who.get(test['cohort'], test['cohort'])}); p {_p(test['p_holm'])} "
        f"({test['test']}, Holm); margin {margin:g}"
    )


def _interval(low: float, high: float) -> str:
    return f"[{low:+.2f}, {high:+.2f}]" if pd.notna(low) and pd.notna(high) else "[no interval]"


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.3f}"


def _tests(own: pd.DataFrame, pair: Sequence[str]) -> pd.DataFrame:
    """The tests of a pair, those of pooled patients first."""
    found = own[(own["first"] == pair[0]) & (own["second"] == pair[1])]
    return found.sort_values("cohort", key=lambda cohort: cohort != "pooled", kind="stable")


def _rank(first: str, second: str) -> int:
    """How directly a pair of groups answers whether a VLM is as good as a CNN."""
    wanted = [{"cnn", "vlm fine-tuned"}, {"cnn", "vlm general"}, {"vlm fine-tuned", "vlm general"}]
    return wanted.index({first, second}) if {first, second} in wanted else len(wanted)


def _row(summary: pd.DataFrame, name: str, output: str, crops: Sequence[str]) -> Row | None:
    """A method's primary score: of pooled patients where it has them, on the crops of the headline's methods."""
    own = summary[(summary["run"] == name) & (summary["metric"] == PRIMARY[output])]
    own = own[own["cohort"].isin(["pooled", "test"])]
    if own.empty:
        return None
    order = pd.DataFrame(
        {
            "cohort": own["cohort"] != "pooled",
            "crops": ~own["crops"].isin(crops),
            "slices": rank(own, "slices"),
            "orientation": ~own["orientation"].isin(["volume", "axial"]),
        },
        index=own.index,
    ).sort_values(["cohort", "crops", "slices", "orientation"], kind="stable")
    best = own.loc[order.index[0]]
    low, high = (None if pd.isna(best[side]) else float(best[side]) for side in ("low", "high"))
    note = ""
    if best["cohort"] == "test":
        # An adapter answers alone; a network's folds are averaged where no patient was in any of them.
        note = "test, mean of its folds" if best["family"] == "cnn" else "test"
    return Row(name, best["group"], float(best["value"]), low, high, int(best["n"]), note)


def _called(name: str, rows: Mapping[str, Row]) -> str:
    """A method within a sentence."""
    kinds = {
        "cnn": "the CNN ",
        "radiomics": "radiomics ",
        "sam": "the promptable segmenter ",
        "vlm fine-tuned": "the fine-tuned VLM ",
        "vlm general": "the VLM off the shelf ",
    }
    return f"{kinds.get(rows[name].group, '') if name in rows else ''}“{name}”"


def help_of_constraint(comparisons: pd.DataFrame, summary: pd.DataFrame, pairs: Sequence[Sequence[str]]) -> list[str]:
    """What constrained decoding is worth, a line each declared pair (constrained, free) of the same run."""
    lines = []
    primary = comparisons[comparisons["role"] == "primary"]
    for pair in pairs:
        for first, sign in ((pair, 1), (pair[::-1], -1)):
            tests = _tests(primary, first)
            if tests.empty:
                continue
            test = tests.iloc[0]
            effect = sorted(sign * test[name] for name in ("effect_low", "effect_high"))
            parsed = [_parsed(summary, name) for name in pair[::-1]]
            lines.append(
                f"{pair[0]}: {records.heading(str(test['metric']))} {sign * test['effect']:+.2f} "
                f"{_interval(*effect)} against the same answers decoded freely; "
                f"{parsed[0]:.0%} of answers parsed become {parsed[1]:.0%} "
                f"({test['cohort']} patients, n = {int(test['n'])})"
            )
            break
    return lines


def _parsed(summary: pd.DataFrame, run: str) -> float:
    """The share of a run's answers that were parsed, over its widest scope."""
    own = summary[(summary["run"] == run) & (summary["metric"] == "parsed")]
    return float(own.sort_values("n")["value"].iloc[-1]) if len(own) else float("nan")


def help_of_truth(audit: pd.DataFrame) -> list[str]:
    """What cropping around the true tumour is worth, a line each declared pair with a factor."""
    known = audit[audit["factor"].eq("crops") & audit["low"].notna() & audit["metric"].ne("dice_slices")]
    return [
        f"{row.run}: {records.heading(str(row.metric).removesuffix('_volume'))} {row.value:+.2f} "
        f"{_interval(row.low, row.high)} on crops around the true tumour ({row.cohort} patients, n = {int(row.n)})"
        for row in known.drop_duplicates("run").itertuples()
    ]
