"""Train one network on one fold."""

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file
from torch.utils.data import Dataset, Subset
from tqdm import tqdm

from glioma.base import seeds
from glioma.base.errors import UserError
from glioma.base.files import atomic_path, write_csv
from glioma.cnn import device as devices
from glioma.cnn import losses, networks
from glioma.cnn import validation as validations
from glioma.cnn.data import Samples, augment_batch, epoch_order, labelled, ready
from glioma.cnn.recipe import Recipe, training_entry

OPTIMISERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
# Of the state's content: a state of another version is not taken up.
STATE = 2


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
    checkpoint_seconds: float = 60.0,
    code: str = "",
) -> None:
    """Write `weights.safetensors` (of the epoch kept) and `history.csv` (a row an epoch) to `out_folder`.

    entry: the network's configuration, see `recipe.Recipe`. grades: patient -> "LGG"/"HGG".
    seed: of weights, order and augmentation; folds may share it. workers: processes that read crops.

    The history has the columns learning_rate, epoch, train_loss, validation_loss, validation_auc or validation_dice,
    seconds, and kept: true for the one row whose weights these are. In a sweep the rates follow one another, so the
    table also says what validation scored at each.

    `state.pt` in `out_folder` holds an unfinished training, saved every `checkpoint_seconds` (0: every epoch). A run
    that was killed goes on from there and, on a CPU, ends with the very weights of an uninterrupted run: every random
    number depends on seed and epoch alone. A state of other settings, patients, crops or `code` (a digest) is ignored.
    The state is removed when the training is complete.

    With `keep: best` the epoch (and of a sweep the rate) is chosen on the patients whose out-of-fold predictions are
    later scored, as published; with one number chosen among tens of epochs the optimism is small but not nil, and only
    the test set is free of it. With `keep: last` the final epoch is kept: validation is reported and chooses nothing.
    """
    recipe = Recipe.read(entry)
    grades = dict(grades)  # a pandas Series, too, which iterates over its values
    _check_patients(patients_train, patients_validation, grades)
    run = Run(recipe, crop_shape, seed, devices.choose(), workers)
    start = time.monotonic()
    training, validation = (
        labelled(recipe, patients, crops_folder, [grades[patient] for patient in patients])
        for patients in (patients_train, patients_validation)
    )
    if not len(training) or not len(validation):
        raise UserError(f"{recipe.architecture}: no slice to train or validate on; change `slices` or lower `every`")
    unit = "slices" if recipe.kind == "slices" else "patients"
    print(
        f"{recipe.architecture}: {networks.count_parameters(run.network):,} weights, "
        f"input {len(recipe.channels)} x {recipe.shape(crop_shape)}, "
        f"{len(training)} training and {len(validation)} validation {unit}, read in {time.monotonic() - start:.1f} s"
    )

    out_folder = Path(out_folder)
    out_folder.mkdir(parents=True, exist_ok=True)
    state_file = out_folder / "state.pt"
    ages = [(Path(crops_folder) / f"{patient}.npy").stat().st_mtime_ns for patient in patients_train]
    cohorts = patients_train, patients_validation, [grades[patient] for patient in patients_train]
    identity = _identity(STATE, training_entry(entry), *cohorts, ages, seed, crop_shape, code)
    run.resume(state_file, identity)
    saved = time.monotonic()
    positive = {patient: grade == "HGG" for patient, grade in grades.items()}
    remaining = recipe.epochs * len(recipe.learning_rates)
    # Few lines: the log is a file.
    with tqdm(total=remaining, initial=run.step, mininterval=2, ascii=True, unit="epoch") as progress:
        while run.step < remaining:
            row = run.one_epoch(training, validation, positive)
            progress.set_postfix({key: f"{row[key]:.3g}" for key in ("train_loss", "validation_loss")}, refresh=False)
            progress.update(run.step - progress.n)
            if time.monotonic() - saved >= checkpoint_seconds and run.step < remaining:
                run.save(state_file, identity)
                saved = time.monotonic()

    row = run.write(out_folder, state_file)
    print(f"kept epoch {row['epoch']} at learning rate {row['learning_rate']:g}, {time.monotonic() - start:.1f} s")


class Run:
    """A training in progress: network, optimiser, the weights to keep so far, and history.

    A sweep is one sequence of steps: step s is epoch s % epochs of learning rate s // epochs. At each epoch 0 network
    and optimiser begin anew, from the same weights for every rate; the best so far goes on over all of them.
    """

    def __init__(
        self, recipe: Recipe, crop_shape: tuple[int, int, int], seed: int, device: torch.device, workers: int = 0
    ) -> None:
        self.recipe, self.seed, self.device, self.workers = recipe, seed, device, workers
        self.shape = recipe.shape(crop_shape)
        self.loss = losses.BY_NAME[recipe.loss]
        self.step = 0
        self.history: list[dict[str, float]] = []
        self.kept: dict[str, Any] = {}
        self._begin(recipe.learning_rates[0])

    def _begin(self, learning_rate: float) -> None:
        torch.manual_seed(seeds.integer(self.seed, "weights"))
        self.network = devices.place(networks.build(self.recipe, self.shape), self.device)
        self.optimiser = OPTIMISERS[self.recipe.optimiser](
            self.network.parameters(), lr=learning_rate, weight_decay=self.recipe.weight_decay
        )

    def one_epoch(self, training: Samples, validation: Samples, positive: Mapping[str, bool]) -> dict[str, float]:
        """Train and validate for one epoch, note the result, and move on; returns the row of the history.

        positive: patient -> whether HGG.
        """
        recipe, start = self.recipe, time.monotonic()
        sweep, epoch = divmod(self.step, recipe.epochs)
        rate = recipe.learning_rates[sweep]
        if epoch == 0 and sweep > 0:
            self._begin(rate)
        order = epoch_order(training.labels, recipe.oversample, self.seed, epoch)  # type: ignore[arg-type]
        # For dropout; order and augmentation have generators of their own.
        torch.manual_seed(seeds.integer(self.seed, "epoch", epoch))
        train_loss = self._fit(Subset(training, order.tolist()), epoch)
        loss, metric = self.validate(validation, positive)
        if not math.isfinite(train_loss) or not math.isfinite(loss):
            print(f"loss is not finite in epoch {epoch} at learning rate {rate:g}")
        row = {
            "learning_rate": rate,
            "epoch": epoch,
            "train_loss": train_loss,
            "validation_loss": loss,
            validations.METRICS[recipe.kind]: metric,
            "seconds": round(time.monotonic() - start, 3),
        }
        self.history.append(row)
        if recipe.keep == "best" or epoch == recipe.epochs - 1:
            self._keep_if_better(row)
        self.step += 1
        keys = [self._key(row) for row in self.history if row["learning_rate"] == rate]
        if recipe.patience and len(keys) - 1 - keys.index(max(keys)) >= recipe.patience:
            print(f"no better epoch in {recipe.patience}: learning rate {rate:g} ends at epoch {epoch}")
            self.step = (sweep + 1) * recipe.epochs
        return row

    def _fit(self, samples: Dataset, epoch: int) -> float:
        """One pass over the training samples in their order; the mean loss a sample."""
        recipe, size = self.recipe, self.recipe.at_once
        self.network.train()
        total, count = 0.0, 0
        for batch in devices.loader(samples, recipe.batch_size, self.device, self.workers):
            self.optimiser.zero_grad(set_to_none=True)
            in_batch = 0
            try:
                for images, targets in zip(*(part.split(size) for part in batch), strict=True):
                    images, targets = ready(images, targets, recipe.normalisation, self.device)
                    place = count + in_batch
                    images, targets = augment_batch(images, targets, recipe.augmentation, self.seed, epoch, place)
                    with devices.autocast(self.device):
                        output = self.network(devices.arrange(images))
                    loss = self.loss(output.float(), targets)
                    # Losses are means over samples, so the parts of a batch weigh by their size.
                    (loss * (len(images) / len(batch[0]))).backward()
                    total += float(loss.detach()) * len(images)
                    in_batch += len(images)
            except torch.OutOfMemoryError:
                raise UserError(
                    f"out of GPU memory with {size} samples at once; set the network's `micro_batch` lower, "
                    "which changes nothing else unless it has batch normalisation"
                ) from None
            self.optimiser.step()
            count += in_batch
        return total / count

    @torch.inference_mode()
    def validate(self, samples: Samples, positive: Mapping[str, bool]) -> tuple[float, float]:
        """Mean loss a sample, and the kind's metric: AUC of patients, or mean Dice on the network's grid."""
        self.network.eval()
        kind, total, scores = self.recipe.kind, 0.0, []
        for images, targets in devices.loader(samples, self.recipe.at_once, self.device, self.workers):
            images, targets = ready(images, targets, self.recipe.normalisation, self.device)
            output = self.network(devices.arrange(images)).float()
            total += float(self.loss(output, targets)) * len(images)
            scores += validations.scores(kind, output, targets)
        return total / len(samples), validations.metric(kind, scores, samples.patients, positive)  # type: ignore[arg-type]

    def _key(self, row: Mapping[str, float]) -> tuple[float, float]:
        """How good an epoch is, larger being better.

        A metric undefined on this fold (one grade only) leaves the choice to the loss, which also settles ties.
        """
        loss = row["validation_loss"] if math.isfinite(row["validation_loss"]) else math.inf
        metric = row[validations.METRICS[self.recipe.kind]]
        return (-loss if self.recipe.select_by == "loss" or math.isnan(metric) else metric), -loss

    def _keep_if_better(self, row: Mapping[str, float]) -> None:
        """Hold on to the weights of the newest row of the history, if it is the best of those that may be kept."""
        if self.kept and self._key(row) <= tuple(self.kept["key"]):
            return
        # safetensors wants plain row-major tensors; a copy, because training goes on in place.
        weights = {
            name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, value in self.network.state_dict().items()
        }
        self.kept = {"key": self._key(row), "weights": weights, "row": len(self.history) - 1}

    def write(self, out_folder: Path, state_file: Path) -> dict[str, float]:
        """The weights kept and the history of a complete training, whose state goes; the row of those weights."""
        kept, recipe = self.kept, self.recipe
        if not math.isfinite(kept["key"][1]):
            state_file.unlink(missing_ok=True)
            raise UserError(
                f"{recipe.architecture}: the {'last epoch' if recipe.keep == 'last' else 'training'} has no finite "
                "validation loss; lower the `learning_rate`"
            )
        row = self.history[kept["row"]]
        with atomic_path(out_folder / "weights.safetensors") as temporary:
            # One key, because the order of several is not defined; no time, because equal trainings have equal bytes.
            note = json.dumps({"epoch": row["epoch"], "learning_rate": row["learning_rate"]})
            save_file(kept["weights"], temporary, {"training": note})
        history = pd.DataFrame(self.history)
        write_csv(history.assign(kept=history.index == kept["row"]), out_folder / "history.csv")
        state_file.unlink(missing_ok=True)
        return row

    def save(self, path: Path, identity: str) -> None:
        state = {
            "identity": identity,
            "step": self.step,
            "history": self.history,
            "kept": self.kept,
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
            # To the CPU: the weights kept stay there, and network and optimiser copy theirs to the device.
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file fails in many ways, and all mean: start anew
            print(f"{path} cannot be read ({type(error).__name__}): starting anew")
            return
        if state.get("identity") != identity:
            print(f"{path} is of other settings, patients or crops: starting anew")
            return
        self.step, self.history, self.kept = state["step"], state["history"], state["kept"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        print(f"resumed after {self.step} epochs")


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
