"""An adapter as a repository of the Hugging Face hub: its files, and a model card written from the run.

The study saved its adapters there ("saved as a LoRA-adapted version to Hugging Face"). Here nothing leaves the machine
unless an adapter names a repository and the rule is asked for; what would be sent can be read first.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from huggingface_hub import ModelCardData

from glioma.base.errors import UserError
from glioma.base.files import write_json
from glioma.vlm.settings import ADAPTER_FILES

CARD = "README.md"
METRICS = {
    "grade": ("balanced_accuracy_all", "recall_all", "specificity_all"),
    "region": ("dice", "hd95", "centre_correlation"),
    "point": ("fraction_in_box", "p95_euclidean_distance", "centre_correlation"),
    "label": ("balanced_accuracy", "recall", "specificity"),
}
"""Scores of a card, by what the adapter's task delivers."""


def prepare(folder: str | Path, adapters: Mapping[int, Path], base: Mapping, card: str) -> None:
    """Write everything that would be sent into `folder`: the card, and the adapter of each fold.

    `adapters`: fold -> folder. The first fold's stands at the top, where PEFT looks for it, others in `fold<k>`. `base`
    is the model entry; where it is on the hub its id and revision take the place of the path on this machine.
    """
    folder = Path(folder)
    first = min(adapters)
    for fold, source in sorted(adapters.items()):
        target = folder if fold == first else folder / f"fold{fold}"
        target.mkdir(parents=True, exist_ok=True)
        for name in ADAPTER_FILES:
            shutil.copyfile(Path(source) / name, target / name)
        written = json.loads((target / ADAPTER_FILES[0]).read_text(encoding="utf-8"))
        written |= {"base_model_name_or_path": base["source"], "revision": base.get("revision")}
        write_json(written, target / ADAPTER_FILES[0])
    (folder / CARD).write_text(card, encoding="utf-8")


def card(name: str, entry: Mapping, base: Mapping, facts: Mapping, summary: pd.DataFrame) -> str:
    """The model card: what the adapter is, what it was trained on, how to ask it, and what it scored.

    `facts`: study, cohort, phantom (whether it was generated), prompt (its text), output (of its task), numbers (of
    training and other patients by split). `summary` has the rows of the runs that it answers in.
    """
    hub = entry["publish"]
    on_hub = {} if base["source"] == "embedded" else {"base_model": base["source"]}
    data = ModelCardData(
        license=hub["licence"], library_name="peft", tags=["lora", "glioma", "mri", "research-only"], **on_hub
    )
    training, conversations = entry["training"], entry["conversations"]
    warning = (
        "**Phantom results.** It was trained and scored on simulated patients: it shows that a workflow runs and knows "
        "nothing of real scans.\n\n"
        if facts["phantom"]
        else ""
    )
    numbers = ", ".join(f"{count} {split}" for split, count in facts["numbers"].items())
    order = "image, then text" if conversations["image_first"] else "text, then image"
    views = [
        f"{sequence}{f' {offset:+d}' if offset else ''}"
        for sequence in entry["picture"]["sequences"]
        for offset in entry["picture"]["neighbours"]
    ]
    shown = "one picture a question" if len(views) == 1 else f"as {entry['picture']['arrange']}"
    system = f"\nAfter the system prompt:\n\n```text\n{facts['system']}\n```\n" if facts["system"] else ""
    loss = "the answer's tokens" if training["loss"] == "answer" else "the whole conversation"
    return f"""---
{data.to_yaml()}
---

# {name}: {entry["task"].replace("_", " ")} on glioma MRI, a LoRA adapter

{warning}**Not for clinical use.** Research software; what it answers must not inform the care of any patient.

- Base model: {base["source"]}{f", revision {base['revision']}" if base.get("revision") else ""}
- Study: {facts["study"]}. Cohort: {facts["cohort"]}; patients: {numbers} (split by patient).
- Images: {", ".join(views)} of slices ({", ".join(conversations["orientations"])}) of {facts["crops"]} crops, {shown}.
- Training: LoRA rank {training["rank"]}, alpha {training["alpha"]}, rate {training["learning_rate"]:g}, steps of
  {training["batch_size"]} x {training["accumulation"]} conversations, loss over {loss}, order: {order}.
- Made by the workflow Voxels vs Tokens, which has the code, the configuration and all scores.

## How to ask it

The prompt that it was trained with, letter for letter:

```text
{facts["prompt"]}
```
{system}
## Scores

{_scores(summary, METRICS[facts["output"]])}
"""


def _scores(summary: pd.DataFrame, metrics: Sequence[str]) -> str:
    """A table of the runs' scores, with intervals; test patients and tumour or all slices as they were asked."""
    chosen = summary[summary["metric"].isin(metrics) & summary["cohort"].isin(["test", "pooled"])]
    if chosen.empty:
        return "No run of the study asks it."
    lines = ["| run | patients | slices | metric | value | 95 % interval | n |", "|---|---|---|---|---|---|---|"]
    for row in chosen.to_dict("records"):
        known = pd.notna(row["low"])
        interval = f"{row['low']:.3f} to {row['high']:.3f}" if known else "none"
        who = "all, each by an adapter that has not seen it" if row["cohort"] == "pooled" else "test"
        where = f"{row['slices']}, {row['orientation']}"
        value = "undefined" if pd.isna(row["value"]) else f"{row['value']:.3f}"
        lines.append(f"| {row['run']} | {who} | {where} | {row['metric']} | {value} | {interval} | {row['n']} |")
    return "\n".join(lines)


def publish(folder: str | Path, repository: str, private: bool) -> str:
    """Send a prepared folder to a repository of the hub, made if there is none, and return the commit.

    Needs a login (`hf auth login`, or HF_TOKEN). A repository that is there keeps its visibility.
    """
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        sent = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Adapter and card from Voxels vs Tokens",
            ignore_patterns=[".snakemake_timestamp"],
        )
    except (HTTPError, HfHubHTTPError, LocalTokenNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"adapter {repository}: cannot publish it ({reason}); check the name, the network and your login "
            "(hf auth login)"
        ) from error
    return sent.oid
