"""TSHRNet in MindSpore: `torch.py`, operator by operator and name by name."""

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from unshine.networks.mindspore_ops import padded
from unshine.networks.tshrnet import (
    INPUTS,
    MULTIPLE,
    WIDTH,
    Layer,
    display,
    initial,
    layers,
    normalise,
    stage_one,
    width_of,
)
from unshine.networks.weights import BATCHNORM, Weights


class Convolution(nn.Cell):
    """One layer: convolution, then BatchNorm if it has any."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        kind = nn.Conv2dTranspose if layer.transposed else nn.Conv2d
        self.conv = kind(
            layer.inputs,
            layer.outputs,
            4,
            stride=2,
            pad_mode="pad",
            padding=1,
            has_bias=layer.transposed,
            weight_init="zeros",
            bias_init="zeros",
        )
        self.norm = layer.norm
        if layer.norm:
            # On a CPU it stores the unbiased variance, as PyTorch does.
            self.after = nn.BatchNorm2d(layer.outputs, eps=1e-5, momentum=0.9)

    def construct(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H/2, W/2), or to twice the size if transposed."""
        x = self.conv(x)
        if self.norm:
            x = self.after(x)
        return x


class UNet(nn.Cell):
    """One of the four encoder-decoders."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        for layer in layers(inputs, width):
            setattr(self, layer.name, Convolution(layer))

    def construct(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 3, H, W) in [−1, 1]; H and W multiples of `MULTIPLE`."""
        # In full: the graph compiler sees loops over cells, but not through a list of skips.
        x0 = self.Cv0(x)
        x1 = self.Cv1(_leaky(x0))
        x2 = self.Cv2(_leaky(x1))
        x3 = self.Cv3(_leaky(x2))
        x4 = self.Cv4(_leaky(x3))
        x5 = self.Cv4(_leaky(x4))
        x6 = self.Cv4(_leaky(x5))
        x = self.CvT6(ops.relu(self.Cv5(_leaky(x6))))
        x = self.CvT7(_joined(x, x6))
        x = self.CvT7(_joined(x, x5))
        x = self.CvT7(_joined(x, x4))
        x = self.CvT8(_joined(x, x3))
        x = self.CvT9(_joined(x, x2))
        x = self.CvT10(_joined(x, x1))
        x = self.CvT11(_joined(x, x0))
        return ops.tanh(x)


class TSHRNet(nn.Cell):
    """The paper's three stages; see `torch.TSHRNet`.

    Parameters
    ----------
    variant : {"published", "physical", "mixed"}
        See `unshine.networks.tshrnet.Variant`.
    seed : int, optional
        Of the fresh weights; without one they are zero until `load` fills them.
    width : int
        Channels at half resolution; only tests need others than the paper's.
    """

    def __init__(
        self, variant: str = "published", seed: int | None = None, width: int = WIDTH
    ) -> None:
        super().__init__()
        self.variant = variant
        for name, inputs in INPUTS.items():
            setattr(self, name, UNet(inputs, width))
        if seed is not None:
            load(self, initial(seed, width))

    def construct(self, image: Tensor) -> tuple[Tensor, ...]:
        """Take an image apart.

        Parameters
        ----------
        image : Tensor, (B, 3, H, W)
            Display values in [0, 1], of any height and width.

        Returns
        -------
        tuple of Tensor, (B, 3, H, W) each
            `OUTPUTS[variant]`, display values in [0, 1].
        """
        height, width = image.shape[2:]
        outputs = self.normalised(padded(image, MULTIPLE))
        return tuple([display(x[:, :, :height, :width]).clip(0, 1) for x in outputs])

    def normalised(self, image: Tensor) -> tuple[Tensor, ...]:
        """Take an image apart as the losses see it.

        Parameters
        ----------
        image : Tensor, (B, 3, H, W)
            Display values in [0, 1]; height and width are multiples of `MULTIPLE`.

        Returns
        -------
        tuple of Tensor
            `OUTPUTS[variant]`, normalised and not clipped; see `torch.TSHRNet.normalised`.
        """
        image = normalise(image)
        first, second = self.UNet1(image), self.UNet2(image)
        coarse, residue = stage_one(self.variant, image, first, second)
        diffuse = self.UNet3(ops.cat((coarse, image), 1))
        clean = self.UNet4(ops.cat((diffuse, residue, image), 1))
        if self.variant == "mixed":
            return coarse, residue, diffuse, clean
        return first, second, residue, diffuse, clean


def untrained(seed: int, variant: str, width: int) -> TSHRNet:
    """Make an untrained network, filled from NumPy's random numbers; see `TSHRNet`."""
    return TSHRNet(variant, seed, width)


def build(weights: Weights) -> TSHRNet:
    """Build the network that weights are of, and fill it; it is in evaluation mode."""
    network = TSHRNet(weights.variant, width=width_of(weights.tensors))
    load(network, weights.tensors)
    return network.set_train(False)


def load(network: TSHRNet, tensors: dict[str, NDArray[np.float32]]) -> None:
    """Put tensors with PyTorch's names (`Weights.tensors`) into the network."""
    own: dict[str, Parameter] = network.parameters_dict()
    for name, parameter in own.items():
        parameter.set_data(Tensor(tensors[torch_name(name)].astype(np.float32)))


def tensors(network: nn.Cell) -> dict[str, NDArray[np.float32]]:
    """Return a network's parameters and BatchNorm statistics under PyTorch's names."""
    own: dict[str, Parameter] = network.parameters_dict()
    return {torch_name(name): parameter.asnumpy() for name, parameter in own.items()}


def torch_name(name: str) -> str:
    """From MindSpore's name of a tensor to PyTorch's."""
    stem, _, last = name.rpartition(".")
    return f"{stem}.{BATCHNORM.get(last, last)}"


def _leaky(x: Tensor) -> Tensor:
    return ops.leaky_relu(x, 0.2)


def _joined(x: Tensor, skip: Tensor) -> Tensor:
    return ops.relu(ops.cat((x, skip), 1))
