"""TSHRNet in PyTorch."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

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
from unshine.networks.weights import Weights


class Outputs(NamedTuple):
    """Of the variants `published` and `physical`; (B, 3, H, W) each, in `OUTPUTS`' order."""

    albedo: Tensor
    shading: Tensor
    specular: Tensor
    diffuse: Tensor
    """D_r, stage 2's."""
    clean: Tensor
    """D_tc, stage 3's: the final result."""


class MixedOutputs(NamedTuple):
    """Of the variant `mixed`; (B, 3, H, W) each, in `OUTPUTS`' order."""

    coarse: Tensor
    """The diffuse image as the first network predicts it."""
    specular: Tensor
    diffuse: Tensor
    clean: Tensor


class Convolution(nn.Module):
    """One layer: convolution, then BatchNorm if it has any."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if layer.transposed else nn.Conv2d
        # Drawing 117 million numbers only to replace them would take seconds.
        self.conv = nn.utils.skip_init(
            kind, layer.inputs, layer.outputs, 4, stride=2, padding=1, bias=layer.transposed
        )
        self.after = nn.BatchNorm2d(layer.outputs) if layer.norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H/2, W/2), or to twice the size if transposed."""
        return self.after(self.conv(x))


class UNet(nn.Module):
    """One of the four encoder-decoders."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        for layer in layers(inputs, width):
            self.add_module(layer.name, Convolution(layer))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 3, H, W) in [−1, 1]; H and W multiples of `MULTIPLE`."""
        x = self.get_submodule("Cv0")(x)
        skips = [x]
        for name in ("Cv1", "Cv2", "Cv3", "Cv4", "Cv4", "Cv4"):
            x = self.get_submodule(name)(F.leaky_relu(x, 0.2))
            skips.append(x)
        x = self.get_submodule("Cv5")(F.leaky_relu(x, 0.2))
        x = self.get_submodule("CvT6")(F.relu(x))
        for name in ("CvT7", "CvT7", "CvT7", "CvT8", "CvT9", "CvT10", "CvT11"):
            x = self.get_submodule(name)(F.relu(torch.cat([x, skips.pop()], 1)))
        return torch.tanh(x)


class TSHRNet(nn.Module):
    """The paper's three stages.

    Parameters
    ----------
    variant : {"published", "physical", "mixed"}
        See `unshine.networks.tshrnet.Variant`.
    seed : int, optional
        Of the fresh weights; without one they are undefined until `load` fills them.
    width : int
        Channels at half resolution; only tests need others than the paper's.

    References
    ----------
    Fu et al., "Towards High-Quality Specular Highlight Removal by Leveraging Large-scale Synthetic
    Data", ICCV 2023.
    """

    def __init__(
        self, variant: str = "published", seed: int | None = None, width: int = WIDTH
    ) -> None:
        super().__init__()
        self.variant = variant
        self.UNet1 = UNet(INPUTS["UNet1"], width)
        self.UNet2 = UNet(INPUTS["UNet2"], width)
        self.UNet3 = UNet(INPUTS["UNet3"], width)
        self.UNet4 = UNet(INPUTS["UNet4"], width)
        if seed is not None:
            load(self, initial(seed, width))

    def forward(self, image: Tensor) -> Outputs | MixedOutputs:
        """Take an image apart.

        Parameters
        ----------
        image : Tensor, (B, 3, H, W)
            Display values in [0, 1], of any height and width.

        Returns
        -------
        Outputs or MixedOutputs
            Display values in [0, 1].
        """
        height, width = image.shape[-2:]
        # Written with positive numbers alone: ONNX rounds quotients towards zero.
        right, below = ((x + MULTIPLE - 1) // MULTIPLE * MULTIPLE - x for x in (width, height))
        outputs = self.normalised(F.pad(image, (0, right, 0, below), mode="replicate"))
        return type(outputs)(*(display(x[..., :height, :width]).clip(0, 1) for x in outputs))

    def normalised(self, image: Tensor) -> Outputs | MixedOutputs:
        """Take an image apart as the losses see it.

        Parameters
        ----------
        image : Tensor, (B, 3, H, W)
            Display values in [0, 1]; height and width are multiples of `MULTIPLE`.

        Returns
        -------
        Outputs or MixedOutputs
            Normalised and not clipped. Each has a loss of its own: its mean squared difference
            from the normalised display image of the truth (A, S, R, D, D_tc; for `mixed` D, R,
            D, D_tc), in every variant.
        """
        image = normalise(image)
        first, second = self.UNet1(image), self.UNet2(image)
        coarse, residue = stage_one(self.variant, image, first, second)
        diffuse = self.UNet3(torch.cat([coarse, image], 1))
        clean = self.UNet4(torch.cat([diffuse, residue, image], 1))
        if self.variant == "mixed":
            return MixedOutputs(coarse, residue, diffuse, clean)
        return Outputs(first, second, residue, diffuse, clean)


def untrained(seed: int, variant: str, width: int) -> TSHRNet:
    """Make an untrained network, filled from NumPy's random numbers; see `TSHRNet`."""
    return TSHRNet(variant, seed, width)


def build(weights: Weights) -> TSHRNet:
    """Build the network that weights are of, and fill it; it is in evaluation mode."""
    network = TSHRNet(weights.variant, width=width_of(weights.tensors))
    load(network, weights.tensors)
    return network.eval()


def load(network: TSHRNet, tensors: dict[str, NDArray[np.float32]]) -> None:
    """Put tensors with PyTorch's names (`Weights.tensors`) into the network."""
    own = network.state_dict()
    with torch.no_grad():
        for name, value in own.items():
            if name in tensors:
                value.copy_(torch.from_numpy(tensors[name]))
            elif name.endswith("num_batches_tracked"):
                value.zero_()
            else:
                raise KeyError(name)
