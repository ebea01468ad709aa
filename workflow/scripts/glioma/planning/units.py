"""What a job holds, in units that cost about the same wherever they occur.

job: the start of a process and what it loads. patient: reading and writing one patient's data. TFLOP: 10^12 floating
point operations of a network. row: a slice in a conversation. sample: a conversation seen by an optimiser. answer: a
slice that a VLM looks at. step: one decoding step of a batch, as many as answers may be long; what ends earlier is
cheaper. Slices that only the mask knows are counted by the shares in `SHOWN`.
"""

from collections.abc import Mapping
from functools import cache, partial
from math import ceil
from typing import Any

import pandas as pd

from glioma.cohort import folds as splits
from glioma.config import settings
from glioma.geometry.slices import AXIS
from glioma.planning.jobs import Job

# Share of slices that show tumour, measured on the crops of the 40 phantoms of the demo; BraTS's own are unknown here.
SHOWN = {"brain": 0.47, "tumour": 0.74}
# A step of training is about one pass forward and two backward.
PASSES = 3


class Study:
    """A configuration and its patients, asked what the jobs of its graph hold.

    `patients` has patient, subject, grade: they are split as the rule `folds` will split them.
    """

    def __init__(self, config: Mapping[str, Any], patients: pd.DataFrame) -> None:
        self.config = dict(config)
        self.folds = splits.make(patients, config["folds"]["test_fraction"], config["folds"]["count"], config["seed"])
        self.shape = tuple(config["crops"]["shape"])
        self.cost_of_a_pass = cache(self._tflop)

    def units(self, job: Job) -> dict[str, float]:
        """How many of each unit a job holds."""
        if job.rule in _ALONE:
            return {"job": 1.0}
        own = _BY_RULE.get(job.rule)
        return {"job": 1.0} | (own(self, job.wildcards) if own else {"patient": float(len(self.folds))})

    def model(self, job: Job) -> str:
        """ "embedded" or "other": what kind of VLM the job loads; "" for none."""
        entries = {"respond": self.config["runs"], "finetune": self.config["adapters"]}.get(job.rule)
        if entries is None:
            return ""
        entry = entries[job.wildcards["run" if job.rule == "respond" else "adapter"]]
        kind = settings.origin(self.config["models"][entry["model"]])
        return kind if kind == "embedded" else "other"

    def answers(self, run: str, part: str) -> int:
        """Slices that a run asks about in a part of the patients."""
        entry = self.config["runs"][run]
        if entry["repeats"]:
            return 2 * entry["repeats"] * len(entry["orientations"])
        test = self.folds["split"] == "test"
        chosen = test if part == "test" else ~test
        if part.startswith("fold"):
            chosen = self.folds["fold"] == int(part.removeprefix("fold"))
        return int(chosen.sum()) * self._slices(entry, settings.crops_of(self.config, entry))

    def _slices(self, entry: Mapping[str, Any], crops: str) -> int:
        """Slices of one patient, over all orientations."""
        share = 1.0 if entry.get("selection", "tumour") == "all" else SHOWN[crops]
        every = entry.get("every", 1)
        return sum(ceil(self.shape[AXIS[name]] * share / every) for name in entry.get("orientations", ["axial"]))

    def _respond(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        entry = self.config["runs"][wildcards["run"]]
        answers = self.answers(wildcards["run"], wildcards["part"]) / entry["shards"]
        decoding = entry["generation"]
        return {"answer": answers, "step": ceil(answers / decoding["batch_size"]) * float(decoding["max_new_tokens"])}

    def _conversations(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        return {"row": self._rows(wildcards["adapter"]) * len(self.folds)}

    def _rows(self, adapter: str) -> float:
        """Conversations of one patient."""
        entry = self.config["adapters"][adapter]
        asked = entry["conversations"]
        rows = self._slices(asked, settings.crops_of(self.config, entry)) / (1 - asked.get("no_glioma_slices", 0))
        return min(rows, asked.get("limit") or rows)

    def _finetune(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        training = self.config["adapters"][wildcards["adapter"]]["training"]
        batch = training["batch_size"] * training["accumulation"]
        steps = training["steps"]
        if steps is None:
            training_patients = len(splits.split(self.folds, int(wildcards["fold"]))["train"])
            steps = ceil(self._rows(wildcards["adapter"]) * training_patients / batch) * training["epochs"]
        # Before the first step, then every so often.
        evaluations = 1 + steps // training["evaluate_every"] if training["evaluate_every"] else 0
        samples = steps * batch + evaluations * training["validation_rows"] / PASSES
        answers = evaluations * training["generation_rows"] if training["select_by"] == "generation" else 0
        return {"sample": float(samples), "answer": float(answers)}

    def _train_cnn(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        from glioma.cnn.recipe import Recipe

        recipe = Recipe.read(settings.network_entry(self.config, wildcards["network"]))
        trained = splits.split(self.folds, int(wildcards["fold"]))["train"]
        grades = self.folds.set_index("patient").loc[trained, "grade"].value_counts()
        patients = len(grades) * grades.max() if recipe.oversample and recipe.task == "classification" else grades.sum()
        seen = float(patients) * recipe.epochs * len(recipe.learning_rates)
        return {"TFLOP": PASSES * seen * self._per_patient(wildcards["network"])}

    def _predict(self, wildcards: Mapping[str, str], key: str) -> dict[str, float]:
        # Masks of development patients are predicted by every fold, for the scores of those that a network has seen.
        passes = self.config["folds"]["count"] if key == "segmenter" else 1
        patients = float(len(self.folds))
        return {"TFLOP": passes * patients * self._per_patient(wildcards[key]), "patient": patients}

    def _one_patient(self, wildcards: Mapping[str, str]) -> dict[str, float]:
        return {"patient": 1.0}

    def _per_patient(self, network: str) -> float:
        """TFLOP of one pass forward over a patient: its crop, or its slices."""
        entry = settings.network_entry(self.config, network)
        each = self.cost_of_a_pass(network)
        if not entry["architecture"].startswith("slice:"):
            return each
        asked = {"selection": entry.get("slices", "all"), "every": entry.get("every", 1)}
        return each * self._slices(asked, settings.crops_of(self.config, self.config["networks"][network]))

    def _tflop(self, network: str) -> float:
        """TFLOP of one pass forward, counted by PyTorch on a network without data."""
        # Only here: a plan without networks needs no PyTorch.
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        from glioma.cnn import networks
        from glioma.cnn.recipe import Recipe

        recipe = Recipe.read(settings.network_entry(self.config, network))
        shape = recipe.shape(self.shape)
        with torch.device("meta"), torch.no_grad():
            built = networks.build(recipe, shape).eval()
            counter = FlopCounterMode(display=False)
            with counter:
                built(torch.empty((1, len(recipe.channels), *shape)))
        return counter.get_total_flops() / 1e12


_BY_RULE = {
    "respond": Study._respond,
    "conversations": Study._conversations,
    "finetune": Study._finetune,
    "train_cnn": Study._train_cnn,
    "predict_cnn_grade": partial(Study._predict, key="classifier"),
    "predict_cnn_mask": partial(Study._predict, key="segmenter"),
    "predict_cnn_slices": partial(Study._predict, key="slicer"),
    "phantom_patient": Study._one_patient,
    "crop": Study._one_patient,
}
"""What the jobs of a rule hold besides themselves; other rules hold all patients."""
_ALONE = {"phantom_template", "phantom_mapping", "tiny_vlm", "fetch_model", "folds", "compare", "summary"}
