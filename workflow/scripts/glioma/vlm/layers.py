"""Which layers of a model LoRA adapts, and which ones are never quantised: the same as Unsloth's, by their names.

An adapter that one trained meets the model that it was trained on when the other answers with it.
"""

import re

from torch import nn

# Unsloth adapts what lies in attention and MLP blocks of the vision and of the language part (unsloth 2026.10,
# FastVisionModel.get_peft_model with all four of its parts).
_BLOCKS = re.compile(r"attn|attention|mixer|mlp|feed_forward|ffn|dense")
# Its layers left in 16 bits, wherever they stand in a path: the output layer, what joins image and text, and the vision
# part where it has one of these names.
_KEPT = ("lm_head", "multi_modal_projector", "merger", "modality_projection", "router", "visual", "vision_tower")


def adapted(model: nn.Module) -> list[str]:
    """The Linear layers that LoRA adapts: those in attention and MLP blocks of the model's stacks of layers."""
    stacks = [f"{name}." for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and any(name.startswith(stack) and _BLOCKS.search(name[len(stack) :]) for stack in stacks)
    ]


def unquantised(model: nn.Module) -> list[str]:
    """The outermost modules that stay in 16 bits, by their full names."""
    found: list[str] = []
    for name, _ in model.named_modules():
        kept = any(part in name for part in _KEPT)
        if kept and not any(name.startswith(f"{outer}.") for outer in found):
            found.append(name)
    return found
