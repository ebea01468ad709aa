"""For `make test-vllm`: torchvision's operators are built for CUDA, and its import wants two of them to be known."""

import torch

for name in ("nms", "qnms"):
    torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
