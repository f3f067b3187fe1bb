"""TSHRNet, the paper's network: what its two implementations share, in no framework's terms.

Four U-Nets of 29.25 M parameters each, named as in the published files: `UNet1` gives the albedo,
`UNet2` the shading, `UNet3` the refined diffuse image, `UNet4` the tone-corrected one. Inside,
images are display values normalised to [−1, 1].

References
----------
Fu et al., "Towards High-Quality Specular Highlight Removal by Leveraging Large-scale Synthetic
Data", ICCV 2023.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unshine import optics

Variant = Literal["published", "physical", "mixed"]
"""How stage 1 gets from the first two networks to the coarse diffuse image and the residue.

`published`
    A·S and I − A·S of the normalised values, as the authors compute them.
`physical`
    A·S of the display values (a power law commutes with a product), I − A·S in linear light.
`mixed`
    The two networks predict the coarse diffuse image and the residue themselves: for data that
    has no albedo and shading (SHIQ, PSD, mixtures).
"""

VARIANTS: tuple[str, ...] = get_args(Variant)

OUTPUTS: dict[str, tuple[str, ...]] = {
    "published": ("albedo", "shading", "specular", "diffuse", "clean"),
    "physical": ("albedo", "shading", "specular", "diffuse", "clean"),
    "mixed": ("coarse", "specular", "diffuse", "clean"),
}
"""What the network returns, in this order. All are display values, and all have a loss: A, S, R,
D_r, D_tc; for `mixed` the diffuse image (twice: `coarse` and refined), R, D_tc."""

NAME = "tshrnet"
TITLE = "TSHRNet"
MARKER = "UNet1.Cv0.conv.weight"
"""A tensor by which the network's weights are recognised."""
STORED = np.float32
"""How weights are kept on disk."""
LINEAR: tuple[str, ...] = ()
"""Outputs that are linear light: none, all are display values."""
EXPOSED = False

MULTIPLE = 256
"""Height and width must be multiples of this: eight halvings, from 256 to 1."""

INPUTS = {"UNet1": 3, "UNet2": 3, "UNet3": 6, "UNet4": 9}
"""Channels that go into each of the four networks."""

WIDTH = 64
"""Channels at half resolution; everything below has a multiple of them."""

TOE = 1e-3
"""Linear light below which the encoding of the residue becomes a straight line."""


@dataclass(frozen=True)
class Layer:
    """A convolution or transposed convolution (4×4, stride 2, padding 1) of a U-Net."""

    name: str
    inputs: int
    outputs: int
    norm: bool = True
    """Whether BatchNorm follows; it is called `after` in the files."""

    @property
    def transposed(self) -> bool:
        """Whether it doubles the size (and has a bias) or halves it (and has none)."""
        return self.name.startswith("CvT")


def layers(inputs: int, width: int = WIDTH) -> tuple[Layer, ...]:
    """Return the layers of a U-Net; Cv4 and CvT7 are applied three times each.

    Parameters
    ----------
    inputs : int
        Channels of the image that goes in; 3 come out.
    width : int
        Channels at half resolution; the paper's are `WIDTH`, tests use fewer.
    """
    return (
        Layer("Cv0", inputs, width, norm=False),
        Layer("Cv1", width, 2 * width),
        Layer("Cv2", 2 * width, 4 * width),
        Layer("Cv3", 4 * width, 8 * width),
        Layer("Cv4", 8 * width, 8 * width),
        Layer("Cv5", 8 * width, 8 * width, norm=False),
        Layer("CvT6", 8 * width, 8 * width),
        Layer("CvT7", 16 * width, 8 * width),
        Layer("CvT8", 16 * width, 4 * width),
        Layer("CvT9", 8 * width, 2 * width),
        Layer("CvT10", 4 * width, width),
        Layer("CvT11", 2 * width, 3, norm=False),
    )


def outputs(variant: str) -> tuple[str, ...]:
    """Return the names of what the network gives, in its order."""
    return OUTPUTS[variant]


def multiple(tensors: dict[str, NDArray[Any]]) -> int:
    """Return what height and width are padded to multiples of."""
    return MULTIPLE


def shapes(tensors: dict[str, NDArray[Any]]) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor of the network that these tensors are for."""
    return shapes_at(width_of(tensors))


def shapes_at(width: int = WIDTH) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor, PyTorch's names, without `num_batches_tracked`."""
    found: dict[str, tuple[int, ...]] = {}
    for network, inputs in INPUTS.items():
        for layer in layers(inputs, width):
            name = f"{network}.{layer.name}"
            ends = (layer.inputs, layer.outputs)
            found[f"{name}.conv.weight"] = (*(ends if layer.transposed else ends[::-1]), 4, 4)
            if layer.transposed:
                found[f"{name}.conv.bias"] = (layer.outputs,)
            if layer.norm:
                for part in ("weight", "bias", "running_mean", "running_var"):
                    found[f"{name}.after.{part}"] = (layer.outputs,)
    return found


def width_of(tensors: dict[str, NDArray[Any]]) -> int:
    """Return the `width` of the network that these tensors are for."""
    return int(tensors[MARKER].shape[0])


def initial(seed: int, width: int = WIDTH) -> dict[str, NDArray[np.float32]]:
    """Return fresh weights: convolutions from N(0, 0.02), BatchNorm as the identity, biases 0.

    The same seed gives the same weights in every framework.
    """
    generator = np.random.default_rng(seed)
    tensors = {}
    for name, shape in shapes_at(width).items():
        if name.endswith("conv.weight"):
            tensors[name] = generator.standard_normal(shape, np.float32) * np.float32(0.02)
        elif name.endswith(("after.weight", "running_var")):
            tensors[name] = np.ones(shape, np.float32)
        else:
            tensors[name] = np.zeros(shape, np.float32)
    return tensors


def normalise(display: Any) -> Any:
    """From display values in [0, 1] to the network's [−1, 1]."""
    return 2 * display - 1


def display(normalised: Any) -> Any:
    """From the network's [−1, 1] to display values in [0, 1], not clipped."""
    return 0.5 * normalised + 0.5


def stage_one(variant: str, image: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Compute the coarse diffuse image and the residue from the first two networks' outputs.

    Parameters
    ----------
    variant : Variant
    image, first, second : array of any library
        Normalised image and outputs of `UNet1` and `UNet2`.

    Returns
    -------
    coarse, residue : array
        Normalised. −1 is no residue where an image of it is meant: in the variants `physical`
        and `mixed`, and in what the residue of `published` is trained towards. Its range is
        [−2, 2] for `published`, [−3, 1] for `physical`, [−1, 1] for `mixed`.
    """
    if variant == "mixed":
        return first, second
    if variant == "published":
        coarse = first * second
        return coarse, optics.residue(image, coarse)
    coarse = display(first) * display(second)
    residue = optics.residue(optics.decode(display(image)), optics.decode(coarse))
    return normalise(coarse), normalise(encode_residue(residue))


def encode_residue(residue: Any) -> Any:
    """From a signed residue in linear light to display values, odd, with a finite slope.

    Equal to `optics.encode` from `TOE` on. Below, where its slope grows beyond all bounds, a
    straight line through the origin, so that a residue of zero, and a negative one, still pass
    their gradient on. Training data hold R as a display-encoded image: this is what compares
    with it, and what stage 3 knows from the published weights.
    """
    return optics.encode(abs(residue).clip(TOE, None)) * (residue.clip(-TOE, TOE) / TOE)
