"""Losses on logits. `target` is 0/1 or, after resampling, the tumour's share of a voxel; on slices, the answer."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F


def dice_loss(logits: Tensor, target: Tensor, smooth: float = 1e-5) -> Tensor:
    """1 - soft Dice per sample and channel, averaged: 1 - (2 sum(p t) + s) / (sum(p) + sum(t) + s).

    Milletari et al. 2016 (V-Net) without squares in the denominator; equals `monai.losses.DiceLoss(sigmoid=True)`,
    which is not used because importing MONAI takes longer than many a small training.
    """
    probability = logits.sigmoid().flatten(2)
    target = target.flatten(2)
    overlap = (probability * target).sum(-1)
    total = probability.sum(-1) + target.sum(-1)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def dice_bce_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Dice loss plus binary cross-entropy, equally weighted."""
    return dice_loss(logits, target) + F.binary_cross_entropy_with_logits(logits, target)


BY_NAME: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": F.binary_cross_entropy_with_logits,
    "dice": dice_loss,
    "dice_bce": dice_bce_loss,
    "cross_entropy": F.cross_entropy,
}
