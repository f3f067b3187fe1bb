"""The three-stage network in MindSpore: `torch.py`, operator by operator and name by name."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from unshine import optics
from unshine.errors import UnshineError
from unshine.networks import three_stage
from unshine.networks.mindspore_ops import convolution, doubled, extended, fixed, padded, resized
from unshine.networks.three_stage import (
    AROUND,
    BRIGHT,
    BURNT,
    CELL,
    CLIPPED,
    COLOURFUL,
    CONTEXT,
    CONTEXT_SCALE,
    CONTEXT_STEM,
    CORE,
    DIMMED,
    DOUBT,
    FAINT,
    FINEST,
    GLINT,
    GREYER,
    LOST,
    NEUTRAL,
    PALE,
    REACH,
    RIM,
    SAID,
    SPREAD,
    STAGES,
    TINT,
    TURNED,
    UNKNOWN,
    UNSURE,
    WINDOW,
    Sizes,
    blend,
    highlight_map,
    ramp,
    sizes_of,
)
from unshine.networks.weights import Weights

Outputs = tuple[Tensor, ...]
"""What `torch.Outputs` names, in its order."""


class Block(nn.Cell):
    """Two 3×3 convolutions around a shortcut; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels, 3, padding=1)
        self.second = convolution(channels, channels, 3, padding=1, zero=True)

    def construct(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x + self.second(ops.relu(self.first(ops.relu(x))))


class Bottleneck(nn.Cell):
    """A block of the context; see `torch.Bottleneck`."""

    def __init__(self, shape: three_stage.Bottleneck) -> None:
        super().__init__()
        self.widens = shape.widening > 1
        self.shortcut = shape.shortcut
        if self.widens:
            self.expand = fixed(shape.inputs, shape.wide, 1)
        self.depthwise = fixed(shape.wide, shape.wide, shape.size, shape.stride, shape.wide)
        self.project = fixed(shape.wide, shape.outputs, 1)
        self.edges = 2 * (shape.before, shape.after)

    def construct(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        wide = ops.relu6(self.expand(x)) if self.widens else x
        wide = ops.relu6(self.depthwise(ops.pad(wide, self.edges)))
        narrow = self.project(wide)
        return x + narrow if self.shortcut else narrow


class Context(nn.Cell):
    """What is in the picture; see `torch.Context`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = fixed(3, CONTEXT_STEM, 3, 2)
        self.blocks = nn.CellList([Bottleneck(shape) for shape in CONTEXT])

    def construct(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W), display, to what the tapped blocks say at 1/8, 1/16, 1/32 of its size."""
        x = ops.relu6(self.stem(extended(ops.avg_pool2d(image, 2, 2), 1, 1)))
        said = []
        for number, shape in enumerate(CONTEXT):
            x = self.blocks[number](x)
            if shape.tapped:
                said.append(ops.stop_gradient(CONTEXT_SCALE * x))
        return said


class EncoderDecoder(nn.Cell):
    """A U-Net that sees cells of 4×4 pixels as one; see `torch.EncoderDecoder`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        features: int,
        widths: tuple[int, ...],
        light: bool = False,
        context: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.stem = convolution(inputs * CELL**2, widths[0], 1)
        self.merges, self.lights = features > 0, light
        if features:
            self.merge = convolution(features, widths[0], 1)
        self.entry = convolution(widths[0], widths[0], 3, padding=1)
        self.down = nn.CellList([convolution(wide, deep, 2, stride=2) for wide, deep in pairs])
        self.encoder = nn.CellList([Block(width) for width in widths[1:]])
        self.listens = len(context) > 0
        if context:
            takes = zip(context, widths[1:], strict=False)
            self.context = nn.CellList([convolution(c, w, 1, zero=True) for c, w in takes])
        self.overview = nn.Dense(2 * widths[-1], widths[-1])
        if light:
            self.light = convolution(widths[-1], 2, 1, zero=True)
        self.up = nn.CellList([convolution(deep, wide, 1) for wide, deep in pairs])
        self.decoder = nn.CellList([Block(width) for width in widths[:-1]])
        self.head = convolution(widths[0], 4 * outputs, 3, padding=1, zero=True)
        self.levels = len(pairs)

    def construct(self, image: Tensor, features: Tensor, said: Sequence[Tensor] = ()) -> Outputs:
        """Answer for an image, (B, inputs, H, W); `features` and `said` count where taken."""
        x = self.stem(ops.pixel_unshuffle(image, CELL))
        if self.merges:
            x = x + self.merge(features)
        x = self.entry(ops.relu(x))
        skips = []
        for level in range(self.levels):
            skips.append(x)
            x = self.down[level](x)
            if self.listens:
                x = x + self.context[level](said[level])
            x = self.encoder[level](x)
        overview = ops.cat((x.mean((2, 3)), ops.amax(x, (2, 3))), 1)
        x = x + self.overview(overview).expand_dims(2).expand_dims(3)
        light = x
        if self.lights:
            light = self.light(ops.relu(x)).astype(mindspore.float32)
        for depth in range(self.levels):
            level = self.levels - 1 - depth
            x = self.decoder[level](skips[level] + doubled(self.up[level](x)))
        answer = ops.pixel_shuffle(self.head(ops.relu(x)), 2).astype(mindspore.float32)
        return resized(answer, image.shape[2], image.shape[3]), x, light


class ThreeStage(nn.Cell):
    """Physics-based removal, refinement, tone correction; see `torch.ThreeStage`."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.multiple, self.halvings = sizes.multiple, sizes.halvings
        self.physics = EncoderDecoder(*STAGES["physics"], 0, sizes.physics)
        self.refine = EncoderDecoder(*STAGES["refine"], sizes.physics[0], sizes.refine, light=True)
        self.context = Context()
        self.tone = EncoderDecoder(*STAGES["tone"], sizes.refine[0], sizes.tone, context=SAID)

    def construct(self, image: Tensor) -> Outputs:
        """Take an image apart.

        Parameters
        ----------
        image : Tensor, (B, 3, H, W)
            Display values in [0, 1], of any height and width.
        """
        height, width = image.shape[-2:]
        outputs = self._stages(padded(image, self.multiple))
        if not (height % self.multiple or width % self.multiple):
            return outputs
        return tuple([x[:, :, :height, :width] for x in outputs])

    def _stages(self, image: Tensor) -> Outputs:
        vivid = ops.amax(_spread(image), (2, 3), True)
        vivid = (8 * vivid).clip(0, 1)
        linear = optics.decode(image)
        # Stage 1.
        answer, features, _ = self.physics(image, image)
        albedo = (image + _tinted(_channels(answer, 0, 3), vivid)).clip(0, 1)
        shading = (1 + _tinted(_channels(answer, 3, 3), vivid)).clip(0, 4)
        coarse = albedo * shading
        residue = optics.residue(linear, optics.decode(coarse))
        # Stage 2.
        answer, features, tint = self.refine(ops.cat((coarse, image), 1), features)
        light = _light(tint, vivid, image.shape[2], image.shape[3])
        _, diffuse = _subtract(image, linear, light, vivid, answer)
        # Stage 3.
        inputs = ops.cat((diffuse, residue, image), 1)
        tone, _, _ = self.tone(inputs, features, self.context(image))
        answer = answer + _channels(tone, 0, 5)
        taken, ungated = _subtract(image, linear, light, vivid, answer)
        core = _core(image)
        ungated = _filled(image, ungated.clip(0, 1), core, self.halvings)
        votes = _channels(tone, 5, 1)
        logits = _agreed(votes)
        highlight = ops.stop_gradient(highlight_map(logits))
        known = 1 - UNKNOWN * (1 - (1 - highlight) ** 4)
        around = _surroundings(image, known, self.halvings, FINEST)
        logits = logits - _doubt(image, ops.stop_gradient(ungated), around, highlight)
        highlight = highlight_map(logits)
        ungated = _coloured(image, ungated, around, core)
        return (
            albedo,
            optics.decode(shading),
            diffuse.clip(0, 1),
            residue.clip(0, None),
            blend(image, ops.stop_gradient(ungated), highlight),
            highlight,
            ungated,
            logits,
            residue,
            taken,
            votes,
            ops.stop_gradient(light),
        )


def untrained(seed: int, variant: str, width: int) -> ThreeStage:
    """Make a network of the sizes `FAST`: the context as it is, random numbers in all the rest."""
    network = ThreeStage(three_stage.FAST)
    known = three_stage.context()
    for name, parameter in network.parameters_dict().items():
        if name in known:
            parameter.set_data(Tensor(known[name]))
    return network


def build(weights: Weights) -> ThreeStage:
    """Build the network that weights are of, and fill it; it is in evaluation mode."""
    network = ThreeStage(sizes_of(weights.tensors))
    load(network, weights.tensors)
    return network.set_train(False)


def load(cell: nn.Cell, tensors: dict[str, NDArray[Any]]) -> None:
    """Put tensors with PyTorch's names, of any floating-point type, into a `ThreeStage`.

    Raises
    ------
    UnshineError
        If they are those of another network.
    """
    own: dict[str, Parameter] = cell.parameters_dict()
    if {n: x.shape for n, x in tensors.items()} != {n: x.shape for n, x in own.items()}:
        raise UnshineError("These weights are of another network than this one.")
    for name, parameter in own.items():
        parameter.set_data(Tensor(tensors[name].astype(np.float32)))


def tensors(network: nn.Cell) -> dict[str, NDArray[Any]]:
    """Return a network's parameters; their names are PyTorch's."""
    return {parameter.name: parameter.asnumpy() for parameter in network.get_parameters()}


def _subtract(
    image: Tensor, linear: Tensor, light: Tensor, vivid: Tensor, answer: Tensor
) -> tuple[Tensor, Tensor]:
    """Take light of one colour off an image, and fill in what is clipped."""
    least = optics.encode(-_largest(-linear / light) + 1e-5)
    taken = _channels(answer, 0, 1) * least + _channels(answer, 1, 1)
    rest = ops.minimum((least - taken).clip(0, None), least)
    specular = optics.decode(least) - optics.decode(rest)
    measured = optics.add_light(image, -specular * _own_colour(linear, light))
    filled = image + _tinted(_channels(answer, 2, 3), vivid)
    return taken, measured + ramp(image, CLIPPED) * (filled - measured).clip(0, None)


def _own_colour(linear: Tensor, light: Tensor) -> Tensor:
    """The light's colour; the pixel's own where that is nearly the same."""
    share = linear / light
    largest, least = _largest(share), -_largest(-share)
    low, high = NEUTRAL
    neutral = ((high - (largest - least) / (largest + 1e-5)) / (high - low)).clip(0, 1)
    return light + neutral * (linear / (least + 1e-5) - light)


def _core(image: Tensor) -> Tensor:
    """Where all colours are clipped, and its rim, (B, 1, H, W)."""
    return ops.max_pool2d(ramp(-_largest(-image), CORE), 2 * RIM + 1, 1, RIM)


def _filled(image: Tensor, ungated: Tensor, core: Tensor, halvings: int) -> Tensor:
    """Fill what is not known from what surrounds it."""
    light = optics.decode(image)
    lost = ramp((light - optics.decode(ungated)) / (light + 1e-4), LOST)
    unknown = ops.maximum(ops.maximum(ramp(image, CLIPPED), lost), core)
    around = _surroundings(ungated, 1 - UNKNOWN * unknown, halvings)
    raised = ops.maximum(ops.minimum(around, image), ungated)
    return ungated + unknown * (raised + core * (around - raised) - ungated)


def _doubt(image: Tensor, ungated: Tensor, around: Tensor, highlight: Tensor) -> Tensor:
    """By how many logits a highlight is less likely, for what is left under it is grey."""
    greyer = _spread(around) - _spread(ungated)
    burnt = ramp(_largest(image), BURNT)
    cells = ops.cat((greyer * highlight, burnt * highlight, highlight), 1)
    cells = ops.avg_pool2d(cells, 4 * CELL, 4 * CELL)
    cells = ops.avg_pool2d(cells, WINDOW, 1, WINDOW // 2)
    under = _channels(cells, 2, 1) + GLINT
    greyer, burnt = _channels(cells, 0, 1) / under, _channels(cells, 1, 1) / under
    doubt = DOUBT * (greyer - PALE).clip(0, None) * (1 - 3 * burnt).clip(0, None)
    return resized(doubt, image.shape[2], image.shape[3])


def _coloured(image: Tensor, ungated: Tensor, around: Tensor, core: Tensor) -> Tensor:
    """Give what is left the hue of its surroundings, where it has less of it or is not sure."""
    grey, bright = ungated.mean(1, True), around.mean(1, True)
    own, theirs = ungated - grey, around - bright
    vivid, amount = (ops.sqrt((x * x).sum(1, keepdims=True) + 1e-6) for x in (theirs, own))
    alike = (own * theirs).sum(1, keepdims=True) / vivid
    colourful = ramp(_spread(around), COLOURFUL)
    short = ramp(SPREAD * (vivid - amount + colourful * (amount - alike)), GREYER)
    seen, left = optics.decode(image), optics.decode(ungated)
    unsure = ramp(_largest((seen - left) / (seen + 1e-4)), UNSURE)
    turned = ramp(1 - alike / (amount + FAINT), TURNED)
    wrong = ops.maximum(short, colourful * unsure * turned * (1 - core))
    wrong = wrong * ramp(_largest(image - ungated), DIMMED)
    grey = grey + ramp(_largest(image), BRIGHT) * (bright - grey).clip(0, None)
    lighter = (grey + 1e-3) / (bright + 1e-3)
    coloured = (grey + theirs * ops.minimum(lighter, lighter**0.5)).clip(0, 1)
    return ungated + wrong * (ops.minimum(coloured, image) - ungated)


def _surroundings(values: Tensor, known: Tensor, halvings: int, finest: int = 0) -> Tensor:
    """Means of what is known, each place's from the finest cells or windows that know enough."""
    count = known.shape[1]
    levels = [ops.avg_pool2d(ops.cat((values * known, known), 1), CELL, CELL)]
    for _ in range(halvings):
        levels.append(ops.avg_pool2d(levels[-1], 2, 2))
    largest = levels[-1]
    levels += [ops.avg_pool2d(largest, 2 * reach + 1, 1, reach) for reach in AROUND]
    around = levels[-1].mean((2, 3), True)
    around = _channels(around, 0, 3) / _channels(around, 3, count)
    for level in levels[finest:][::-1]:
        known = _channels(level, 3, count)
        around = resized(around, level.shape[2], level.shape[3])
        own = _channels(level, 0, 3) / known
        around = around + (2 * known).clip(0, 1) * (own - around)
    return resized(around, values.shape[2], values.shape[3])


def _spread(image: Tensor) -> Tensor:
    """How far the channels are apart: 0 for grey, (B, 1, H, W)."""
    return _largest(image) + _largest(-image)


def _light(tint: Tensor, vivid: Tensor, height: int, width: int) -> Tensor:
    """The light's colour at every pixel; white for a grey image."""
    tint = resized(ops.tanh(tint), height, width) * (TINT * vivid)
    red, blue = ops.exp(_channels(tint, 0, 1)), ops.exp(_channels(tint, 1, 1))
    light = ops.cat((red, ops.ones_like(red), blue), 1)
    return light / _largest(light)


def _agreed(votes: Tensor) -> Tensor:
    """Half a pixel's own logits, half those of the surest cell nearby."""
    cells = ops.avg_pool2d(votes, CELL, CELL)
    surest = ops.max_pool2d(cells, 2 * REACH + 1, 1, REACH)
    return 0.5 * votes + 0.5 * resized(surest, votes.shape[2], votes.shape[3])


def _tinted(change: Tensor, vivid: Tensor) -> Tensor:
    """A change of colours, its mean alone where the image is grey."""
    grey = change.mean(1, True)
    return grey + vivid * (change - grey)


def _channels(x: Tensor, first: int, count: int) -> Tensor:
    """Some channels; indexing by brackets is over ten times as slow."""
    batch, _, height, width = x.shape
    return ops.slice(x, (0, first, 0, 0), (batch, count, height, width))


def _largest(x: Tensor) -> Tensor:
    """Largest of three channels, (B, 1, H, W)."""
    return ops.amax(x, 1, True)
