"""What a GPU makes of a study's work: `make gpu-check` on a CUDA machine. No weights, data or hub are needed.

    python benchmarks/gpu_check.py [--costs rows.csv] [--depth 1.0] [--tiny]

Models of the shapes of Llama 3.2 11B Vision and Qwen2.5-VL 7B get random weights on the device, with fewer layers where
its memory is short, and go the project's own way: answers one at a time, as transformers' own loop gives them, and in
batches; LoRA steps by plain PEFT and, where it is installed, by Unsloth, in 16 and in 4 bits. The paper's networks and
a U-Net take training steps on crops of the published size. Tokenizers are small, so that prompts have some more tokens
than with the real ones. Prints a table; `--costs` writes the rows of resources/unit_costs.csv that it measured.
`--tiny` takes small models and crops, on any machine: whether it runs, not how fast.
"""

import argparse
import gc
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("workflow/scripts", "tests/unit", "benchmarks")]

import architectures  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

from against.answers import pictures  # noqa: E402
from glioma.cnn import device as devices  # noqa: E402
from glioma.cnn import networks  # noqa: E402
from glioma.cnn.recipe import Recipe  # noqa: E402
from glioma.planning.units import tflop  # noqa: E402
from glioma.vlm import finetune, models, processors, prompts, unsloth_backend  # noqa: E402
from glioma.vlm.backends import Choices, Decoding, Prompt  # noqa: E402
from glioma.vlm.backends.transformers import Transformers  # noqa: E402
from glioma.vlm.collate import Collator  # noqa: E402
from glioma.vlm.settings import Training  # noqa: E402

PROMPT = (ROOT / "config/prompts/classify.txt").read_text(encoding="utf-8").strip()
TOKENS = 20
"""Of an answer: as many as the study's grades have."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a real model: its class (see tests/unit/architectures), its configuration, its picture's side."""

    kind: str
    text: dict
    vision: dict
    side: int
    picture: int | None = None


SHAPES = {
    "Llama 3.2 11B Vision": Shape(
        "mllama",
        {
            "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 40, "num_attention_heads": 32,
            "num_key_value_heads": 8, "vocab_size": 128256, "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38],
        },
        {
            "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_global_layers": 8,
            "attention_heads": 16, "image_size": 560, "patch_size": 14, "vision_output_dim": 7680,
            "intermediate_layers_indices": [3, 7, 15, 23, 30],
        },
        128,
        560,
    ),
    "Qwen2.5-VL 7B": Shape(
        "qwen2_5_vl",
        {
            "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
            "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 152064,
        },
        {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
        448,
    ),
}  # fmt: skip
NETWORKS = {
    "paper:classifier": {"task": "classification", "architecture": "paper:classifier"},
    "paper:segmenter": {"task": "segmentation", "architecture": "paper:segmenter", "multiple": 4},
    "monai:UNet": {
        "task": "segmentation", "architecture": "monai:UNet", "multiple": 16,
        "arguments": {"channels": [32, 64, 128, 256, 320], "strides": [2, 2, 2, 2], "num_res_units": 2},
    },
}  # fmt: skip


@dataclass
class Report:
    """What was measured: a row a figure, and the unit costs among them."""

    card: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    costs: list[tuple[str, str, str, float]] = field(default_factory=list)

    def add(self, what: str, how: str, value: str) -> None:
        self.rows.append((what, how, value))
        print(f"{what}: {how}: {value}", flush=True)

    def table(self) -> str:
        """Markdown."""
        lines = [f"Measured on {self.card}.", "", "| what | how | measured |", "|---|---|---|"]
        return "\n".join(lines + [f"| {' | '.join(row)} |" for row in self.rows])

    def write_costs(self, path: str) -> None:
        """As resources/unit_costs.csv; what a job's start costs, and its bytes, stay with that table."""
        basis = f"measured on {self.card} with random weights (make gpu-check)"
        rows = [(rule, "gpu", model, unit, round(cost, 5), 0, basis) for rule, model, unit, cost in self.costs]
        columns = ["rule", "device", "model", "unit", "seconds", "bytes", "basis"]
        pd.DataFrame(rows, columns=columns).to_csv(path, index=False)


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """The median of some timings, after one that warms up."""
    found = []
    for _ in range(times + 1):
        wait()
        start = time.perf_counter()
        work()
        wait()
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


@contextmanager
def memory() -> Iterator[Callable[[], str]]:
    """What the GPU held at most, in GiB, as text; "" on a CPU."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    yield lambda: f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if torch.cuda.is_available() else ""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def attempt(report: Report, what: str, how: str, measure: Callable[[], str | None]) -> None:
    """A row, or why there is none: one thing that does not run here must not hide the others.

    What adds its rows by itself returns None.
    """
    try:
        if (found := measure()) is not None:
            report.add(what, how, found)
    except Exception as error:
        report.add(what, how, f"failed: {type(error).__name__}, {processors.reason(error)[:120]}")


def peak(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """TFLOP/s of a plain product of two square matrices."""
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: one @ other, 5) / 1e12


def build(shape: Shape, folder: Path, depth: float, tiny: bool) -> int:
    """Write a model with random weights, and its processor, into a folder; return its number of weights."""
    architectures.build(shape.kind, folder)
    if tiny:
        made = transformers.AutoModelForImageTextToText.from_pretrained(folder)
        return sum(each.numel() for each in made.parameters())
    config = configuration(shape, folder, depth)
    processor = transformers.AutoProcessor.from_pretrained(folder)
    if shape.picture:
        processor.image_processor.size = {"height": shape.picture, "width": shape.picture}
    kept = transformers.GenerationConfig.from_pretrained(folder)
    shutil.rmtree(folder)
    torch.manual_seed(0)
    with torch.device(models.device()):
        made = transformers.AutoModelForImageTextToText.from_config(config, dtype=models.precision())
    made.generation_config = kept
    made.save_pretrained(folder)
    processor.save_pretrained(folder)
    return sum(each.numel() for each in made.parameters())


def configuration(shape: Shape, folder: Path, depth: float):
    """The configuration of the tiny model in a folder, at the real one's sizes."""
    config = transformers.AutoConfig.from_pretrained(folder)
    for part, values in ((config.text_config, shape.text), (config.vision_config, shape.vision)):
        for name, value in values.items():
            setattr(part, name, value)
    text = config.text_config
    text.num_hidden_layers = max(1, round(depth * text.num_hidden_layers))
    if crossing := shape.text.get("cross_attention_layers"):
        text.cross_attention_layers = [layer for layer in crossing if layer < text.num_hidden_layers] or [0]
    if getattr(text, "layer_types", None):
        text.layer_types = ["full_attention"] * text.num_hidden_layers
    if shape.kind.startswith("qwen"):
        text.rope_parameters = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
    return config


def answers(report: Report, name: str, base: dict, side: int, batch: int, costs: str = "") -> None:
    """Answers of `TOKENS` tokens: one at a time by transformers alone, and in batches by ours."""
    backend = Transformers(base)
    start = time.perf_counter()
    backend.load()
    report.add(name, "loading", f"{time.perf_counter() - start:.1f} s")
    prompt, shown = Prompt(PROMPT), pictures(batch, side)
    names = [str(number) for number in range(batch)]
    chat = processors.chat(backend.processor, prompt.messages(1), answers=True)

    def alone(**more) -> list[int]:
        inputs = backend.processor(text=[chat], images=[list(shown[0])], add_special_tokens=False, return_tensors="pt")
        inputs = inputs.to(backend.model.device, dtype=backend.model.dtype)
        ends = {"max_new_tokens": TOKENS, "min_new_tokens": TOKENS, "do_sample": False}
        with torch.no_grad():
            return backend.model.generate(**inputs, **ends, **more)[0, inputs["input_ids"].shape[1] :].tolist()

    def together(tokens: int, choices: Choices | None = None) -> list:
        backend.features = {}  # as for slices that were not seen before
        found = backend.answer(prompt, shown, names, Decoding(tokens, choices=choices))
        return [found, choices and backend.logprobs(prompt, shown, choices)]

    with memory() as held:
        one = seconds(alone)
        report.add(name, "one at a time, transformers' own loop", f"{1 / one:.2f} answers/s{held()}")
    attempt(
        report, name, "one at a time, static cache, compiled",
        lambda: f"{1 / seconds(lambda: alone(cache_implementation='static')):.2f} answers/s",
    )  # fmt: skip
    with memory() as held:
        whole, first = seconds(lambda: together(TOKENS)), seconds(lambda: together(1))
        report.add(name, f"batches of {batch}", f"{batch / whole:.2f} answers/s, {batch * one / whole:.1f} x{held()}")
    step = max(0.0, (whole - first) / (TOKENS - 1))
    report.add(name, f"batches of {batch}", f"{first / batch:.4f} s an image and prompt, {step:.4f} s a decoding step")
    choices = Choices("Choice: ", ("0", "1", "2"))
    scored = seconds(lambda: together(TOKENS, choices))
    report.add(name, "with probabilities of choices", f"{batch / scored:.2f} answers/s, {whole / scored:.2f} x")
    if costs:
        report.costs += [("respond", costs, "answer", first / batch), ("respond", costs, "step", step)]


def steps(report: Report, name: str, base: dict, side: int, batch: int, how: str, costs: str = "") -> None:
    """LoRA steps on conversations, forward, backward and AdamW, with gradient checkpointing."""
    settings = Training(batch_size=batch, gradient_checkpointing=True)
    unsloth = how.startswith("Unsloth")
    model, processor = (unsloth_backend.load if unsloth else finetune.load)(base, settings, 0)
    if not unsloth:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for number, (image,) in enumerate(pictures(batch, side)):
            image.save(path := f"{folder}/{number}.png")
            rows.append({"messages": prompts.messages(PROMPT, "Choice: 1"), "images": [path]})
        ends = models.end_tokens(model.generation_config, processor)
        inputs = Collator(processor, rows, "answer", ends)([{"row": number} for number in range(batch)])
    inputs = {
        key: value.to(model.device, models.precision(base) if value.is_floating_point() else value.dtype)
        for key, value in inputs.items()
    }
    optimiser = torch.optim.AdamW((each for each in model.parameters() if each.requires_grad), lr=1e-4)

    def one() -> None:
        model(**inputs).loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    with memory() as held:
        took = seconds(one)
        report.add(name, f"LoRA step of {batch}, {how}", f"{took / batch:.3f} s a conversation{held()}")
    if costs:
        report.costs.append(("finetune", costs, "sample", took / batch))


def convolutions(report: Report, shape: tuple[int, int, int], batch: int, most: float, ways: Sequence[str]) -> None:
    """Training steps of the CNNs, in each of the ways: float32, bfloat16, compiled."""
    for name, entry in NETWORKS.items():
        for how in ways:
            measure = partial(_steps, report, Recipe.read(entry), shape, batch, how, most)
            attempt(report, name, f"training step, {how}", measure)


def _steps(report: Report, recipe: Recipe, shape: tuple[int, ...], batch: int, how: str, most: float) -> str:
    device = devices.choose()
    torch.manual_seed(0)
    network = devices.place(networks.build(recipe, shape).train(), device)
    run = torch.compile(network) if "compiled" in how else network
    images = devices.arrange(torch.randn(batch, len(recipe.channels), *shape, device=device))
    optimiser = torch.optim.AdamW(network.parameters())

    def one() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled="bfloat16" in how):
            output = run(images)
        output.float().square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()

    with memory() as held:
        took, work = seconds(one), sum(tflop(recipe, shape)) * batch
        if how == "bfloat16" and recipe.architecture == "monai:UNet":
            report.costs.append(("train_cnn", "", "TFLOP", took / work))
        return f"{batch / took:.2f} crops/s, {work / took:.1f} TFLOP/s ({100 * work / took / most:.0f} %){held()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--costs", help="write the rows of resources/unit_costs.csv that were measured here")
    parser.add_argument("--depth", type=float, default=1.0, help="share of the language model's layers")
    parser.add_argument("--tiny", action="store_true", help="small models and crops, on any machine")
    told = parser.parse_args()
    cuda = torch.cuda.is_available()
    if not cuda and not told.tiny:
        sys.exit("Error: no CUDA device; run it where there is one, or with --tiny to see whether it runs")
    device = models.device()
    report = Report(torch.cuda.get_device_name() if cuda else "a CPU, tiny models: no figures to quote")
    most = peak(device, models.precision(), 512 if told.tiny else 8192)
    report.add("matrix product", str(models.precision()).removeprefix("torch."), f"{most:.1f} TFLOP/s")
    batch = 4 if told.tiny else 16
    for name, shape in SHAPES.items():
        side = 64 if told.tiny else shape.side
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "model"
            weights = build(shape, place, depth_of(shape, told.depth), told.tiny)
            report.add(name, "random weights", f"{weights / 1e6:,.1f} million")
            base = {"name": name, "path": str(place), "quantisation": "none"}
            costs = "other" if shape.kind == "mllama" and told.depth == 1 and not told.tiny else ""
            attempt(report, name, "answers", partial(answers, report, name, base, side, batch, costs))
            ways = {"plain PEFT": base}
            if find_spec("bitsandbytes") and cuda:
                ways["plain PEFT, 4 bit"] = base | {"quantisation": "4bit"}
            if unsloth_backend.available():
                ways |= {"Unsloth": base, "Unsloth, 4 bit": base | {"quantisation": "4bit"}}
            for how, entry in ways.items():
                own = costs if how == "plain PEFT, 4 bit" else ""
                attempt(report, name, how, partial(steps, report, name, entry, side, 4, how, own))
    crop, batch = ((16, 32, 32), 2) if told.tiny else ((95, 128, 128), 8)
    convolutions(
        report, crop, batch, most, ("bfloat16",) if told.tiny else ("float32", "bfloat16", "bfloat16, compiled")
    )
    print(f"\n{report.table()}")
    if told.costs:
        report.write_costs(told.costs)


def depth_of(shape: Shape, wanted: float) -> float:
    """The share of layers that fits: weights in 16 bits, and as much again for what is computed."""
    if not torch.cuda.is_available():
        return wanted
    free = torch.cuda.mem_get_info()[0]
    needed = 2 * 2 * (11e9 if shape.kind == "mllama" else 8.3e9)
    return min(wanted, max(0.1, free / needed))


if __name__ == "__main__":
    main()
