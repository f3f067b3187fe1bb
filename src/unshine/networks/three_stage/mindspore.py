"""The three-stage network in MindSpore: `torch.py`, operator by operator and name by name."""

from itertools import pairwise
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from unshine import optics
from unshine.errors import UnshineError
from unshine.networks.mindspore_ops import convolution, doubled, padded
from unshine.networks.three_stage import Sizes, blend, highlight_map, sizes_of
from unshine.networks.weights import Weights

Nine = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
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


class EncoderDecoder(nn.Cell):
    """A U-Net that works at half resolution; its answer starts as zero.

    The parameters are those of `torch.EncoderDecoder`.
    """

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.stem = convolution(inputs, widths[0], 4, stride=2, padding=1)
        self.down = nn.CellList([convolution(wide, deep, 2, stride=2) for wide, deep in pairs])
        self.encoder = nn.CellList([_blocks(width, blocks) for width in widths[1:]])
        self.up = nn.CellList([convolution(deep, wide, 1) for wide, deep in pairs])
        self.decoder = nn.CellList([_blocks(width, blocks) for width in widths[:-1]])
        self.head = convolution(widths[0], 4 * outputs, 3, padding=1, zero=True)
        self.levels = len(pairs)

    def construct(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        x = self.stem(x)
        skips = []
        for level in range(self.levels):
            skips.append(x)
            x = self.encoder[level](self.down[level](x))
        for depth in range(self.levels):
            level = self.levels - 1 - depth
            x = self.decoder[level](skips[level] + doubled(self.up[level](x)))
        return ops.pixel_shuffle(self.head(ops.relu(x)), 2)


class ThreeStage(nn.Cell):
    """Physics-based removal, refinement, tone correction; see `torch.ThreeStage`."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.multiple = sizes.multiple
        self.albedo = EncoderDecoder(3, 3, sizes.albedo, sizes.blocks)
        self.shading = EncoderDecoder(3, 3, sizes.shading, sizes.blocks)
        self.refine = EncoderDecoder(6, 3, sizes.refine, sizes.blocks)
        self.tone = EncoderDecoder(9, 4, sizes.tone, sizes.blocks)

    def construct(self, image: Tensor) -> Nine:
        """Take a picture apart.

        Parameters
        ----------
        image : Tensor, (B, 3, H, W)
            Display values in [0, 1], of any height and width.
        """
        height, width = image.shape[2:]
        outputs = self._stages(padded(image, self.multiple))
        if height % self.multiple == 0 and width % self.multiple == 0:
            return outputs
        return tuple([x[:, :, :height, :width] for x in outputs])

    def _stages(self, image: Tensor) -> Nine:
        # Stage 1.
        albedo = (image + _single(self.albedo(image))).clip(0, 1)
        shading = (1 + _single(self.shading(image))).clip(0, 4)
        coarse = albedo * shading
        residue = optics.residue(optics.decode(image), optics.decode(coarse))
        # Stage 2.
        change = _single(self.refine(ops.cat((coarse, image), 1)))
        diffuse = image + change
        # Stage 3.
        tone = _single(self.tone(ops.cat((diffuse, residue, image), 1)))
        # Indexing by brackets is over ten times as slow.
        colours = ops.slice(tone, (0, 0, 0, 0), image.shape)
        logits = ops.slice(tone, (0, 3, 0, 0), image[:, :1].shape)
        highlight = highlight_map(logits)
        change = change + colours
        return (
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


def _blocks(width: int, count: int) -> nn.SequentialCell:
    return nn.SequentialCell([Block(width) for _ in range(count)])


def _single(x: Tensor) -> Tensor:
    return x.astype(mindspore.float32)
