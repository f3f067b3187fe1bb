"""Glare drawn in the image plane: what lamps, windows and tubes leave on flat and wet things.

Where a surface is flat or its shape unknown (a card, a page, a screen, a photograph), its
highlight needs no geometry: it is an image of the lamp, more or less blurred, cut up by what the
surface has of bumps. Fields of the same kind are cut out of photographs by `transplants`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from unshine.synth.procedural import Dice, _plane


def draw(dice: Dice, size: int, count: int = 4) -> Tensor:
    """Draw fields of glare.

    Each has up to `count` shapes: ellipses, rounded rectangles (windows, often with bars), tubes
    and streaks, from hard-edged to soft, whole or broken up into glints.

    Parameters
    ----------
    dice : Dice
        Of the batch.
    size : int
        Height and width.
    count : int
        How many shapes a field has at most.

    Returns
    -------
    Tensor, (B, 1, size, size)
        Values from 0 to about 1.
    """
    x, y = _plane(size, dice.device)
    field = torch.zeros(dice.batch, 1, size, size, device=dice.device)
    crowd = dice.uniform(0.1, 0.9)
    tiny = dice.chance(0.25)
    for index in range(count):
        present = (dice.uniform(0, 1) < crowd).float() if index else dice.chance(1)
        cx, cy, angle = dice.uniform(-0.9, 0.9), dice.uniform(-0.9, 0.9), dice.angle()
        length = dice.log_uniform(0.05, 0.45) * (1 - 0.75 * tiny)
        aspect = dice.log_uniform(0.12, 1)
        bend = dice.normal() * dice.chance(0.4) * 0.5
        u = (x - cx) * torch.cos(angle) + (y - cy) * torch.sin(angle)
        v = (y - cy) * torch.cos(angle) - (x - cx) * torch.sin(angle)
        v = v + bend * u * u / length
        power = 2 + dice.chance(0.4) * dice.log_uniform(1, 10)
        distance = (
            (u / length).abs() ** power + (v / (length * aspect)).abs() ** power + 1e-6
        ) ** (1 / power)
        # From the sharp image of a lamp to a soft bloom.
        soft = dice.log_uniform(0.06, 1.6)
        shape = torch.sigmoid((1 - distance) / (0.25 * soft))
        shape = shape / torch.sigmoid(4 / soft)
        tail = dice.chance(0.5) * dice.log_uniform(0.02, 0.3)
        shape = shape + tail / (1 + distance**2) ** 2
        bars = dice.chance(0.25)
        period = length * dice.uniform(0.4, 1)
        bar = torch.sigmoid((torch.cos(2 * math.pi * u / period).abs() - 0.25) * 12)
        shape = shape * (1 - bars * (1 - bar))
        field = torch.maximum(field, shape * present * dice.log_uniform(0.3, 1))
    return field


def broken(dice: Dice, field: Tensor, relief: Tensor) -> Tensor:
    """Break glare up into the glints of a bumpy surface.

    Parameters
    ----------
    dice : Dice
    field : Tensor, (B, 1, H, W)
    relief : Tensor, (B, 1, H, W)
        The surface's pattern, in [0, 1].
    """
    often = dice.chance(0.35)
    threshold, sharp = dice.uniform(0.35, 0.75), dice.log_uniform(3, 25)
    glints = torch.sigmoid((relief - threshold) * sharp)
    return field * (1 - often * dice.uniform(0.4, 1) * (1 - glints))


def transplant(dice: Dice, library: Tensor, size: int) -> Tensor:
    """Lay highlights cut out of photographs over a batch, mirrored, turned, of other sizes.

    Parameters
    ----------
    dice : Dice
    library : Tensor, (N, 1, S, S)
        Achromatic excess of real highlights, linear, about 1 at its brightest.
    size : int
        Height and width of the fields that are returned.
    """
    field = torch.zeros(dice.batch, 1, size, size, device=dice.device)
    for index in range(2):
        number = (dice.uniform(0, len(library) - 1e-3)).long().flatten()
        chosen = library[number].to(dice.device)
        angle, scale = dice.angle(), dice.log_uniform(0.7, 3)
        mirror = 2 * dice.chance(0.5) - 1
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        shift = dice.uniform(-0.8, 0.8), dice.uniform(-0.8, 0.8)
        rows = [
            torch.cat([cos * mirror, -sin, shift[0]], 3),
            torch.cat([sin * mirror, cos, shift[1]], 3),
        ]
        matrix = torch.cat(rows, 2).view(-1, 2, 3)
        grid = F.affine_grid(matrix, [dice.batch, 1, size, size], align_corners=False)
        moved = F.grid_sample(chosen, grid, align_corners=False)
        present = dice.chance(1 if index == 0 else 0.5)
        field = torch.maximum(field, moved * present)
    return field
