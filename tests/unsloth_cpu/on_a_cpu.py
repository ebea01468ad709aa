"""Unsloth's own code where there is no GPU: one process a command, because it patches what it is imported beside.

    python tests/unsloth_cpu/on_a_cpu.py <settings.json>

Unsloth asks CUDA for properties of the device when it is imported and when it loads a model; here fixed values answer,
weights are float32 on the CPU, and nothing is compiled. Two losses that it and TRL have as Triton kernels only are
replaced by PyTorch's. So its loading, its patches, its LoRA, its training and its inference mode are tried; its
kernels, its gradient checkpointing and 4-bit weights are not. The last line printed is the result, as JSON.
"""

import json
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def without_cuda() -> None:
    """Let Unsloth be imported and load models where there is no GPU."""
    import torch

    properties = types.SimpleNamespace(
        name="none", total_memory=2**36, major=9, minor=0, multi_processor_count=1, warp_size=32, gcnArchName="",
        max_threads_per_multi_processor=2048, regs_per_multiprocessor=65536,
    )  # fmt: skip
    answers = {
        "get_device_properties": properties, "get_device_capability": (9, 0), "get_device_name": "none",
        "current_device": 0, "mem_get_info": (2**35, 2**36), "synchronize": None,
    }  # fmt: skip
    for name, value in answers.items():
        setattr(torch.cuda, name, lambda *_, value=value, **__: value)
    from glioma.vlm import unsloth_backend

    unsloth_backend.available = lambda: True
    unsloth_backend.prepare()
    from unsloth import FastVisionModel

    load = FastVisionModel.from_pretrained
    FastVisionModel.from_pretrained = staticmethod(
        lambda *given, **keys: load(*given, **keys | {"device_map": "cpu", "dtype": torch.float32})
    )


def without_triton() -> None:
    """The two losses that there are as Triton kernels only."""
    import torch
    import trl.trainer.utils

    def entropy_loss(logits, labels, *_, n_items=None, **__):
        flat, wanted = logits.float().view(-1, logits.shape[-1]), labels.view(-1)
        loss = torch.nn.functional.cross_entropy(flat, wanted, reduction="sum")
        return loss / ((wanted != -100).sum() if n_items is None else n_items)

    class LogProb:
        """TRL's log-probabilities of target tokens, their entropies, and whether they are the likeliest."""

        @staticmethod
        def apply(hidden, weight, bias, targets, temperature, chunk, softcap, scale, outputs):
            logits = (hidden.float() @ weight.float().t() + (0 if bias is None else bias)) * scale
            logp = (logits / temperature).log_softmax(-1)
            own, entropy = logp.gather(1, targets[:, None])[:, 0], -(logp.exp() * logp).sum(-1)
            return own, entropy, None, None, logp.argmax(-1) == targets

    trl.trainer.utils._ChunkedLogProbFunction = LogProb
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith(("unsloth", "trl")):
            for name in ("fast_cross_entropy_loss", "_fast_cross_entropy_loss"):
                if name in vars(module):
                    setattr(module, name, entropy_loss)
            for name in ("_ChunkedLogProbFunction", "ChunkedLogProbFunction"):
                if name in vars(module):
                    setattr(module, name, LogProb)


def train(base: dict, files: list[str], out: str, settings: dict) -> dict:
    """Fine-tune by Unsloth; the learning curve."""
    without_cuda()
    from glioma.vlm import finetune

    without_triton()
    parsing = {"task": "classification", "side": 64, "coordinates": {"order": "row_col", "scale": "128"}}
    curve = finetune.finetune(base, *files, out, settings | {"backend": "unsloth"}, 5, parsing)
    return {"eval_loss": curve["eval_loss"].tolist(), "generation": curve["generation"].tolist()}


def answer(base: dict, adapter: str | None, crops: str, prompt: str) -> dict:
    """Greedy and drawn answers about some slices, and log-probabilities of the grades."""
    if base.get("backend") == "unsloth":
        without_cuda()
    import torch

    from glioma.vlm import backends
    from glioma.vlm.backends import Choices, Decoding, Prompt
    from glioma.vlm.images import Crops
    from glioma.vlm.requests import slices_of

    torch.set_num_threads(1)
    made = backends.build(base, adapter)
    made.load()
    asked = slices_of(["gli-d", "gli-e"], crops, every=4)
    shown, names = Crops(crops).pictures(asked, 64, "square"), [request.name for request in asked]
    words, choices = Prompt(prompt), Choices("Choice: ", ("0", "1", "2"))
    drawn = made.answer(words, shown, names, Decoding(16, temperature=1.0, seed=3))
    greedy = made.answer(words, shown, names, Decoding(16, choices=choices))
    texts = {"greedy": [each.text for each in greedy], "drawn": [each.text for each in drawn]}
    return texts | {"logprobs": made.logprobs(words, shown, choices).tolist()}


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "workflow" / "scripts")]
    told = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps({"train": train, "answer": answer}[told.pop("command")](**told)))
