"""The three-stage network in PyTorch."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unshine import optics
from unshine.networks.three_stage import Sizes, blend, highlight_map, sizes_of
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
    """Stage 3's image as if everywhere were a highlight, (B, 3, H, W), display, not clipped."""
    logits: Tensor
    """What `highlight_map` turns into `highlight`, (B, 1, H, W)."""
    residue: Tensor
    """I − A·S, linear and signed: what the loss on R sees."""


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return x + self.second(F.relu(self.first(F.relu(x))))


class EncoderDecoder(nn.Module):
    """A U-Net that works at half resolution; its answer starts as zero.

    Parameters
    ----------
    inputs, outputs : int
        Channels of the pictures that go in and come out, both at full resolution.
    widths : tuple of int
        Channels at 1/2, 1/4, 1/8 ... of the resolution.
    blocks : int
        Residual blocks at each level, on either side.
    """

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.stem = nn.Conv2d(inputs, widths[0], 4, stride=2, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(wide, deep, 2, stride=2) for wide, deep in pairs)
        # Few channels at half resolution are what costs most: the encoder has no blocks there.
        self.encoder = nn.ModuleList(_blocks(width, blocks) for width in widths[1:])
        self.up = nn.ModuleList(nn.Conv2d(deep, wide, 1) for wide, deep in pairs)
        self.decoder = nn.ModuleList(_blocks(width, blocks) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 4 * outputs, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        x = self.stem(x)
        skips = []
        for down, encoder in zip(self.down, self.encoder, strict=True):
            skips.append(x)
            x = encoder(down(x))
        for skip, up, decoder in zip(
            reversed(skips), reversed(self.up), reversed(self.decoder), strict=True
        ):
            x = decoder(skip + F.interpolate(up(x), scale_factor=2.0, mode="nearest"))
        return F.pixel_shuffle(self.head(F.relu(x)), 2)


class ThreeStage(nn.Module):
    """Physics-based removal, refinement, tone correction (TSHRNet's stages, our sizes).

    The untrained network is the identity: every stage predicts a change to the picture, and all
    changes start at zero.

    References
    ----------
    Fu et al., "Towards High-Quality Specular Highlight Removal by Leveraging Large-scale Synthetic
    Data", ICCV 2023.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.multiple = sizes.multiple
        self.albedo = EncoderDecoder(3, 3, sizes.albedo, sizes.blocks)
        self.shading = EncoderDecoder(3, 3, sizes.shading, sizes.blocks)
        self.refine = EncoderDecoder(6, 3, sizes.refine, sizes.blocks)
        self.tone = EncoderDecoder(9, 4, sizes.tone, sizes.blocks)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> Outputs:
        """Take a picture apart.

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
        # Stage 1. The product commutes with a power law, so it may be taken of display values;
        # the difference belongs in linear light.
        albedo = (image + self.albedo(image).float()).clip(0, 1)
        shading = (1 + self.shading(image).float()).clip(0, 4)
        coarse = albedo * shading
        residue = optics.residue(optics.decode(image), optics.decode(coarse))
        # Stage 2.
        change = self.refine(torch.cat([coarse, image], 1)).float()
        diffuse = image + change
        # Stage 3.
        tone = self.tone(torch.cat([diffuse, residue, image], 1)).float()
        logits = tone[:, 3:]
        highlight = highlight_map(logits)
        change = change + tone[:, :3]
        return Outputs(
            albedo,
            optics.decode(shading),
            diffuse.clip(0, 1),
            residue.clip(0, None),
            blend(image, change, highlight),
            highlight,
            image + change,
            logits,
            residue,
        )


def build(weights: Weights) -> ThreeStage:
    """Build the network that weights are of, and fill it; it is in evaluation mode."""
    network = ThreeStage(sizes_of(weights.tensors))
    tensors = {n: torch.from_numpy(x.astype(np.float32)) for n, x in weights.tensors.items()}
    network.load_state_dict(tensors)
    return network.eval()


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))
