"""Glare drawn in the image plane: what lamps, windows and tubes leave on flat and wet things.

Where a surface is flat or its shape unknown (a card, a page, a screen, a photograph), its
highlight needs no geometry: it is an image of the lamp, more or less blurred, cut up by what the
surface has of bumps. Fields of the same kind are cut out of photographs by `transplants`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from unshine.synth.batch import BatchRandom, plane


def draw(rng: BatchRandom, size: int, count: int = 4, bands: float = 0.1) -> Tensor:
    """Draw fields of glare.

    Each has up to `count` shapes: ellipses, rounded rectangles (windows, often with bars), tubes
    and streaks, from hard-edged to soft; some have a band across all of it.

    Parameters
    ----------
    rng : BatchRandom
        Of the batch.
    size : int
        Height and width.
    count : int
        How many shapes a field has at most.
    bands : float
        How often a band runs across a field.

    Returns
    -------
    Tensor, (B, 1, size, size)
        Values from 0 to about 1.
    """
    x, y = plane(size, rng.device)
    field = torch.zeros(rng.batch, 1, size, size, device=rng.device)
    crowd = rng.uniform(0.1, 0.9)
    tiny = rng.bernoulli(0.25)
    for index in range(count):
        present = (rng.uniform(0, 1) < crowd).float() if index else rng.bernoulli(1)
        cx, cy, angle = rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.9), rng.angle()
        length = rng.log_uniform(0.05, 0.45) * (1 - 0.75 * tiny)
        aspect = rng.log_uniform(0.12, 1)
        bend = rng.normal() * rng.bernoulli(0.4) * 0.5
        u = (x - cx) * torch.cos(angle) + (y - cy) * torch.sin(angle)
        v = (y - cy) * torch.cos(angle) - (x - cx) * torch.sin(angle)
        v = v + bend * u * u / length
        power = 2 + rng.bernoulli(0.4) * rng.log_uniform(1, 10)
        distance = (
            (u / length).abs() ** power + (v / (length * aspect)).abs() ** power + 1e-6
        ) ** (1 / power)
        # From the sharp image of a lamp to a soft bloom.
        soft = rng.log_uniform(0.06, 1.6)
        shape = torch.sigmoid((1 - distance) / (0.25 * soft))
        shape = shape / torch.sigmoid(4 / soft)
        tail = rng.bernoulli(0.5) * rng.log_uniform(0.02, 0.3)
        shape = shape + tail / (1 + distance**2) ** 2
        bars = rng.bernoulli(0.25)
        period = length * rng.uniform(0.4, 1)
        bar = torch.sigmoid((torch.cos(2 * math.pi * u / period).abs() - 0.25) * 12)
        shape = shape * (1 - bars * (1 - bar))
        field = torch.maximum(field, shape * present * rng.log_uniform(0.3, 1))
    return torch.maximum(field, _band(rng, x, y) * rng.bernoulli(bands))


def _band(rng: BatchRandom, x: Tensor, y: Tensor) -> Tensor:
    """A window or a tube in a card, a page or a screen: a band from edge to edge, fading along."""
    angle, shift = rng.angle(), rng.uniform(-0.7, 0.7)
    along = x * torch.cos(angle) + y * torch.sin(angle)
    across = (y * torch.cos(angle) - x * torch.sin(angle) - shift).abs()
    width, soft = rng.log_uniform(0.05, 0.35), rng.log_uniform(0.03, 0.8)
    fade = torch.sigmoid((along - rng.uniform(-1.2, 0.6)) * rng.log_uniform(1, 12))
    return torch.sigmoid((width - across) / (0.25 * soft * width)) * fade


def broken(rng: BatchRandom, field: Tensor, relief: Tensor) -> Tensor:
    """Break glare up into the glints of a bumpy surface.

    Parameters
    ----------
    rng : BatchRandom
    field : Tensor, (B, 1, H, W)
    relief : Tensor, (B, 1, H, W)
        The surface's pattern, in [0, 1].
    """
    often = rng.bernoulli(0.35)
    threshold, sharp = rng.uniform(0.35, 0.75), rng.log_uniform(3, 25)
    glints = torch.sigmoid((relief - threshold) * sharp)
    return field * (1 - often * rng.uniform(0.4, 1) * (1 - glints))


def transplant(rng: BatchRandom, library: Tensor, size: int) -> Tensor:
    """Lay highlights cut out of photographs over a batch, mirrored, turned, of other sizes.

    Parameters
    ----------
    rng : BatchRandom
    library : Tensor, (N, 1, S, S)
        Achromatic excess of real highlights, linear, about 1 at its brightest.
    size : int
        Height and width of the fields that are returned.
    """
    field = torch.zeros(rng.batch, 1, size, size, device=rng.device)
    for index in range(2):
        number = (rng.uniform(0, len(library) - 1e-3)).long().flatten()
        chosen = library[number].to(rng.device)
        angle, scale = rng.angle(), rng.log_uniform(0.7, 3)
        mirror = 2 * rng.bernoulli(0.5) - 1
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        shift = rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8)
        rows = [
            torch.cat([cos * mirror, -sin, shift[0]], 3),
            torch.cat([sin * mirror, cos, shift[1]], 3),
        ]
        matrix = torch.cat(rows, 2).view(-1, 2, 3)
        grid = F.affine_grid(matrix, [rng.batch, 1, size, size], align_corners=False)
        moved = F.grid_sample(chosen, grid, align_corners=False)
        present = rng.bernoulli(1 if index == 0 else 0.5)
        field = torch.maximum(field, moved * present)
    return field
