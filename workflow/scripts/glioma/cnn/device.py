"""Where a job computes.

At the published size, (95, 128, 128) with four sequences, backward keeps 63 MB a sample of the published classifier and
193 MB of the segmenter in bfloat16, 110 and 343 MB in float32 (counted from the tensors that autograd saves). Gradients
in flight, float32 inputs and the optimiser come on top, about as much again: the classifier's batch of 16 fits in 4 GB
and the segmenter's of 24 in 12 GB, twice that in float32. A 24 GB card needs no `micro_batch` for either.
"""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

# How 2D and 3D images lie in memory: channels last, which the convolutions of both CPUs and tensor cores prefer.
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def choose() -> torch.device:
    """CUDA if present, else the CPU; says which. One CPU thread either way.

    One thread, because the workflow runs folds side by side and threads that compete for a core slow each other down.
    """
    torch.set_num_threads(1)
    if not torch.cuda.is_available():
        print("device: CPU, one thread, float32")
        return torch.device("cpu")
    # Equal trainings shall end alike: kernels that sum in a fixed order, none chosen by a race between them.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # Validation and prediction are in float32 proper: cuDNN would otherwise round to 10 bits of mantissa.
    torch.backends.cudnn.allow_tf32 = False
    print(f"device: {torch.cuda.get_device_name()}, training in {'bfloat16' if _bfloat16() else 'float32'}")
    return torch.device("cuda")


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 where it is faster. It needs no loss scaling; CPUs and GPUs before Ampere compute in float32."""
    if device.type == "cuda" and _bfloat16():
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on a device, the kernels of its convolutions as `arrange` leaves images."""
    network.to(device)
    dimensions = max((weight.ndim for weight in network.parameters()), default=0)
    for weight in network.parameters():
        # Not `network.to(memory_format=...)`: it fails on a 3D network that has a weight of four dimensions.
        if weight.ndim == dimensions and dimensions in _FORMATS:
            weight.data = weight.data.contiguous(memory_format=_FORMATS[dimensions])
    return network


def arrange(images: Tensor) -> Tensor:
    """Images (N, channels, ...) in the order of memory that convolutions prefer."""
    return images.contiguous(memory_format=_FORMATS[images.ndim])


def loader(samples: Dataset, batch_size: int, device: torch.device, workers: int = 0) -> Iterable[list[Tensor]]:
    """Batches in order; for a GPU in pinned memory, from which copies run beside the computation."""
    return DataLoader(samples, batch_size, num_workers=workers, pin_memory=device.type == "cuda")


def _bfloat16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)
