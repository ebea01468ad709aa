"""What a job holds, in units that cost about the same wherever they occur.

job: the start of a process and what it loads. patient: reading and writing one patient's data. TFLOP: 10^12 floating
point operations of a network. row: a slice in a conversation. sample: a conversation seen by an optimiser. answer: a
slice that a VLM looks at. slice: one that a promptable segmenter looks at. step: one decoding step of a batch, as many
as answers may be long; what ends earlier is cheaper. Slices that only the mask knows are counted by the shares
in `SHOWN`.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache, partial
from math import ceil
from typing import Any

import pandas as pd

from glioma import tasks
from glioma.cnn import schedule
from glioma.cnn.recipe import Recipe
from glioma.cohort import folds as splits
from glioma.cohort import parts
from glioma.config import settings
from glioma.geometry.slices import AXIS
from glioma.planning.jobs import Job

# Share of slices that show tumour, measured on the crops of the 40 phantoms of the demo; BraTS's own are unknown here.
SHOWN = {"brain": 0.47, "tumour": 0.74}
# A conversation that a VLM is trained on costs about one pass forward and two backward.
PASSES = 3


ONE_PATIENT = ("phantom_patient", "crop")
"""Rules whose jobs hold one patient; those of others that cost by patient hold all."""


class Study:
    """A configuration and its patients, asked what the jobs of its graph hold.

    `patients` has patient, subject, grade: they are split as the rule `folds` will split them.
    """

    def __init__(self, config: Mapping[str, Any], patients: pd.DataFrame) -> None:
        self.config = dict(config)
        self.folds = splits.make(patients, config["folds"]["test_fraction"], config["folds"]["count"], config["seed"])
        self.shape = tuple(config["crops"]["shape"])

    def units(self, job: Job) -> dict[str, float]:
        """How many of each unit a job holds."""
        if job.rule in _ALONE:
            return {"job": 1.0}
        own = _BY_RULE.get(job.rule)
        return {"job": 1.0} | (own(self, job.wildcards) if own else {"patient": float(len(self.folds))})  # type: ignore[operator]

    def model(self, job: Job) -> str:
        """ "embedded", "endpoint" or "other": what kind of VLM the job loads or asks; "" for none."""
        entries = {"respond": self.config["runs"], "finetune": self.config["adapters"]}.get(job.rule)
        if entries is None:
            return ""
        entry = entries[job.wildcards["run" if job.rule == "respond" else "adapter"]]
        kind = settings.origin(self.config["models"][entry["model"]])
        return kind if kind in ("embedded", "endpoint") else "other"

    def answers(self, run: str, part: str) -> int:
        """Answers that a run asks for in a part of the patients."""
        entry = self.config["runs"][run]
        if entry["repeats"]:
            return 2 * entry["repeats"] * len(entry["orientations"])
        slices = self._slices(entry, settings.crops_of(self.config, entry))
        return len(parts.rows(self.folds, part)) * slices * entry["samples"]

    def _slices(self, entry: Mapping[str, Any], crops: str) -> int:
        """Slices of one patient, over all orientations."""
        share = 1.0 if entry.get("selection", "tumour") == "all" else SHOWN[crops]
        every = entry.get("every", 1)
        return sum(ceil(self.shape[AXIS[name]] * share / every) for name in entry.get("orientations", ["axial"]))

    def _respond(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        entry = self.config["runs"][wildcards["run"]]
        answers = self.answers(wildcards["run"], wildcards["part"]) / entry["shards"]
        decoding = entry["generation"]
        tokens = 0 if decoding["choices_only"] else decoding["max_new_tokens"]
        return {"answer": answers, "step": float(ceil(answers / decoding["batch_size"]) * tokens)}

    def _conversations(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        return {"row": self._rows(wildcards["adapter"]) * len(self.folds)}

    def _rows(self, adapter: str) -> float:
        """Conversations of one patient."""
        entry = self.config["adapters"][adapter]
        asked = entry["conversations"]
        # Where the tumour is, is asked on axial slices that show one.
        whole = tasks.get(entry["task"]).whole_slices
        orientations = asked["orientations"] if whole else ["axial"]
        rows = self._slices({**asked, "orientations": orientations}, settings.crops_of(self.config, entry))
        rows /= 1 - (asked["no_glioma_slices"] if whole else 0)
        return min(rows, asked["limit"] or rows)

    def _finetune(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        training, asked = (self.config["adapters"][wildcards["adapter"]][key] for key in ("training", "conversations"))
        batch = training["batch_size"] * training["accumulation"]
        steps = training["steps"]
        if steps is None:
            grades = splits.grades(self.folds)[splits.split(self.folds, int(wildcards["fold"]))["train"]].value_counts()
            rows = self._rows(wildcards["adapter"]) * _balanced(grades.tolist(), asked["balance"])
            steps = ceil(ceil(rows / batch) * training["epochs"])
        # Before the first step, then every so often.
        evaluations = 1 + steps // training["evaluate_every"] if training["evaluate_every"] else 0
        samples = steps * batch + evaluations * training["validation_rows"] / PASSES
        answers = evaluations * training["generation_rows"] if training["select_by"] == "generation" else 0
        return {"sample": float(samples), "answer": float(answers)}

    def _train_cnn(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        network = wildcards["network"]
        recipe = Recipe.read(settings.network_entry(self.config, network))
        own = splits.split(self.folds, int(wildcards["fold"]))
        trained = _balanced(self._labels(network, recipe, own["train"]), recipe.oversample)
        validated = sum(self._labels(network, recipe, own["validation"]))
        epochs = recipe.epochs * len(recipe.learning_rates)
        return {"TFLOP": epochs * (trained * self.tflop(network, True) + validated * self.tflop(network, False))}

    def _labels(self, network: str, recipe: Recipe, patients: Sequence[str]) -> list[float]:
        """Samples of each label among patients: whole crops by grade, or slices by answer."""
        grades = self.folds.set_index("patient").loc[patients, "grade"].value_counts()
        if recipe.kind != "slices":
            return grades.tolist()
        shown = self._of_patient("tumour", recipe.every, network)
        free = (self._of_patient(recipe.slices, recipe.every, network) - shown) * len(patients)
        return [*(grades * shown), free]

    def _predict(self, wildcards: Mapping[str, str], key: str) -> dict[str, float]:
        network, count, published = wildcards[key], *(self.config["folds"][name] for name in ("count", "published"))
        recipe = Recipe.read(settings.network_entry(self.config, network))
        passes = sum(
            len(patients)
            for fold in range(count)
            for patients in schedule.predicted(recipe.kind, self.folds, fold, published).values()
        )
        each = self._of_patient(recipe.slices, recipe.every, network) if recipe.kind == "slices" else 1
        return {"TFLOP": passes * each * self.tflop(network, False), "patient": float(len(self.folds))}

    def _of_patient(self, selection: str, every: int, network: str) -> float:
        """Axial slices of a patient that a network sees."""
        asked = {"selection": selection, "every": every}
        return self._slices(asked, settings.crops_of(self.config, self.config["networks"][network]))

    def _segment_boxes(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        entry = self.config["sam"][wildcards["sam"]]
        (crops,) = settings.crops_of_sam(self.config, wildcards["sam"])
        patients = parts.rows(self.folds, "test" if entry["patients"] == "test" else "everyone")
        return {"slice": float(len(patients) * self._slices({"selection": "all", "every": entry["every"]}, crops))}

    def _one_patient(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        return {"patient": 1.0}

    def tflop(self, network: str, training: bool) -> float:
        """TFLOP of one sample passing a network, in training forward and backward."""
        recipe = Recipe.read(settings.network_entry(self.config, network))
        forward, backward = tflop(recipe, recipe.shape(self.shape))
        return forward + backward if training else forward


def tflop(recipe: Recipe, shape: tuple[int, ...]) -> tuple[float, float]:
    """10^12 operations of a sample's pass forward through a network, and of the one backward."""
    arguments = json.dumps(recipe.arguments, sort_keys=True)
    return _tflop(recipe.task, recipe.architecture, arguments, recipe.multiple, recipe.channels, shape)


@cache
def _tflop(
    task: str, architecture: str, arguments: str, multiple: int | None, channels: tuple, shape: tuple
) -> tuple[float, float]:
    """TFLOP of a sample's pass forward and of the one backward, counted by PyTorch on a network without data."""
    # Only here: a plan without networks needs no PyTorch.
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from glioma.cnn import networks

    recipe = Recipe(
        task=task, architecture=architecture, arguments=json.loads(arguments), multiple=multiple, channels=channels
    )
    with torch.device("meta"):
        built = networks.build(recipe, shape).train()
        with FlopCounterMode(display=False) as counter:
            # Two samples: batch normalisation refuses one.
            output = built(torch.empty((2, len(recipe.channels), *shape)))
            forward = counter.get_total_flops()
            output.sum().backward()
    return forward / 2e12, (counter.get_total_flops() - forward) / 2e12


def _balanced(counts: Sequence[float], balanced: bool) -> float:
    """Samples in all once those of rarer labels are repeated as often as the commonest; labels without any are none."""
    present = [count for count in counts if count]
    return max(present, default=0) * len(present) if balanced else sum(present)


_BY_RULE = {
    "respond": Study._respond,
    "segment_boxes": Study._segment_boxes,
    "conversations": Study._conversations,
    "finetune": Study._finetune,
    "train_cnn": Study._train_cnn,
    "predict_cnn_grade": partial(Study._predict, key="classifier"),
    "predict_cnn_mask": partial(Study._predict, key="segmenter"),
    "predict_cnn_slices": partial(Study._predict, key="slicer"),
    **dict.fromkeys(ONE_PATIENT, Study._one_patient),
}
"""What the jobs of a rule hold besides themselves; other rules hold all patients."""
_ALONE = {
    *("phantom_template", "phantom_mapping", "tiny_vlm", "fetch_model", "check_networks"),
    *("folds", "compare", "summary", "examples"),
}
