"""Where a job computes."""

from contextlib import AbstractContextManager, nullcontext

import torch


def choose() -> torch.device:
    """CUDA if present, else one CPU thread; says which.

    One thread, because the workflow runs folds side by side and threads that compete for a core slow each other down.
    """
    if torch.cuda.is_available():
        print(f"device: {torch.cuda.get_device_name()}, bfloat16 autocast in training")
        return torch.device("cuda")
    torch.set_num_threads(1)
    print("device: CPU, one thread, float32")
    return torch.device("cpu")


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 where it is faster. It needs no loss scaling; on a CPU it is slower than float32."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
