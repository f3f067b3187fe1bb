"""Photographs out of focus or exposed longer: pale, soft blobs that are no highlight.

Glare is soft too. A network that has seen few photographs takes blurred petals, leaves and clouds
for it, and of those there are more on people's photographs than in any collection.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from unshine import optics

BLURRED, BRIGHTENED = 0.35, 0.25
"""How often a photograph is out of focus, and how often it is exposed longer."""


def defocus(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Put a photograph out of focus, wholly or to one side, and expose it longer, each by chance.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        Display values.
    rng : Generator

    Returns
    -------
    ndarray, (H, W, 3), uint8
        Display values; `image` itself where chance leaves it alone.

    Examples
    --------
    >>> grey = np.full((32, 32, 3), 128, np.uint8)
    >>> defocus(grey, np.random.default_rng(0)).shape
    (32, 32, 3)
    """
    blurs, brightens = rng.random() < BLURRED, rng.random() < BRIGHTENED
    if not (blurs or brightens):
        return image
    light = optics.decode(torch.from_numpy(image / np.float32(255)).permute(2, 0, 1))
    if blurs:
        # What is clipped was brighter than it looks: discs of light stay bright.
        light = light * (1 + rng.uniform(0, 3) * ((light.amax(0) - 0.85) / 0.15).clip(0, 1))
        radius = int(math.exp(rng.uniform(math.log(2), math.log(0.06 * max(image.shape) + 2))))
        light = light + _side(light.shape[-2:], rng) * (_disc_blur(light, radius) - light)
    if brightens:
        light = light * math.exp(rng.uniform(0, 0.9))
    values = optics.encode(light.clip(0, 1)) * 255
    rounded: NDArray[np.uint8] = values.round().to(torch.uint8).permute(1, 2, 0).numpy()
    return rounded


def _disc_blur(light: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean over discs, (3, H, W): what a lens out of focus does."""
    axis = torch.arange(-radius, radius + 1.0)
    disc = (axis[:, None] ** 2 + axis**2 <= radius**2 + 0.5).float()
    kernel = (disc / disc.sum())[None, None]
    padded = F.pad(light[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(padded, kernel)[:, 0]


def _side(size: torch.Size, rng: np.random.Generator) -> torch.Tensor:
    """1 all over, or rising from 0 to 1 somewhere across the image, (H, W)."""
    if rng.random() < 0.5:
        return torch.ones(size)
    y, x = (torch.linspace(-0.5, 0.5, n) for n in size)
    angle, steepness = rng.uniform(0, 2 * math.pi), rng.uniform(3, 20)
    along = x[None] * math.cos(angle) + y[:, None] * math.sin(angle) - rng.uniform(-0.3, 0.3)
    return (along * steepness + 0.5).clip(0, 1)
