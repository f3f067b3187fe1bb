"""Unshine's network: TSHRNet's three stages, small, fully convolutional and exportable.

This file is what the two implementations (`torch.py`, `mindspore.py`) share, in no framework's
terms: sizes, names and shapes of the tensors, outputs, and how the highlight map acts.
"""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "three_stage"
TITLE = "Unshine"
MARKER = "albedo.stem.weight"
"""A tensor by which the network's weights are recognised."""
STORED = np.float16
"""How weights are kept on disk."""
VARIANTS: tuple[str, ...] = ()
LINEAR: tuple[str, ...] = ("shading", "specular", "residue")
"""Outputs that are linear light; the other images are display values."""

OUTPUTS = (
    "albedo",
    "shading",
    "diffuse",
    "specular",
    "clean",
    "highlight",
    "ungated",
    "logits",
)
"""What the network gives to users, in this order; `residue` comes last, for losses alone. See
`torch.Outputs`."""

CAUTION = 1.0
"""How sure the network must be: nothing changes where it gives a highlight less than 45 %, half of
what it would change at 86 %, all of it from near certainty on."""

NETWORKS = {"albedo": (3, 3), "shading": (3, 3), "refine": (6, 3), "tone": (9, 4)}
"""The four encoder-decoders: channels that go in and come out."""


@dataclass(frozen=True)
class Sizes:
    """Channels of each encoder-decoder, from half resolution downwards, and blocks per level."""

    albedo: tuple[int, ...]
    shading: tuple[int, ...]
    refine: tuple[int, ...]
    tone: tuple[int, ...]
    blocks: int = 1

    @property
    def multiple(self) -> int:
        """Height and width are padded inside the network to multiples of this."""
        return 2 ** max(len(self.albedo), len(self.shading), len(self.refine), len(self.tone))


FAST = Sizes(
    albedo=(32, 32, 64, 96, 128),
    shading=(32, 32, 64, 96, 128),
    refine=(32, 64, 96, 128, 160),
    tone=(32, 48, 64, 96),
)


def highlight_map(logits: Any, sensitivity: float = 0.5) -> Any:
    """Turn the network's logits into the soft highlight map.

    The sigmoid is stretched beyond [0, 1] and cut, so that the map reaches exactly 0, where the
    image passes untouched to the last bit.

    Parameters
    ----------
    logits : array of NumPy, PyTorch or MindSpore
        What the network says, of any shape.
    sensitivity : float
        From 0 (nothing is a highlight) to 1 (everything is); the odds of a highlight are multiplied
        by ``sensitivity / (1 - sensitivity)``. 0.5 is the operating point as trained.

    Returns
    -------
    array of the same shape
        In [0, 1].
    """
    if sensitivity <= 0 or sensitivity >= 1:
        return 0 * logits + (1 if sensitivity >= 1 else 0)
    if sensitivity != 0.5:
        logits = logits + math.log(sensitivity / (1 - sensitivity))
    half = 0.5 * logits
    certainty = half.sigmoid() if hasattr(half, "sigmoid") else 0.5 + 0.5 * np.tanh(0.5 * half)
    return ((1.1 + CAUTION) * certainty - CAUTION).clip(0, 1)


def blend(image: Any, change: Any, highlight: Any) -> Any:
    """Apply the network's change where the highlight map says so.

    Parameters
    ----------
    image : array, (..., 3, H, W) or (H, W, 3)
        Display values in [0, 1].
    change : array of the same shape
        What stage 3 would add to it if everything were a highlight: `ungated` − `image`.
    highlight : array
        As `highlight_map` gives it, with one channel.

    Returns
    -------
    array of the same shape
        Display values in [0, 1]; the image itself where the map is 0.
    """
    return (image + highlight * change).clip(0, 1)


def outputs(variant: str) -> tuple[str, ...]:
    """Return the names of what the network gives to users, in its order."""
    return OUTPUTS


def sizes_of(tensors: dict[str, NDArray[Any]]) -> Sizes:
    """Return the sizes of the network that these tensors are for; unknown ones are empty."""

    def count(start: str) -> int:
        pattern = re.compile(re.escape(start) + r"\.(\d+)\.")
        return len({match[1] for name in tensors if (match := pattern.match(name))})

    def widths(network: str) -> tuple[int, ...]:
        names = [f"{network}.down.{level}.weight" for level in range(count(f"{network}.down"))]
        names = [f"{network}.stem.weight", *names]
        return tuple(int(tensors[name].shape[0]) for name in names if name in tensors)

    return Sizes(**{name: widths(name) for name in NETWORKS}, blocks=count("albedo.encoder.0"))


def multiple(tensors: dict[str, NDArray[Any]]) -> int:
    """Return what height and width are padded to multiples of, with these tensors."""
    return sizes_of(tensors).multiple


def shapes(tensors: dict[str, NDArray[Any]]) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor of the network with these tensors' sizes."""
    sizes = sizes_of(tensors)
    found: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, outputs: int, inputs: int, size: int) -> None:
        found[f"{name}.weight"] = (outputs, inputs, size, size)
        found[f"{name}.bias"] = (outputs,)

    def blocks(name: str, width: int) -> None:
        for index in range(sizes.blocks):
            convolution(f"{name}.{index}.first", width, width, 3)
            convolution(f"{name}.{index}.second", width, width, 3)

    for name, (inputs, outputs) in NETWORKS.items():
        # A network without a stem is missing; its stem of no channels will be, too.
        widths: tuple[int, ...] = getattr(sizes, name) or (0,)
        convolution(f"{name}.stem", widths[0], inputs, 4)
        for level, (wide, deep) in enumerate(pairwise(widths)):
            convolution(f"{name}.down.{level}", deep, wide, 2)
            blocks(f"{name}.encoder.{level}", deep)
            convolution(f"{name}.up.{level}", wide, deep, 1)
            blocks(f"{name}.decoder.{level}", wide)
        convolution(f"{name}.head", 4 * outputs, widths[0], 3)
    return found
