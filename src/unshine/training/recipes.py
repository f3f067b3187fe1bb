"""Recipes: what the weights that come out of a training depend on, besides its data and length.

Nothing heavy is imported here: `unshine train --help` is made from these fields.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

from unshine.errors import UnshineError
from unshine.layers import NAMES
from unshine.optics import Array

Losses = Callable[[Mapping[str, Array], Mapping[str, Array]], dict[str, Array]]
"""From a network's outputs and the truth, both by name, to the loss terms and their ``total``."""


def option(words: str, default: Any = MISSING, **limits: float) -> Any:
    """Return a dataclass field with its one description, from which the command line is made.

    Parameters
    ----------
    words : str
        What it is, with its unit.
    default : optional
    **limits : float
        ``min`` and ``max``.
    """
    return field(default=default, metadata={"help": words, "limits": limits})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one network is trained.

    Examples
    --------
    >>> replace(PAPER, batch=4).size
    256
    """

    name: str
    network: Literal["three_stage", "tshrnet"]
    """The package of `unshine.networks` that holds it."""
    variant: str = ""
    """TSHRNet's; see `networks.tshrnet.Variant`."""
    width: int = 64
    """TSHRNet's channels at half resolution; only tests need others than the paper's."""
    multiple: int = 1
    """Height and width of training tuples are multiples of this."""
    forward: str = ""
    """The network's method whose outputs the losses compare; empty where that is its call."""
    besides: tuple[str, ...] = ()
    """What the network returns after the outputs that users get, for the losses alone."""
    loss: Literal["losses", "paper_losses"]
    """The function of `training.losses`, a `Losses`."""
    as_stored: bool = False
    """Whether the truth is what SSHR stores: display values all of it, and the dataset's own tone
    correction. Otherwise it is as `synth.camera` makes it."""
    needs: tuple[str, ...]
    """Layers that a tuple on disk must have."""
    takes: tuple[str, ...]
    """Layers that are used where a tuple on disk has them."""
    truth: tuple[str, ...]
    """Layers that the losses compare with, in the order of `layers.NAMES`."""

    betas: tuple[float, float]
    """Adam's."""
    weight_decay: float = 0.0
    """Decoupled from the gradient, as in AdamW."""
    max_norm: float | None = None
    """Longer gradients are shortened to this length."""
    mixed_precision: bool = True
    """Whether bf16 is used where the processor has it."""
    ema: float = option(
        "Share that averaged weights keep of themselves at each step; 0 averages none",
        0.0,
        min=0,
        max=1,
    )
    rate: float = option("Learning rate at its highest", min=0)
    warmup: int = option("Steps until the learning rate is at its highest", min=1)
    batch: int = option("Tuples a step, on each process", min=1)
    size: int = option("Height and width of the tuples, in pixels", min=32)
    validations: int = option("How often to validate and save", min=1)
    synthetic: int
    """Tuples of the synthetic validation set that are scored."""

    def __post_init__(self) -> None:
        if self.size % self.multiple:
            raise UnshineError(
                f"TSHRNet needs tuples of a size of {self.multiple}, or a multiple of it."
            )

    def build(self, framework: Literal["torch", "mindspore"], seed: int) -> Any:
        """Make the untrained network: PyTorch's `nn.Module` or MindSpore's `nn.Cell`."""
        return self.module(framework).untrained(seed, self.variant, self.width)

    def module(self, framework: Literal["torch", "mindspore"]) -> Any:
        """Import what the network is in a framework: its ``torch.py`` or ``mindspore.py``."""
        return import_module(f"unshine.networks.{self.network}.{framework}")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what the network returns to the losses, in its order."""
        from unshine.networks import NETWORKS

        return NETWORKS[self.network].outputs(self.variant) + self.besides

    @property
    def losses(self) -> Losses:
        """The loss terms."""
        losses: Losses = getattr(import_module("unshine.training.losses"), self.loss)
        return losses


UNSHINE = Recipe(
    name="unshine",
    network="three_stage",
    besides=("residue", "taken", "votes", "light"),
    loss="losses",
    needs=("image", "diffuse"),
    takes=("albedo", "shading", "mask"),
    truth=NAMES,
    betas=(0.9, 0.99),
    weight_decay=0.01,
    max_norm=2.0,
    ema=0.999,
    rate=1e-3,
    warmup=300,
    batch=8,
    size=128,
    validations=20,
    synthetic=64,
)
"""Our network."""

PAPER = Recipe(
    name="paper",
    network="tshrnet",
    variant="published",
    multiple=256,
    forward="normalised",
    loss="paper_losses",
    as_stored=True,
    needs=("image", "albedo", "shading", "specular", "diffuse"),
    takes=("tone_corrected",),
    truth=("image", "albedo", "shading", "specular", "diffuse", "clean"),
    betas=(0.5, 0.999),
    mixed_precision=False,
    # No EMA: BatchNorm's statistics belong to one set of weights, not to a mean of many.
    rate=1e-4,
    warmup=1,
    batch=16,
    size=256,
    validations=10,
    synthetic=8,  # TSHRNet costs a hundred times as much
)
"""TSHRNet as its authors train it.

References
----------
Fu et al., "Towards High-Quality Specular Highlight Removal by Leveraging Large-scale Synthetic
Data", ICCV 2023.
"""

RECIPES = {recipe.name: recipe for recipe in (UNSHINE, PAPER)}

VARIANTS = {
    "published": PAPER,
    "physical": replace(PAPER, variant="physical"),
    # For data without albedo and shading.
    "mixed": replace(
        PAPER, variant="mixed", needs=("image", "diffuse"), takes=("specular", "tone_corrected")
    ),
}
"""The paper's recipe for each of TSHRNet's variants."""


def learning_rate(progress: float, step: int, warmup: int) -> float:
    """Return the share of the full rate: a linear warm-up, then half a cosine down to 1 %.

    Parameters
    ----------
    progress : float
        How much of the run is over, from 0 to 1.
    step : int
        Steps taken.
    warmup : int
        Steps of the warm-up.

    Examples
    --------
    >>> learning_rate(0.0, 0, warmup=200), learning_rate(1.0, 999, warmup=200)
    (0.005, 0.01)
    """
    cosine = 0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0)))
    return min(1.0, (step + 1) / warmup) * cosine


def ema_decay(step: int, limit: float) -> float:
    """Return the share that averaged weights keep of themselves after step `step`, from 1 on.

    Short at first, so that the average does not remember the untrained network.
    """
    return min(limit, (1 + step) / (10 + step))
