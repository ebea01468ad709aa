"""Does Unsloth answer as transformers does? Its own code, made to run without a GPU, on a finished demo.

    python benchmarks/unsloth_on_a_cpu.py results/demo

in an environment with the packages of workflow/envs/unsloth.yaml (any build of torch). Unsloth asks CUDA for
properties of the device when it is imported and when it loads a model; here fixed values answer, weights are float32 on
the CPU, and nothing is compiled. So its loading, its patches and its inference mode are tried; its kernels and 4-bit
weights are not.
Prints for the model off the shelf and with an adapter: answers that are equal, and the largest difference of a
log-probability of a grade.
"""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUIET = {
    **dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "UNSLOTH_ALLOW_CPU", "UNSLOTH_COMPILE_DISABLE"), "1"),
    **dict.fromkeys(("TORCHDYNAMO_DISABLE", "UNSLOTH_DISABLE_STATISTICS"), "1"),
}


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


def answers(backend: str, results: Path, adapter: str) -> dict:
    """Greedy grades, drawn boxes and log-probabilities of the grades of some slices."""
    if backend == "unsloth":
        without_cuda()
    import numpy as np
    import torch
    from PIL import Image

    from glioma.vlm import backends, prompts
    from glioma.vlm.backends import Decoding, Prompt

    torch.set_num_threads(1)
    (model,) = (results / "models").iterdir()
    base = {"name": model.name, "path": str(model), "quantisation": "none", "backend": backend}
    made = backends.build(base, results / "adapters" / adapter / "fold0" if adapter else None)
    made.load()
    crop = np.load(next(results.parent.glob("cohorts/*/crops-*/brain/phantom-001.npy")))[0]
    images = [Image.fromarray(crop[index]).convert("RGB") for index in range(10, 90, 5)]
    names = [str(number) for number in range(len(images))]
    grade, box = (Prompt(prompts.read(ROOT / f"config/prompts/{name}.txt")) for name in ("classify", "bounding_box"))
    return {
        "greedy": [each.text for each in made.answer(grade, images, names, Decoding(32))],
        "drawn": [each.text for each in made.answer(box, images, names, Decoding(64, temperature=1.0, seed=3))],
        "logprobs": made.logprobs(grade, images, "Choice: ", ("0", "1", "2")).tolist(),
    }


def main(results: str) -> None:
    for adapter in ("", "classification"):
        found = {}
        for backend in ("transformers", "unsloth"):
            command = [sys.executable, __file__, backend, results, adapter]
            done = subprocess.run(command, env=os.environ | QUIET, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            found[backend] = json.loads(done.stdout.splitlines()[-1])
        one, other = found.values()
        equal = {
            name: f"{sum(map(str.__eq__, one[name], other[name]))} of {len(one[name])}" for name in ("greedy", "drawn")
        }
        pairs = zip(sum(one["logprobs"], []), sum(other["logprobs"], []), strict=True)
        print(adapter or "off the shelf", equal, "largest difference", max(abs(a - b) for a, b in pairs))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        print(json.dumps(answers(sys.argv[1], Path(sys.argv[2]), sys.argv[3])))
