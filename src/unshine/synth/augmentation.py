"""Photographs as they might have been: out of focus, in haze, exposed or developed otherwise.

Of pale and soft things, which glare resembles, there are more on people's photographs than in any
collection: petals out of focus, clouds, snow, fog. The same few photographs, seen again and again
as they are, are learnt by heart instead.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unshine import optics

SPLICED = 0.2
"""How often another photograph begins beyond a boundary."""
TONED, HAZY = 0.15, 0.15
"""How often the tone curve is another, and how often haze lies over all."""
BLURRED, BRIGHTENED = 0.35, 0.25
"""How often a photograph is out of focus, and how often it is exposed longer."""


def augment(
    image: NDArray[np.uint8], other: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Change a photograph without putting a highlight into it, each change by chance.

    Parameters
    ----------
    image, other : ndarray, (H, W, 3), uint8
        Display values; a part of `other` may be shown beside `image`.
    rng : Generator

    Returns
    -------
    ndarray, (H, W, 3), uint8
        Display values.

    Examples
    --------
    >>> grey = np.full((32, 32, 3), 128, np.uint8)
    >>> augment(grey, grey, np.random.default_rng(0)).shape
    (32, 32, 3)
    """
    spliced, toned, hazy, blurred, brightened = (
        rng.random() < chance for chance in (SPLICED, TONED, HAZY, BLURRED, BRIGHTENED)
    )
    values = _planes(image)
    if spliced:
        turned = other[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        values = values + _side(image.shape[:2], rng, 0.1) * (_planes(turned) - values)
    if toned:
        values = values ** math.exp(rng.uniform(-0.5, 0.7))
    if hazy:
        pale = (rng.uniform(0.4, 1) + rng.uniform(-0.15, 0.15, 3)).clip(0, 1)
        haze = torch.tensor(pale, dtype=torch.float32)[:, None, None]
        values = values + rng.uniform(0, 0.8) * rng.uniform(0, 1) * (haze - values)
    light = optics.decode(values)
    if blurred:
        # What is clipped was brighter than it looks: discs of light stay bright.
        light = light * (1 + rng.uniform(0, 3) * ((light.amax(0) - 0.85) / 0.15).clip(0, 1))
        radius = int(math.exp(rng.uniform(math.log(2), math.log(0.06 * max(image.shape) + 2))))
        where = 1 if rng.random() < 0.5 else _side(image.shape[:2], rng)
        light = light + where * (_disc_blur(light, radius) - light)
    if brightened:
        light = light * math.exp(rng.uniform(0, 0.9))
    rounded = (optics.encode(light.clip(0, 1)) * 255).round().to(torch.uint8)
    result: NDArray[np.uint8] = rounded.permute(1, 2, 0).numpy()
    return result


def _planes(image: NDArray[np.uint8]) -> Tensor:
    """Display values in [0, 1], (3, H, W)."""
    return torch.from_numpy(image / np.float32(255)).permute(2, 0, 1)


def _disc_blur(light: Tensor, radius: int) -> Tensor:
    """Mean over discs, (3, H, W): what a lens out of focus does."""
    axis = torch.arange(-radius, radius + 1.0)
    disc = (axis[:, None] ** 2 + axis**2 <= radius**2 + 0.5).float()
    kernel = (disc / disc.sum())[None, None]
    padded = F.pad(light[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(padded, kernel)[:, 0]


def _side(size: tuple[int, ...], rng: np.random.Generator, waves: float = 0) -> Tensor:
    """0 on one side of a boundary and 1 on the other, (H, W); the boundary may be wavy and soft."""
    y, x = torch.meshgrid(*(torch.linspace(-0.5, 0.5, n) for n in size), indexing="ij")
    angle = rng.uniform(0, 2 * math.pi)
    along = x * math.cos(angle) + y * math.sin(angle) - rng.uniform(-0.3, 0.3)
    (fx, fy), (px, py) = rng.uniform(3, 30, 2), rng.uniform(0, 2 * math.pi, 2)
    along = along + waves * torch.sin(fx * x + px) * torch.cos(fy * y + py)
    return (along * math.exp(rng.uniform(1, 5 if waves else 3)) + 0.5).clip(0, 1)
