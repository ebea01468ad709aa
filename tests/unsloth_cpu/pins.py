"""The packages of workflow/envs/unsloth.yaml for a machine without a GPU, a line each.

torch is the CPU build of the main environment; what is built for one release of it with CUDA is left out.
"""

from pathlib import Path

import yaml

CUDA = ("torch", "torchvision", "triton", "xformers")
ROOT = Path(__file__).resolve().parents[2]

(listed,) = (
    entry["pip"]
    for entry in yaml.safe_load((ROOT / "workflow/envs/unsloth.yaml").read_text())["dependencies"]
    if isinstance(entry, dict)
)
(torch,) = (line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
print("\n".join([torch, "pytest", *(pin for pin in listed if pin.split("==")[0] not in CUDA)]))
