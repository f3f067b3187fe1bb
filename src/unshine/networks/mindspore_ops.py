"""Operators for MindSpore on a CPU, where its own are slow: convolutions with other gradients.

On other devices its own convolutions are used.
"""

from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray


def convolution(
    inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0, zero: bool = False
) -> nn.Conv2d:
    """Make a convolution with a bias, whose weights may start at zero."""
    start = {"weight_init": "zeros", "bias_init": "zeros"} if zero else {}
    kind = _Convolution if mindspore.get_context("device_target") == "CPU" else nn.Conv2d
    return kind(
        inputs, outputs, size, stride, pad_mode="pad", padding=padding, has_bias=True, **start
    )


def fixed(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Make a convolution with a bias, without padding, that is never trained."""
    made = nn.Conv2d(inputs, outputs, size, stride, pad_mode="valid", group=groups, has_bias=True)
    for parameter in made.get_parameters():
        parameter.requires_grad = False
    return made


def padded(image: Tensor, multiple: int) -> Tensor:
    """Repeat an image's border to the right and below, up to multiples of a size."""
    height, width = image.shape[-2:]
    return extended(image, -width % multiple, -height % multiple)


def extended(image: Tensor, right: int, below: int) -> Tensor:
    """Repeat an image's border, so many pixels to the right and below."""
    batch, colours, height, width = image.shape
    # Concatenated by hand: MindSpore's own replication is slower, forwards and backwards.
    if right:
        column = ops.broadcast_to(image[..., -1:], (batch, colours, height, right))
        image = ops.cat((image, column), -1)
    if below:
        row = ops.broadcast_to(image[:, :, -1:], (batch, colours, below, width + right))
        image = ops.cat((image, row), -2)
    return image


def doubled(x: Tensor) -> Tensor:
    """Enlarge by two, without blending; three times as fast as a broadcast on a CPU."""
    batch, channels, height, width = x.shape
    twice = Tensor(np.eye(width, dtype=np.float32).repeat(2, 1))
    columns = ops.matmul(x.reshape(-1, width), twice)
    return ops.cat((columns, columns), 1).reshape(batch, channels, 2 * height, 2 * width)


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """Enlarge bilinearly, as PyTorch does without aligned corners: two products of matrices.

    Parameters
    ----------
    x : Tensor, (B, C, h, w)
    height, width : int
    """
    batch, channels, h, w = x.shape
    across = Tensor(_bilinear(w, width).T.copy())
    down = Tensor(_bilinear(h, height))
    wide = ops.matmul(x.reshape(-1, w), across).reshape(batch * channels, h, width)
    return ops.matmul(down, wide).reshape(batch, channels, height, width)


def _bilinear(size: int, larger: int) -> NDArray[np.float32]:
    """The matrix, (larger, size), that enlarges a row of pixels."""
    place = ((np.arange(larger) + 0.5) * size / larger - 0.5).clip(0, size - 1)
    low = np.floor(place).astype(int).clip(0, max(size - 2, 0))
    share = (place - low).astype(np.float32)
    matrix = np.zeros((larger, size), np.float32)
    matrix[np.arange(larger), low] = 1 - share
    matrix[np.arange(larger), np.minimum(low + 1, size - 1)] += share
    return matrix


class _Product(nn.Cell):
    """A convolution with cheaper gradients on a CPU than MindSpore's own.

    MindSpore's come from the slowest kernels of an old oneDNN. Here the gradient by the weights is
    a product of matrices, and that by the image a convolution again wherever the stride is 1.
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
            # Every shift of the image against the gradient is one by rows of the image and
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


def _by_row(x: Tensor) -> Tensor:
    """Stack an image shifted down by one row, as it is, and shifted up: (B, 3·C, H·W)."""
    batch, channels, height, width = x.shape
    nothing = ops.zeros((batch, channels, 1, width), x.dtype)
    size = (batch, channels, height - 1, width)
    down = ops.cat((nothing, ops.slice(x, (0, 0, 0, 0), size)), 2)
    up = ops.cat((ops.slice(x, (0, 0, 1, 0), size), nothing), 2)
    return ops.cat((down, x, up), 1).reshape(batch, 3 * channels, height * width)


def _by_column(x: Tensor) -> Tensor:
    """Stack an image shifted left by one column, as it is, and shifted right: (B, 3·C, H·W)."""
    batch, channels, height, width = x.shape
    nothing = ops.zeros((batch, channels, height, 1), x.dtype)
    size = (batch, channels, height, width - 1)
    left = ops.cat((ops.slice(x, (0, 0, 0, 1), size), nothing), 3)
    right = ops.cat((nothing, ops.slice(x, (0, 0, 0, 0), size)), 3)
    return ops.cat((left, x, right), 1).reshape(batch, 3 * channels, height * width)
