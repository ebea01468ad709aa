"""The published networks and, by name, those of MONAI.

3D networks map (N, channels, slices, rows, columns) to logits: (N, 1) for a classifier, (N, 1, slices, rows, columns)
for a segmenter. 2D networks map single slices, (N, channels, rows, columns), to three logits (N, 3), the choices of a
VLM. Sigmoid and softmax stand outside, where losses and predictions are computed.
"""

import inspect
from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from glioma.base.answers import LABELS
from glioma.base.errors import UserError
from glioma.base.imports import lean
from glioma.cnn.recipe import Recipe

PAPER_MULTIPLE = 4
MONAI_MULTIPLE = 16
# What MONAI imports where it is installed: nine tenths of the 7 s that the import takes, and of no use to a network.
MONAI_OPTIONAL = ("matplotlib", "nibabel", "pandas", "scipy", "skimage", "sklearn", "transformers")


class PaperClassifier(nn.Module):
    """Two 3x3x3 convolutions (4 -> 8 -> 16), each with ReLU and 2x2x2 max pooling; dense 128; one logit.

    At (95, 128, 128) the pooled map is 16 x 23 x 32 x 32 = 376,832 values, so the first dense layer holds 48.2 of the
    48.2 million weights. Its size follows `shape`; pooling drops an odd last plane. The ReLU after the dense layer is
    the usual reading: without one the two dense layers would be one.
    """

    def __init__(self, in_channels: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(in_channels, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool3d(2),
            nn.Conv3d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool3d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(16 * prod(size // 2 // 2 for size in shape), 128), nn.ReLU(), nn.Linear(128, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class PaperSegmenter(nn.Module):
    """Convolution 4 -> 16, pool, 16 -> 32, pool, bottleneck 32 -> 64, two transposed convolutions up, one output logit.

    Each convolution is 3x3x3 and followed by ReLU; the transposed ones double each axis (kernel and stride 2) and
    halve the channels; the output convolution is 1x1x1. There are no skip connections: none are published.
    Sizes must be multiples of 4; 95 slices are not, which `Padded` takes care of.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(in_channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool3d(2),
            nn.Conv3d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool3d(2),
            nn.Conv3d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose3d(64, 32, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose3d(32, 16, 2, stride=2),
            nn.ReLU(),
            nn.Conv3d(16, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Padded(nn.Module):
    """Run a segmenter at any size: pad each axis with background to a multiple, crop the output back.

    The padding is split over both ends, the odd plane going last: 95 slices become 96 by one plane above the top.
    Zero is background in both normalisations.
    """

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape[2:]
        before = [-size % self.multiple // 2 for size in shape]
        after = [-size % self.multiple - first for size, first in zip(shape, before, strict=True)]
        # F.pad counts from the last axis.
        widths = [width for pair in zip(before[::-1], after[::-1], strict=True) for width in pair]
        x = F.pad(x, widths) if any(widths) else x
        y = self.network(x)
        if not isinstance(y, Tensor) or y.shape[2:] != x.shape[2:]:
            return y  # nothing to crop: `build` tells the user what is wrong
        return y[(..., *(slice(first, first + size) for first, size in zip(before, shape, strict=True)))]  # type: ignore[index]


class SmallSliceNetwork(nn.Module):
    """Four 3x3 convolutions (8, 16, 32, 64), each with group normalisation, ReLU and, but the last, 2x2 max pooling;
    the mean and the maximum over the map; three logits.

    25,000 weights: what some tens of patients can train. Group normalisation knows no batch, so that a slice is graded
    alike in any company. The maximum answers whether a tumour is anywhere, the mean how much of the slice it takes.
    """

    WIDTHS = (8, 16, 32, 64)

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((in_channels, *self.WIDTHS[:-1]), self.WIDTHS, strict=True):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.GroupNorm(8, width), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])
        self.head = nn.Linear(2 * self.WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.features(x)
        return self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))


def build(recipe: Recipe, shape: tuple[int, ...], check: bool = True) -> nn.Module:
    """The network of a recipe, with fresh weights from torch's generator.

    shape: of its input, (slices, rows, columns) or, on slices, (rows, columns).

    Its output shape is checked beforehand on torch's "meta" device, which computes shapes and no values, so that a
    network which does not fit the task fails in a second and in one line. One that was trained needs no `check`.
    """
    source, _, name = recipe.architecture.removeprefix("slice:").partition(":")
    in_channels = len(recipe.channels)
    if recipe.architecture == "paper:classifier":
        make, default = lambda: PaperClassifier(in_channels, padded), PAPER_MULTIPLE
    elif recipe.architecture == "paper:segmenter":
        make, default = lambda: PaperSegmenter(in_channels), PAPER_MULTIPLE
    elif recipe.architecture == "slice:small":
        make, default = lambda: SmallSliceNetwork(in_channels, len(LABELS)), 1
    elif source == "monai" and name:
        make, default = lambda: _monai(name, recipe, padded), MONAI_MULTIPLE
    else:
        raise UserError(
            f"architecture: {recipe.architecture!r} is unknown; "
            "give paper:classifier, paper:segmenter, slice:small, or monai:<class of monai.networks.nets> "
            "(slice:monai:<class> on slices)"
        )
    if source != "monai" and recipe.arguments:
        raise UserError(f"arguments: {recipe.architecture} takes none; remove {', '.join(map(str, recipe.arguments))}")
    multiple = recipe.multiple or default
    segments = recipe.kind == "segmentation"
    padded = tuple(size + -size % multiple for size in shape) if segments else tuple(shape)

    def network() -> nn.Module:
        return Padded(make(), multiple) if segments else make()

    if check:
        _check_contract(network, recipe, shape)
    return network()


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _monai(name: str, recipe: Recipe, shape: tuple[int, ...]) -> nn.Module:
    """A class of monai.networks.nets; what follows from the recipe is filled in unless `arguments` sets it."""
    # Only for networks that need it: MONAI imports all of itself.
    maker = getattr(lean("monai.networks.nets", *MONAI_OPTIONAL), name, None)
    if not (inspect.isclass(maker) and issubclass(maker, nn.Module)):
        raise UserError(f"architecture: monai.networks.nets has no network class {name!r}; see MONAI's documentation")
    classes = len(LABELS) if recipe.kind == "slices" else 1
    implied = {
        "spatial_dims": len(shape),
        "in_channels": len(recipe.channels),
        "n_input_channels": len(recipe.channels),
        "out_channels": classes,
        "num_classes": classes,
        "img_size": shape,
    }
    accepted = _accepted(maker)
    arguments = {key: value for key, value in implied.items() if key in accepted} | dict(recipe.arguments)
    try:
        return maker(**arguments)
    except (TypeError, ValueError, AssertionError, KeyError, ImportError) as error:
        raise UserError(
            f"arguments: monai.networks.nets.{name} refuses {arguments} ({_one_line(error)}); change `arguments`"
        ) from None


def _accepted(maker: type) -> set[str]:
    """The arguments of a class, with those of its base where it passes on what it does not name."""
    names: set[str] = set()
    for each in maker.__mro__:
        own = inspect.signature(each).parameters.values()
        names |= {one.name for one in own}
        if not any(one.kind is one.VAR_KEYWORD for one in own):
            break
    return names


def _check_contract(network: Callable[[], nn.Module], recipe: Recipe, shape: tuple[int, ...]) -> None:
    """Raise `UserError` unless `network()` gives one logit a patient or voxel, three a slice, for a batch of two."""
    expected = {"classification": (2, 1), "segmentation": (2, 1, *shape), "slices": (2, len(LABELS))}[recipe.kind]
    try:
        with torch.inference_mode():
            made = _on_meta(network)
            with torch.device("meta"):
                output = made(torch.zeros(2, len(recipe.channels), *shape))
    except UserError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise UserError(
            f"architecture: {recipe.architecture} cannot run on input {list(shape)} ({_one_line(error)}); "
            "change `input`, `arguments` or, for a segmenter, `multiple`"
        ) from None
    found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if found != expected:
        raise UserError(
            f"architecture: {recipe.architecture} gives {found} instead of {expected} for a batch of two, "
            f"so it is no network for {recipe.kind}; choose another or change `arguments`"
        )


def _on_meta(network: Callable[[], nn.Module]) -> nn.Module:
    """A network without values; one that computes with numbers while it is built (SwinUNETR) loses them afterwards."""
    try:
        with torch.device("meta"):
            return network()
    except RuntimeError:
        with torch.random.fork_rng(devices=[]):
            return network().to("meta")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
