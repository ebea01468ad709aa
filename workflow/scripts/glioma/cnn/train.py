"""Train one network on one fold."""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from glioma import seeds
from glioma.cnn import device as devices
from glioma.cnn import losses, networks
from glioma.cnn.data import Epoch, Patients, epoch_order
from glioma.cnn.recipe import Recipe
from glioma.errors import UserError
from glioma.files import atomic_path, write_csv

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
METRICS = {"classification": "validation_auc", "segmentation": "validation_dice"}
# Keys that change no weights. `threshold` is for predictions; validation Dice is taken at VALIDATION_THRESHOLD.
NOT_TRAINED = ("threshold", "checkpoint_seconds")
VALIDATION_THRESHOLD = 0.5


def train(
    entry: Mapping[str, Any],
    patients_train: Sequence[str],
    patients_validation: Sequence[str],
    grades: Mapping[str, str] | pd.Series,
    crops_folder: str | Path,
    out_folder: str | Path,
    seed: int,
    crop_shape: tuple[int, int, int] = (95, 128, 128),
    workers: int = 0,
) -> None:
    """Write `weights.safetensors` (the best epoch by validation) and `history.csv` to `out_folder`.

    entry: the network's configuration, see `recipe.Recipe`. grades: patient -> "LGG"/"HGG".
    seed: of weights, order and augmentation; folds may share it. workers: processes that read crops.

    `state.pt` in `out_folder` holds an unfinished training. A run that was killed goes on from there and, on a CPU,
    ends with the very weights of an uninterrupted run: every random number depends on seed and epoch alone. A state of
    other settings, patients or crops is ignored. The state is removed when the training is complete.

    The best epoch is chosen on the patients whose out-of-fold predictions are later scored, as published; with one
    number chosen among tens of epochs the optimism is small but not nil. Only the test set is free of it.
    """
    recipe = Recipe.read(entry)
    grades = dict(grades)  # a pandas Series, too, which iterates over its values
    _check_patients(patients_train, patients_validation, grades)
    run = Run(recipe, crop_shape, seed, devices.choose(), workers)
    start = time.monotonic()
    training = _patients(recipe, patients_train, grades, crops_folder)
    validation = _patients(recipe, patients_validation, grades, crops_folder)
    train_grades = [grades[patient] for patient in patients_train]
    print(
        f"{recipe.architecture}: {networks.count_parameters(run.network):,} weights, "
        f"input {len(recipe.channels)} x {recipe.shape(crop_shape)}, "
        f"{len(training)} training and {len(validation)} validation patients, read in {time.monotonic() - start:.1f} s"
    )

    out_folder = Path(out_folder)
    out_folder.mkdir(parents=True, exist_ok=True)
    state_file = out_folder / "state.pt"
    trained = {key: value for key, value in entry.items() if key not in NOT_TRAINED}
    ages = [(Path(crops_folder) / f"{patient}.npy").stat().st_mtime_ns for patient in patients_train]
    identity = _identity(trained, patients_train, patients_validation, train_grades, ages, seed, crop_shape)
    run.resume(state_file, identity)
    saved = time.monotonic()
    remaining = recipe.epochs * len(recipe.learning_rates)
    # Few lines: the log is a file.
    with tqdm(total=remaining, initial=run.step, mininterval=2, ascii=True, unit="epoch") as progress:
        while run.step < remaining:
            row = run.one_epoch(training, validation, train_grades)
            progress.set_postfix({key: f"{row[key]:.3g}" for key in ("train_loss", "validation_loss")}, refresh=False)
            progress.update(run.step - progress.n)
            if time.monotonic() - saved >= recipe.checkpoint_seconds and run.step < remaining:
                run.save(state_file, identity)
                saved = time.monotonic()

    best = run.best
    if not math.isfinite(best["key"][1]):
        state_file.unlink(missing_ok=True)
        raise UserError(f"{recipe.architecture}: no epoch has a finite validation loss; lower the `learning_rate`")
    with atomic_path(out_folder / "weights.safetensors") as temporary:
        # One key, because the order of several is not defined; no time, because equal trainings have equal bytes.
        note = json.dumps({"epoch": best["epoch"], "learning_rate": best["learning_rate"]})
        save_file(best["weights"], temporary, {"training": note})
    write_csv(pd.DataFrame(run.history), out_folder / "history.csv")
    state_file.unlink(missing_ok=True)
    print(f"best epoch {best['epoch']} at learning rate {best['learning_rate']:g}, {time.monotonic() - start:.1f} s")


class Run:
    """A training in progress: network, optimiser, best weights so far, and history.

    A sweep is one sequence of steps: step s is epoch s % epochs of learning rate s // epochs. At each epoch 0 network
    and optimiser begin anew, from the same weights for every rate; `best` goes on over all of them.
    """

    def __init__(
        self, recipe: Recipe, crop_shape: tuple[int, int, int], seed: int, device: torch.device, workers: int = 0
    ) -> None:
        self.recipe, self.seed, self.device, self.workers = recipe, seed, device, workers
        self.shape = recipe.shape(crop_shape)
        self.loss = losses.BY_NAME[recipe.loss]
        self.micro_batch = recipe.micro_batch or recipe.batch_size
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        self._begin(recipe.learning_rates[0])

    def _begin(self, learning_rate: float) -> None:
        torch.manual_seed(seeds.integer(self.seed, "weights"))
        self.network = networks.build(self.recipe, self.shape).to(self.device, memory_format=torch.channels_last_3d)
        self.optimiser = OPTIMISERS[self.recipe.optimiser](
            self.network.parameters(), lr=learning_rate, weight_decay=self.recipe.weight_decay
        )

    def one_epoch(self, training: Patients, validation: Patients, grades: Sequence[str]) -> dict[str, float]:
        """Train and validate for one epoch, note the result, and move on; returns the row of the history."""
        recipe, start = self.recipe, time.monotonic()
        sweep, epoch = divmod(self.step, recipe.epochs)
        rate = recipe.learning_rates[sweep]
        if epoch == 0 and sweep > 0:
            self._begin(rate)
        order = epoch_order(grades, recipe.oversample, self.seed, epoch)
        dataset = Epoch(training, order, recipe.augmentation, self.seed, epoch)
        # For dropout; order and augmentation have generators of their own.
        torch.manual_seed(seeds.integer(self.seed, "epoch", epoch))
        train_loss = self._fit(DataLoader(dataset, recipe.batch_size, num_workers=self.workers))
        loss, metric = self.validate(validation)
        if not math.isfinite(train_loss) or not math.isfinite(loss):
            print(f"loss is not finite in epoch {epoch} at learning rate {rate:g}")
        row = {
            "learning_rate": rate,
            "epoch": epoch,
            "train_loss": train_loss,
            "validation_loss": loss,
            METRICS[recipe.task]: metric,
            "seconds": round(time.monotonic() - start, 3),
        }
        self.history.append(row)
        self._note_best(row)
        self.step += 1
        keys = [self._key(row) for row in self.history if row["learning_rate"] == rate]
        if recipe.patience and len(keys) - 1 - keys.index(max(keys)) >= recipe.patience:
            print(f"no better epoch in {recipe.patience}: learning rate {rate:g} ends at epoch {epoch}")
            self.step = (sweep + 1) * recipe.epochs
        return row

    def _fit(self, batches: DataLoader) -> float:
        """One pass over the training batches; the mean loss a sample."""
        self.network.train()
        total, count = 0.0, 0
        for images, targets in batches:
            self.optimiser.zero_grad(set_to_none=True)
            try:
                for image, target in zip(images.split(self.micro_batch), targets.split(self.micro_batch), strict=True):
                    with devices.autocast(self.device):
                        output = self._forward(image)
                    loss = self.loss(output.float(), target.to(self.device))
                    # Losses are means over samples, so the parts of a batch weigh by their size.
                    (loss * (len(image) / len(images))).backward()
                    total += float(loss.detach()) * len(image)
            except torch.OutOfMemoryError:
                raise UserError(
                    f"out of GPU memory with {self.micro_batch} samples at once; "
                    "set the network's `micro_batch` lower, which changes nothing else"
                ) from None
            self.optimiser.step()
            count += len(images)
        return total / count

    @torch.inference_mode()
    def validate(self, patients: Patients) -> tuple[float, float]:
        """Mean loss a patient, and the task's metric: AUC, or mean Dice on the network's grid."""
        self.network.eval()
        total, logits, dice = 0.0, [], []
        for images, targets in DataLoader(patients, self.micro_batch, num_workers=self.workers):
            output, targets = self._forward(images), targets.to(self.device)
            total += float(self.loss(output.float(), targets)) * len(images)
            if self.recipe.task == "classification":
                logits.extend(output[:, 0].tolist())
            else:
                dice.extend(_dice(output.sigmoid() > VALIDATION_THRESHOLD, targets > 0.5))
        metric = auc(logits, patients.grades) if logits else float(np.mean(dice))
        return total / len(patients), metric

    def _forward(self, images: Tensor) -> Tensor:
        return self.network(images.to(self.device, memory_format=torch.channels_last_3d))

    def _key(self, row: Mapping[str, float]) -> tuple[float, float]:
        """How good an epoch is, larger being better.

        A metric undefined on this fold (one grade only) leaves the choice to the loss, which also settles ties.
        """
        loss = row["validation_loss"] if math.isfinite(row["validation_loss"]) else math.inf
        metric = row[METRICS[self.recipe.task]]
        return (-loss if self.recipe.select_by == "loss" or math.isnan(metric) else metric), -loss

    def _note_best(self, row: Mapping[str, float]) -> None:
        if self.best and self._key(row) <= tuple(self.best["key"]):
            return
        weights = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        self.best = {
            "key": self._key(row),
            # safetensors wants plain row-major tensors.
            "weights": {name: value.contiguous() for name, value in weights.items()},
            "epoch": row["epoch"],
            "learning_rate": row["learning_rate"],
        }

    def save(self, path: Path, identity: str) -> None:
        state = {
            "identity": identity,
            "step": self.step,
            "history": self.history,
            "best": self.best,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path, identity: str) -> None:
        """Take up the state in `path`, if there is one and it belongs to this training."""
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except Exception as error:  # a damaged file fails in many ways, and all mean: start anew
            print(f"{path} cannot be read ({type(error).__name__}): starting anew")
            return
        if state.get("identity") != identity:
            print(f"{path} is of other settings, patients or crops: starting anew")
            return
        self.step, self.history, self.best = state["step"], state["history"], state["best"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        print(f"resumed after {self.step} epochs")


def auc(scores: Sequence[float], positive: np.ndarray) -> float:
    """Probability that a positive scores above a negative, ties one half (Mann-Whitney U); NaN with one class only."""
    scores, positive = np.asarray(scores), np.asarray(positive) > 0.5
    if positive.all() or not positive.any():
        return math.nan
    return float(np.sign(scores[positive][:, None] - scores[~positive]).mean() / 2 + 0.5)


def _dice(predicted: Tensor, truth: Tensor) -> list[float]:
    """Dice of each sample of two boolean batches; 1 if both are empty."""
    predicted, truth = predicted.flatten(1), truth.flatten(1)
    total = predicted.sum(1) + truth.sum(1)
    overlap = 2 * (predicted & truth).sum(1)
    return torch.where(total > 0, overlap / total.clamp(min=1), 1.0).tolist()


def _patients(recipe: Recipe, patients: Sequence[str], grades: Mapping[str, str], folder: str | Path) -> Patients:
    if recipe.task == "classification":
        return Patients(patients, recipe, folder, grades=[grades[patient] for patient in patients])
    return Patients(patients, recipe, folder, masks=True)


def _check_patients(train: Sequence[str], validation: Sequence[str], grades: Mapping[str, str]) -> None:
    if not train or not validation:
        raise UserError("a fold has no training or no validation patients; lower the number of folds")
    both = sorted(set(train) & set(validation))
    if both:
        raise UserError(f"{both[0]} is in training and validation at once; make the folds again")
    missing = sorted({*train, *validation} - set(grades))
    if missing:
        raise UserError(f"{missing[0]} has no grade; complete the patients table")


def _identity(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
