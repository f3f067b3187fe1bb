"""The three-stage network in MindSpore: `torch.py`, operator by operator and name by name."""

from itertools import pairwise
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from unshine import optics
from unshine.errors import UnshineError
from unshine.networks.three_stage import Sizes, blend, highlight_map, sizes_of
from unshine.networks.weights import Weights

Nine = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""What `torch.Outputs` names, in its order."""


class Block(nn.Cell):
    """Two 3×3 convolutions around a shortcut; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels, 3, padding=1)
        self.second = _convolution(channels, channels, 3, padding=1, zero=True)

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
        self.stem = _convolution(inputs, widths[0], 4, stride=2, padding=1)
        self.down = nn.CellList([_convolution(wide, deep, 2, stride=2) for wide, deep in pairs])
        self.encoder = nn.CellList([_blocks(width, blocks) for width in widths[1:]])
        self.up = nn.CellList([_convolution(deep, wide, 1) for wide, deep in pairs])
        self.decoder = nn.CellList([_blocks(width, blocks) for width in widths[:-1]])
        self.head = _convolution(widths[0], 4 * outputs, 3, padding=1, zero=True)
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
            x = self.decoder[level](skips[level] + _doubled(self.up[level](x)))
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
        batch, colours, height, width = image.shape
        right, below = -width % self.multiple, -height % self.multiple
        # Concatenated by hand: MindSpore's own replication is slower, forwards and backwards.
        if right:
            column = ops.broadcast_to(image[..., -1:], (batch, colours, height, right))
            image = ops.cat((image, column), -1)
        if below:
            row = ops.broadcast_to(image[:, :, -1:], (batch, colours, below, width + right))
            image = ops.cat((image, row), -2)
        outputs = self._stages(image)
        if not (right or below):
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


class _Product(nn.Cell):
    """A convolution with cheaper gradients on a CPU than MindSpore's own.

    MindSpore's come from the slowest kernels of an old oneDNN. Here the gradient by the weights is
    a product of matrices, and that by the picture a convolution again wherever the stride is 1.
    """

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, padding: int) -> None:
        super().__init__()
        self.size, self.stride, self.padding = size, stride, padding
        self.forwards = ops.Conv2D(outputs, size, pad_mode="pad", pad=padding, stride=stride)
        self.turned = ops.Conv2D(inputs, size, pad_mode="pad", pad=size - 1 - padding)
        self.backwards = ops.Conv2DBackpropInput(outputs, size, "pad", padding, stride=stride)
        self.by_transpose = ops.BatchMatMul(transpose_b=True)
        self.reversal = Tensor(np.eye(size**2, dtype=np.float32)[::-1].copy())

    def construct(self, x: Tensor, weight: Tensor) -> Tensor:
        """(B, inputs, H, W) and (outputs, inputs, size, size) to (B, outputs, H', W')."""
        return self.forwards(x, weight)

    def bprop(self, x: Tensor, weight: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients by `x` and by `weight`."""
        batch, outputs, height, width = dout.shape
        if self.size == 3 and self.stride == 1:
            # Every shift of the picture against the gradient is one by rows of the picture and
            # one by columns of the gradient: two times three copies instead of nine.
            rows, columns = _by_row(x), _by_column(dout)
            product = self.by_transpose(columns, rows).sum(0)
            by_weight = product.reshape(3, outputs, 3, -1).transpose(1, 3, 2, 0)
        else:
            patches = x
            if self.size > 1:
                patches = ops.unfold(x, self.size, 1, self.padding, self.stride)
            patches = patches.reshape(batch, -1, height * width)
            product = self.by_transpose(dout.reshape(batch, outputs, height * width), patches)
            by_weight = product.sum(0).reshape(weight.shape)
        if self.stride == 1:
            # As a product, because MindSpore's own reversal takes as long as a convolution.
            turned = ops.matmul(weight.swapaxes(0, 1).reshape(-1, self.size**2), self.reversal)
            by_x = self.turned(dout, turned.reshape(-1, outputs, self.size, self.size))
        else:
            by_x = self.backwards(dout, weight, x.shape)
        return by_x, by_weight


class _Convolution(nn.Conv2d):
    """`nn.Conv2d` by way of `_Product`."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, **options: Any) -> None:
        super().__init__(inputs, outputs, size, stride, **options)
        self.product = _Product(inputs, outputs, size, stride, options["padding"])

    def construct(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H', W')."""
        return ops.bias_add(self.product(x, self.weight), self.bias)


def _convolution(
    inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0, zero: bool = False
) -> nn.Conv2d:
    start = {"weight_init": "zeros", "bias_init": "zeros"} if zero else {}
    kind = _Convolution if mindspore.get_context("device_target") == "CPU" else nn.Conv2d
    return kind(
        inputs, outputs, size, stride, pad_mode="pad", padding=padding, has_bias=True, **start
    )


def _blocks(width: int, count: int) -> nn.SequentialCell:
    return nn.SequentialCell([Block(width) for _ in range(count)])


def _by_row(x: Tensor) -> Tensor:
    """Stack a picture shifted down by one row, as it is, and shifted up: (B, 3·C, H·W)."""
    batch, channels, height, width = x.shape
    nothing = ops.zeros((batch, channels, 1, width), x.dtype)
    size = (batch, channels, height - 1, width)
    down = ops.cat((nothing, ops.slice(x, (0, 0, 0, 0), size)), 2)
    up = ops.cat((ops.slice(x, (0, 0, 1, 0), size), nothing), 2)
    return ops.cat((down, x, up), 1).reshape(batch, 3 * channels, height * width)


def _by_column(x: Tensor) -> Tensor:
    """Stack a picture shifted left by one column, as it is, and shifted right: (B, 3·C, H·W)."""
    batch, channels, height, width = x.shape
    nothing = ops.zeros((batch, channels, height, 1), x.dtype)
    size = (batch, channels, height, width - 1)
    left = ops.cat((ops.slice(x, (0, 0, 0, 1), size), nothing), 3)
    right = ops.cat((nothing, ops.slice(x, (0, 0, 0, 0), size)), 3)
    return ops.cat((left, x, right), 1).reshape(batch, 3 * channels, height * width)


def _doubled(x: Tensor) -> Tensor:
    """Enlarge by two, without blending; three times as fast as a broadcast on a CPU."""
    batch, channels, height, width = x.shape
    twice = Tensor(np.eye(width, dtype=np.float32).repeat(2, 1))
    columns = ops.matmul(x.reshape(-1, width), twice)
    return ops.cat((columns, columns), 1).reshape(batch, channels, 2 * height, 2 * width)


def _single(x: Tensor) -> Tensor:
    return x.astype(mindspore.float32)
