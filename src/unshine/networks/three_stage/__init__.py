"""Unshine's network: TSHRNet's three stages, small, fully convolutional and exportable.

This file is what the two implementations (`torch.py`, `mindspore.py`) share, in no framework's
terms: sizes, names and shapes of the tensors, outputs, and how the highlight map acts.
"""

import math
import re
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine import optics

NAME = "three_stage"
TITLE = "Unshine"
MARKER = "physics.stem.weight"
"""A tensor by which the network's weights are recognised."""
STORED = np.float16
"""How weights are kept on disk."""
VARIANTS: tuple[str, ...] = ()
LINEAR: tuple[str, ...] = ("shading", "specular", "residue", "light")
"""Outputs that are linear light; the other images are display values."""
EXPOSED = True

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
"""What the network gives to users, in this order; what losses need besides comes after. See
`torch.Outputs`."""

STAGES = {"physics": (3, 6), "refine": (6, 5), "tone": (9, 6)}
"""The encoder-decoders: channels that go in and come out. Albedo and shading share one; `refine`
and `tone` say what to subtract (two numbers a pixel) and what to fill in (three), `tone` also the
highlight map's logits."""

CELL = 4
"""Pixels on a side of what the encoder-decoders see as one."""
DOUBTFUL, SURE = -1.0, 1.25
"""Logits from which the highlight map rises from 0, and where it reaches 1, at sensitivity 0.5."""
PACE = 2.0
"""How far the former moves as the odds of the sensitivity grow by a factor of e."""
STEEPEST = 1.0
"""Logits between the two, at least."""
REACH = 2
"""Cells around a pixel whose surest one has half a say in its logits."""
CLIPPED = (0.975, 1.0)
"""Display values between which a channel passes from measured to clipped; what is measured is
better known than what is filled in."""
CORE = (0.85, 0.93)
"""The same for the least channel, of what is filled from its ring: a white that JPEG or a camera
has softened is as unknown as one at 1."""
RIM = 1
"""Pixels around such a core that are filled with it: lens, camera and JPEG have mixed white into
them. With 2 there are still fewer rings, but labels and MIT's photographs suffer."""
LOST = (0.7, 0.9)
"""Share of a channel's light that is taken off, between which the rest passes from known to
unknown: of what a little is left, a small error leaves nothing."""
AROUND = (1, 2, 4)
"""Reach of the windows, in the largest cells, from which larger clipped cores are filled."""
UNKNOWN = 0.999
"""How much less a pixel counts that is clipped in all colours, when others are filled from it."""
FINEST = 2
"""Halvings of the finest cells from which hues are taken: finer ones know a highlight's fringe."""
GREYER = (-0.05, 0.2)
"""How much less coloured than its surroundings a pixel is, in their hue (display, as the spread of
the channels), from which it passes from its own hue to theirs. Below 0: what lay under light is
rarely paler than what did not."""
SPREAD = 1.3
"""Spread of the channels of a colour, about, by how far it is from grey: 1.2 to 1.4."""
UNSURE = (0.5, 0.8)
"""Share of a channel's light that is taken off, between which a hue passes from known to unknown:
the light's colour is never quite known, and what little is left shows it as yellow or purple."""
TURNED = (0.06, 0.18)
"""1 less the cosine of the angle between a hue and its surroundings', from which it passes from
another shade of them (20°) to another hue (35°): where light falls, a tomato is more orange."""
FAINT = 0.02
"""How far from grey, display, a colour hardly has a hue."""
COLOURFUL = (0.1, 0.3)
"""Spread of the channels around, display, between which they pass from grey to a hue of their own;
what is unsure in grey surroundings may be anything."""
DIMMED = (0.0, 0.05)
"""How far a channel has fallen, display, from which there is light that may have hidden a hue."""
BRIGHT = (0.9, 1.0)
"""The largest channel's display values between which its brightness passes from measured to
unknown."""
PALE, DOUBT = 0.02, 200.0
"""How much less the channels spread than those around, in the mean under a highlight, from which it
is doubtful; and by how many logits, for each unit beyond."""
WINDOW = 5
"""Cells of 4 × `CELL` pixels on a side of the windows for that mean."""
GLINT = 0.1
"""Share of a window; highlights of much less are believed."""
BURNT = (0.94, 0.98)
"""The largest channel's display values between which a hue passes from measured to unknown, for
that doubt; a highlight in a third of which it is unknown is believed."""
NEUTRAL = (0.1, 0.25)
"""Spread of a pixel's channels, in units of the light, from which it passes from the light's own
colour to another."""
TINT = 1.4
"""How far the light's red and blue may be from its green, as a logarithm."""


@dataclass(frozen=True)
class Bottleneck:
    """One block of the context: widened by `widening`, filtered channel by channel, narrowed."""

    inputs: int
    outputs: int
    size: int
    stride: int
    widening: int
    tapped: bool = False
    """Whether what it says goes to the tone stage."""

    @property
    def wide(self) -> int:
        """Channels that are filtered."""
        return self.inputs * self.widening

    @property
    def shortcut(self) -> bool:
        """Whether what goes in is added to what comes out."""
        return self.stride == 1 and self.inputs == self.outputs

    @property
    def before(self) -> int:
        """Rows and columns of zeros above and to the left; TensorFlow puts the odd one behind."""
        return (self.size - self.stride) // 2

    @property
    def after(self) -> int:
        """Rows and columns of zeros below and to the right."""
        return self.size - self.stride - self.before


CONTEXT_STEM = 32
"""Channels of the context's first convolution, 3×3 with a stride of 2."""
CONTEXT = (
    Bottleneck(32, 16, 3, 1, 1),
    Bottleneck(16, 24, 3, 2, 6),
    Bottleneck(24, 24, 3, 1, 6, tapped=True),
    Bottleneck(24, 40, 5, 2, 6),
    Bottleneck(40, 40, 5, 1, 6, tapped=True),
    Bottleneck(40, 80, 3, 2, 6),
    Bottleneck(80, 80, 3, 1, 6),
    Bottleneck(80, 80, 3, 1, 6),
    Bottleneck(80, 112, 5, 1, 6),
    Bottleneck(112, 112, 5, 1, 6),
    Bottleneck(112, 112, 5, 1, 6, tapped=True),
)
"""The first eleven blocks of EfficientNet-Lite0 (Tan & Le, ICML 2019)."""
SAID = tuple(bottleneck.outputs for bottleneck in CONTEXT if bottleneck.tapped)
"""Channels of what the context says at 1/8, 1/16 and 1/32 of the resolution."""
CONTEXT_SCALE = 1 / 8
"""Of what the tapped blocks say: their deviation is about 8."""


@dataclass(frozen=True)
class Sizes:
    """Channels of each encoder-decoder, from a quarter of the resolution downwards."""

    physics: tuple[int, ...]
    refine: tuple[int, ...]
    tone: tuple[int, ...]

    @property
    def halvings(self) -> int:
        """How often the resolution is halved below a quarter."""
        return max(len(self.physics), len(self.refine), len(self.tone)) - 1

    @property
    def multiple(self) -> int:
        """Height and width are padded inside the network to multiples of this."""
        return CELL * 2 ** max(self.halvings, len(SAID))


FAST = Sizes(physics=(24, 40, 64, 96), refine=(48, 64, 96, 128), tone=(48, 80, 104, 144))


def ramp(values: Any, ends: tuple[float, float]) -> Any:
    """Rise from 0 at the first of two ends to 1 at the second, in a straight line."""
    low, high = ends
    return ((values - low) / (high - low)).clip(0, 1)


def highlight_map(logits: Any, sensitivity: float = 0.5) -> Any:
    """Turn the network's logits into the soft highlight map.

    A straight line, cut at 0 and 1, so that the map reaches exactly 0, where the image passes
    untouched to the last bit. A higher sensitivity moves the end where the line begins, and leaves
    the end where the network is sure: what is taken besides is the less certain, and less of it is
    taken.

    Parameters
    ----------
    logits : array of NumPy, PyTorch or MindSpore
        What the network says, of any shape.
    sensitivity : float
        From 0 (nothing is a highlight) to 1 (everything is). 0.5 is the operating point as shipped.

    Returns
    -------
    array of the same shape
        In [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> highlight_map(np.array([-3.0, -1.0, 0.125, 3.0]))
    array([0. , 0. , 0.5, 1. ])
    >>> highlight_map(np.array([-3.0, -1.0, 0.125, 3.0]), 0.8).round(2)
    array([0.15, 0.55, 0.78, 1.  ])
    """
    if sensitivity <= 0 or sensitivity >= 1:
        return 0 * logits + (1 if sensitivity >= 1 else 0)
    begin = DOUBTFUL - PACE * math.log(sensitivity / (1 - sensitivity))
    end = max(SURE, begin + STEEPEST)
    return ramp(logits, (begin, end))


def blend(image: Any, ungated: Any, highlight: Any) -> Any:
    """Take the highlight off where the map says so, evenly in linear light.

    Parameters
    ----------
    image, ungated : array, (..., 3, H, W) or (H, W, 3)
        The image, and the image as if everywhere were a highlight; display values in [0, 1].
    highlight : array
        As `highlight_map` gives it, with one channel.

    Returns
    -------
    array of the same shape
        Display values in [0, 1]; the image itself, to the last bit, where the map is 0, and
        `ungated` where it is 1.
    """
    light = optics.decode(image)
    blended = optics.add_light(image, highlight * (optics.decode(ungated) - light))
    # Adding light loses a little near black; where the map is sure, nothing is lost.
    return (blended + (highlight >= 1) * (ungated - blended)).clip(0, 1)


def outputs(variant: str) -> tuple[str, ...]:
    """Return the names of what the network gives to users, in its order."""
    return OUTPUTS


def context() -> dict[str, NDArray[np.float32]]:
    """Return the context's tensors, which no training changes, from the weights that ship."""
    from unshine.networks import SHIPPED
    from unshine.networks.weights import read_weights

    shipped = read_weights(SHIPPED).tensors
    return {n: x.astype(np.float32) for n, x in shipped.items() if n.startswith("context.")}


def sizes_of(tensors: dict[str, NDArray[Any]]) -> Sizes:
    """Return the sizes of the network that these tensors are for; unknown ones are empty."""

    def widths(stage: str) -> tuple[int, ...]:
        pattern = re.compile(rf"{stage}\.(stem|down\.\d+)\.weight")
        # "down" stands before "stem" in no file; the stem's width is the first.
        names = sorted((n for n in tensors if pattern.fullmatch(n)), key=lambda n: "down" in n)
        return tuple(int(tensors[name].shape[0]) for name in names)

    return Sizes(**{field.name: widths(field.name) for field in fields(Sizes)})


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

    def block(name: str, width: int) -> None:
        convolution(f"{name}.first", width, width, 3)
        convolution(f"{name}.second", width, width, 3)

    convolution("context.stem", CONTEXT_STEM, 3, 3)
    for number, bottleneck in enumerate(CONTEXT):
        name, wide = f"context.blocks.{number}", bottleneck.wide
        if bottleneck.widening > 1:
            convolution(f"{name}.expand", wide, bottleneck.inputs, 1)
        convolution(f"{name}.depthwise", wide, 1, bottleneck.size)
        convolution(f"{name}.project", bottleneck.outputs, wide, 1)
    features = 0
    for stage, (inputs, outputs) in STAGES.items():
        # A stage without a stem is missing; its stem of no channels will be, too.
        widths: tuple[int, ...] = getattr(sizes, stage) or (0,)
        convolution(f"{stage}.stem", widths[0], inputs * CELL**2, 1)
        if features:
            convolution(f"{stage}.merge", widths[0], features, 1)
        convolution(f"{stage}.entry", widths[0], widths[0], 3)
        for level, (wide, deep) in enumerate(pairwise(widths)):
            convolution(f"{stage}.down.{level}", deep, wide, 2)
            block(f"{stage}.encoder.{level}", deep)
            convolution(f"{stage}.up.{level}", wide, deep, 1)
            block(f"{stage}.decoder.{level}", wide)
        found[f"{stage}.overview.weight"] = (widths[-1], 2 * widths[-1])
        found[f"{stage}.overview.bias"] = (widths[-1],)
        convolution(f"{stage}.head", 4 * outputs, widths[0], 3)
        if stage == "refine":
            convolution(f"{stage}.light", 2, widths[-1], 1)
        if stage == "tone":
            for level, (channels, width) in enumerate(zip(SAID, widths[1:], strict=False)):
                convolution(f"{stage}.context.{level}", width, channels, 1)
        features = widths[0]
    return found
