"""The three-stage network in PyTorch."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unshine import optics
from unshine.networks import three_stage
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


class Outputs(NamedTuple):
    """What the network says about an image: `OUTPUTS`, and what the losses need besides."""

    albedo: Tensor
    """A, (B, 3, H, W), display."""
    shading: Tensor
    """S, (B, 3, H, W), linear."""
    diffuse: Tensor
    """D of stage 2, (B, 3, H, W), display."""
    specular: Tensor
    """R of stage 1, (B, 3, H, W), linear, never negative."""
    clean: Tensor
    """The result, (B, 3, H, W), display; equals the input where `highlight` is 0."""
    highlight: Tensor
    """Soft highlight map, (B, 1, H, W), in [0, 1]."""
    ungated: Tensor
    """Stage 3's image as if everywhere were a highlight, (B, 3, H, W), display."""
    logits: Tensor
    """What `highlight_map` turns into `highlight`, (B, 1, H, W)."""
    residue: Tensor
    """I − A·S, (B, 3, H, W), linear and signed: what the loss on R sees."""
    taken: Tensor
    """How far the least channel is to fall, (B, 1, H, W), display, not cut at 0."""
    votes: Tensor
    """Every pixel's own logits, (B, 1, H, W): what the loss on the map sees."""
    light: Tensor
    """The light's colour, (B, 3, H, W), linear; its largest channel is 1. It passes no gradient."""


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        _start_at_zero(self.second)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x + self.second(F.relu(self.first(F.relu(x))))


class Bottleneck(nn.Module):
    """A block of the context, its normalisation folded into the convolutions."""

    def __init__(self, shape: three_stage.Bottleneck) -> None:
        super().__init__()
        self.shape = shape
        self.expand = nn.Conv2d(shape.inputs, shape.wide, 1) if shape.widening > 1 else None
        self.depthwise = nn.Conv2d(
            shape.wide, shape.wide, shape.size, shape.stride, groups=shape.wide
        )
        self.project = nn.Conv2d(shape.wide, shape.outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        wide = x if self.expand is None else F.relu6(self.expand(x))
        wide = F.pad(wide, 2 * (self.shape.before, self.shape.after))
        narrow: Tensor = self.project(F.relu6(self.depthwise(wide)))
        return x + narrow if self.shape.shortcut else narrow


class Context(nn.Module):
    """What is in the picture, in the terms of EfficientNet-Lite0, at half of the resolution.

    Learnt by naming a thousand kinds of things in photographs, and kept as it is: of lamps, petals
    and plates it has seen more than highlights can be taught with.

    References
    ----------
    Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, CONTEXT_STEM, 3, 2)
        self.blocks = nn.ModuleList(Bottleneck(shape) for shape in CONTEXT)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W), display, to what the tapped blocks say at 1/8, 1/16, 1/32 of its size."""
        half = F.pad(F.avg_pool2d(image, 2), (0, 1, 0, 1), mode="replicate")
        x = F.relu6(self.stem(half))
        said = []
        for shape, block in zip(CONTEXT, self.blocks, strict=True):
            x = block(x)
            if shape.tapped:
                said.append(CONTEXT_SCALE * x)
        return said


class EncoderDecoder(nn.Module):
    """A U-Net that sees cells of 4×4 pixels as one; its answer starts as zero.

    What its lowest level sees of the whole image, mean and maximum, is added there everywhere, so
    that no highlight is too large for it.

    Parameters
    ----------
    inputs, outputs : int
        Channels of the images that go in and come out, both at full resolution.
    features : int
        Channels of the features of the stage before; 0 for the first.
    widths : tuple of int
        Channels at 1/4, 1/8, 1/16 ... of the resolution.
    light : bool
        Whether the lowest level also says what colour the light has.
    context : tuple of int
        Channels of what `Context` says at 1/8, 1/16, 1/32 ... of the resolution.
    """

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
        self.stem = nn.Conv2d(inputs * CELL**2, widths[0], 1)
        self.merge = nn.Conv2d(features, widths[0], 1) if features else None
        self.entry = nn.Conv2d(widths[0], widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(wide, deep, 2, stride=2) for wide, deep in pairs)
        # The fewest channels at the most places are what costs most: no blocks on the way down.
        self.encoder = nn.ModuleList(Block(width) for width in widths[1:])
        self.context = nn.ModuleList(
            nn.Conv2d(said, width, 1) for said, width in zip(context, widths[1:], strict=False)
        )
        self.overview = nn.Linear(2 * widths[-1], widths[-1])
        self.light = nn.Conv2d(widths[-1], 2, 1) if light else None
        self.up = nn.ModuleList(nn.Conv2d(deep, wide, 1) for wide, deep in pairs)
        self.decoder = nn.ModuleList(Block(width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4 * outputs, 3, padding=1)
        _start_at_zero(self.head)
        for convolution in (*self.context, *([self.light] if self.light else [])):
            _start_at_zero(convolution)

    def forward(
        self, image: Tensor, features: Tensor | None = None, context: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Answer for an image.

        Parameters
        ----------
        image : Tensor, (B, inputs, H, W)
        features : Tensor, (B, C, H / 4, W / 4), optional
            Of the stage before.
        context : sequence of Tensor
            As `Context` gives it, where the stage takes it.

        Returns
        -------
        answer : Tensor, (B, outputs, H, W)
            Made at half of the resolution and enlarged smoothly: no grid shows.
        features : Tensor, (B, widths[0], H / 4, W / 4)
        light : Tensor, (B, 2, h, w), optional
            Logarithms of the light's red and blue, before they are limited.
        """
        # As 1×1 on pixel_unshuffle(image), whose transposition would take a tenth of the time.
        kernel = self.stem.weight.view(-1, image.shape[1], CELL, CELL)
        x = F.conv2d(image, kernel, self.stem.bias, stride=CELL)
        if self.merge is not None:
            x = x + self.merge(features)
        x = self.entry(F.relu(x))
        skips = []
        said = [take(x) for take, x in zip(self.context, context, strict=False)]
        for level, (down, encoder) in enumerate(zip(self.down, self.encoder, strict=True)):
            skips.append(x)
            x = down(x)
            x = encoder(x + said[level] if said else x)
        overview = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        x = x + self.overview(overview)[:, :, None, None]
        light = None if self.light is None else self.light(F.relu(x)).float()
        for skip, up, decoder in zip(
            reversed(skips), reversed(self.up), reversed(self.decoder), strict=True
        ):
            x = decoder(skip + F.interpolate(up(x), scale_factor=2.0, mode="nearest"))
        answer = F.pixel_shuffle(self.head(F.relu(x)), 2).float()
        return F.interpolate(answer, scale_factor=2.0, mode="bilinear"), x, light


class ThreeStage(nn.Module):
    """Physics-based removal, refinement, tone correction (TSHRNet's stages, our sizes).

    The untrained network is the identity: every stage predicts a change to the image, and all
    changes start at zero. Grey images stay grey, whatever the weights. What is measured changes by
    one map times the colour of the light (or the pixel's own where that is nearly it); what is
    clipped, and where hardly any light is left, is filled from its surroundings. What is greyer
    than these takes their hue; where that would be most of a bright patch, the map is lowered.

    References
    ----------
    Fu et al., "Towards High-Quality Specular Highlight Removal by Leveraging Large-scale Synthetic
    Data", ICCV 2023.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.multiple, self.halvings = sizes.multiple, sizes.halvings
        self.physics = EncoderDecoder(*STAGES["physics"], 0, sizes.physics)
        self.refine = EncoderDecoder(*STAGES["refine"], sizes.physics[0], sizes.refine, light=True)
        self.context = Context()
        self.tone = EncoderDecoder(*STAGES["tone"], sizes.refine[0], sizes.tone, context=SAID)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> Outputs:
        """Take an image apart.

        Parameters
        ----------
        image : Tensor, (B, 3, H, W)
            Display values in [0, 1], of any height and width.
        """
        height, width = image.shape[-2:]
        # Written with positive numbers alone: ONNX rounds quotients towards zero.
        right, below = (
            (x + self.multiple - 1) // self.multiple * self.multiple - x for x in (width, height)
        )
        image = F.pad(image, (0, right, 0, below), mode="replicate")
        outputs = self._stages(image.contiguous(memory_format=torch.channels_last))
        return Outputs(*(x[..., :height, :width] for x in outputs))

    def _stages(self, image: Tensor) -> Outputs:
        # 0 for a grey image, 1 for one with any colour: what colours anything is multiplied by it.
        vivid = _spread(image).amax((2, 3), True)
        vivid = (8 * vivid).clip(0, 1)
        linear = optics.decode(image)
        # Stage 1. The product commutes with a power law, so it may be taken of display values;
        # the difference belongs in linear light.
        answer, features, _ = self.physics(image)
        albedo = (image + _tinted(answer[:, :3], vivid)).clip(0, 1)
        shading = (1 + _tinted(answer[:, 3:], vivid)).clip(0, 4)
        coarse = albedo * shading
        residue = optics.residue(linear, optics.decode(coarse))
        # Stage 2.
        answer, features, tint = self.refine(torch.cat([coarse, image], 1), features)
        light = _light(tint, vivid, image.shape[-2:])
        _, diffuse = _subtract(image, linear, light, vivid, answer)
        # Stage 3.
        tone, _, _ = self.tone(
            torch.cat([diffuse, residue, image], 1), features, self.context(image)
        )
        taken, ungated = _subtract(image, linear, light, vivid, answer + tone[:, :5])
        core = _core(image)
        ungated = _filled(image, ungated.clip(0, 1), core, self.halvings)
        votes = tone[:, 5:]
        logits = _agreed(votes)
        # What may be a highlight hardly counts: its fringe is paler than the surface.
        highlight = highlight_map(logits).detach()
        known = 1 - UNKNOWN * (1 - (1 - highlight) ** 4)
        around = _surroundings(image, known, self.halvings, FINEST)
        logits = logits - _doubt(image, ungated.detach(), around, highlight)
        highlight = highlight_map(logits)
        ungated = _coloured(image, ungated, around, core)
        # Its error teaches the map alone: where that is in doubt, the picture would learn to take
        # twice as much so that half of it is enough.
        clean = blend(image, ungated.detach(), highlight)
        return Outputs(
            albedo,
            optics.decode(shading),
            diffuse.clip(0, 1),
            residue.clip(0, None),
            clean,
            highlight,
            ungated,
            logits,
            residue,
            taken,
            votes,
            light.detach(),
        )


def untrained(seed: int, variant: str, width: int) -> ThreeStage:
    """Make a network of the sizes `FAST`: the context as it is, random numbers in all the rest."""
    network = ThreeStage(three_stage.FAST)
    known = {name: torch.from_numpy(x) for name, x in three_stage.context().items()}
    network.load_state_dict(known, strict=False)
    return network


def build(weights: Weights) -> ThreeStage:
    """Build the network that weights are of, and fill it; it is in evaluation mode."""
    network = ThreeStage(sizes_of(weights.tensors))
    tensors = {n: torch.from_numpy(x.astype(np.float32)) for n, x in weights.tensors.items()}
    network.load_state_dict(tensors)
    return network.eval()


def _subtract(
    image: Tensor, linear: Tensor, light: Tensor, vivid: Tensor, answer: Tensor
) -> tuple[Tensor, Tensor]:
    """Take light of one colour off an image, and fill in what is clipped.

    `answer` says by how much the least channel falls, as a straight line of its own value (so that
    the edges of a highlight are the image's own), and what to change where a channel is clipped.
    More light than is seen fell on a clipped channel, so that what is measured there is the least
    that can be left.
    """
    least = optics.encode((linear / light).amin(1, keepdim=True) + 1e-5)
    taken = answer[:, :1] * least + answer[:, 1:2]
    rest = torch.minimum((least - taken).clip(0, None), least)
    specular = optics.decode(least) - optics.decode(rest)
    measured = optics.add_light(image, -specular * _own_colour(linear, light))
    filled = image + _tinted(answer[:, 2:5], vivid)
    return taken, measured + ramp(image, CLIPPED) * (filled - measured).clip(0, None)


def _own_colour(linear: Tensor, light: Tensor) -> Tensor:
    """The light's colour; the pixel's own where that is nearly the same.

    The light is never known exactly: taken off black lacquer, a hint of green too much leaves
    purple.
    """
    share = linear / light
    largest, least = share.amax(1, keepdim=True), share.amin(1, keepdim=True)
    low, high = NEUTRAL
    neutral = ((high - (largest - least) / (largest + 1e-5)) / (high - low)).clip(0, 1)
    return light + neutral * (linear / (least + 1e-5) - light)


def _core(image: Tensor) -> Tensor:
    """Where all colours are clipped, and its rim, (B, 1, H, W)."""
    white = ramp(image.amin(1, keepdim=True), CORE)
    return F.max_pool2d(white, 2 * RIM + 1, 1, RIM)


def _filled(image: Tensor, ungated: Tensor, core: Tensor, halvings: int) -> Tensor:
    """Fill what is not known from what surrounds it: no second disc, no dark rim, no grid.

    Not known are channels that are clipped, or of whose light nearly all is taken. Where all
    colours are clipped the surroundings are all that is known; elsewhere they only raise.
    """
    light = optics.decode(image)
    lost = ramp((light - optics.decode(ungated)) / (light + 1e-4), LOST)
    unknown = torch.maximum(torch.maximum(ramp(image, CLIPPED), lost), core)
    around = _surroundings(ungated, 1 - UNKNOWN * unknown, halvings)
    raised = torch.maximum(torch.minimum(around, image), ungated)
    return ungated + unknown * (raised + core * (around - raised) - ungated)


def _doubt(image: Tensor, ungated: Tensor, around: Tensor, highlight: Tensor) -> Tensor:
    """By how many logits a highlight is less likely, for what is left under it is grey.

    Light lies on the colour that is around it. Where grey is left under most of a bright patch in
    colourful surroundings, the patch itself is pale: pith, fat, foam. Clipped colours say nothing.
    """
    greyer = _spread(around) - _spread(ungated)
    burnt = ramp(image.amax(1, keepdim=True), BURNT)
    cells = F.avg_pool2d(torch.cat([greyer * highlight, burnt * highlight, highlight], 1), 4 * CELL)
    cells = F.avg_pool2d(cells, WINDOW, 1, WINDOW // 2)
    greyer, burnt = (cells[:, k : k + 1] / (cells[:, 2:] + GLINT) for k in (0, 1))
    doubt = DOUBT * (greyer - PALE).clip(0, None) * (1 - 3 * burnt).clip(0, None)
    return F.interpolate(doubt, size=image.shape[-2:], mode="bilinear")


def _coloured(image: Tensor, ungated: Tensor, around: Tensor, core: Tensor) -> Tensor:
    """Give what is left the hue of its surroundings, where it has less of it or is not sure.

    Grey, purple or yellow is left where a channel was clipped, or where the light's colour is not
    quite known; another shade of their hue stays. It stays as bright as it is; where the image is
    clipped it is at least as bright as its surroundings, for there too much was taken.
    """
    grey, bright = (x.mean(1, keepdim=True) for x in (ungated, around))
    own, theirs = ungated - grey, around - bright
    # A constant of 1e-8 was lost on the way to ONNX.
    vivid, amount = (((x * x).sum(1, keepdim=True) + 1e-6).sqrt() for x in (theirs, own))
    alike = (own * theirs).sum(1, keepdim=True) / vivid
    colourful = ramp(_spread(around), COLOURFUL)
    short = ramp(SPREAD * (vivid - amount + colourful * (amount - alike)), GREYER)
    seen, left = optics.decode(image), optics.decode(ungated)
    unsure = ramp(((seen - left) / (seen + 1e-4)).amax(1, keepdim=True), UNSURE)
    turned = ramp(1 - alike / (amount + FAINT), TURNED)
    # Cores have been filled from their rings, which are nearer.
    wrong = torch.maximum(short, colourful * unsure * turned * (1 - core))
    wrong = wrong * ramp((image - ungated).amax(1, keepdim=True), DIMMED)
    grey = grey + ramp(image.amax(1, keepdim=True), BRIGHT) * (bright - grey).clip(0, None)
    # Colour that grew as much as the brightness would leave patches of neon.
    lighter = (grey + 1e-3) / (bright + 1e-3)
    coloured = (grey + theirs * torch.minimum(lighter, lighter**0.5)).clip(0, 1)
    return ungated + wrong * (torch.minimum(coloured, image) - ungated)


def _surroundings(values: Tensor, known: Tensor, halvings: int, finest: int = 0) -> Tensor:
    """Means of what is known, each place's from the finest cells or windows that know enough.

    Over cells of 4, 8, 16 ... pixels (without the first `finest`), over windows of the largest, and
    over the whole image.
    """
    levels = [F.avg_pool2d(torch.cat([values * known, known], 1), CELL)]
    for _ in range(halvings):
        levels.append(F.avg_pool2d(levels[-1], 2))
    largest = levels[-1]
    levels += [F.avg_pool2d(largest, 2 * reach + 1, 1, reach) for reach in AROUND]
    around = levels[-1].mean((2, 3), keepdim=True)
    around = around[:, :3] / around[:, 3:]
    for level in reversed(levels[finest:]):
        known = level[:, 3:]
        around = F.interpolate(around, size=level.shape[-2:], mode="bilinear")
        around = around + (2 * known).clip(0, 1) * (level[:, :3] / known - around)
    return F.interpolate(around, size=values.shape[-2:], mode="bilinear")


def _spread(image: Tensor) -> Tensor:
    """How far the channels are apart: 0 for grey, (B, 1, H, W)."""
    return image.amax(1, keepdim=True) - image.amin(1, keepdim=True)


def _light(tint: Tensor, vivid: Tensor, size: torch.Size) -> Tensor:
    """The light's colour at every pixel; white for a grey image."""
    tint = F.interpolate(torch.tanh(tint), size=size, mode="bilinear") * (TINT * vivid)
    light = torch.cat([tint[:, :1].exp(), torch.ones_like(tint[:, :1]), tint[:, 1:].exp()], 1)
    return light / light.amax(1, keepdim=True)


def _agreed(votes: Tensor) -> Tensor:
    """Half a pixel's own logits, half those of the surest cell nearby.

    What lies beside a sure highlight is likelier to be one: this is worth 0.2 dB at equal harm on
    tuples of our own, 0.4 on MIT's photographs.
    """
    cells = F.avg_pool2d(votes, CELL)
    surest = F.max_pool2d(cells, 2 * REACH + 1, 1, REACH)
    return 0.5 * votes + 0.5 * F.interpolate(surest, scale_factor=float(CELL), mode="bilinear")


def _tinted(change: Tensor, vivid: Tensor) -> Tensor:
    """A change of colours, its mean alone where the image is grey."""
    grey = change.mean(1, keepdim=True)
    return grey + vivid * (change - grey)


def _start_at_zero(convolution: nn.Conv2d) -> None:
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
