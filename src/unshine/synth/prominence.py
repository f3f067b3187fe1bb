"""A highlight is what stands out: a person would draw it.

Faint, textured and single-pixel remains of specular light belong to D. Asked for them all the same,
a network learns to be unsure everywhere.
"""

import torch.nn.functional as F
from torch import Tensor

from unshine import optics

WINDOW = 0.15
"""How far a peak's patch reaches, as a share of the image's longer side."""


def prominent(diffuse: Tensor, specular: Tensor, window: float = WINDOW) -> tuple[Tensor, Tensor]:
    """Leave out of the specular light what nobody would draw as a highlight.

    Judged by the display difference that it makes: patches that are nowhere brighter than an
    eighth of the range, or drown in the texture around them; tails below a fifth of their patch's
    peak; lines and dots of a single pixel.

    Parameters
    ----------
    diffuse, specular : Tensor, (B, 3, H, W)
        Linear, not yet clipped.
    window : float
        How far a peak's patch reaches, as a share of the image's longer side.

    Returns
    -------
    highlight, rest : Tensor, (B, 3, H, W)
        Linear, adding up to `specular`.
    """
    height, width = specular.shape[-2:]
    before = optics.encode(diffuse.clip(0, 1))
    seen = (optics.encode((diffuse + specular).clip(0, 1)) - before).amax(1, keepdim=True)
    cell = max(1, round(max(height, width) / 48))
    peak = F.max_pool2d(seen, cell, ceil_mode=True)
    reach = max(1, round(window * max(height, width) / cell)) // 2
    peak = _smooth(_largest_around(peak, reach), reach)
    grey = F.avg_pool2d(before.mean(1, keepdim=True), cell, ceil_mode=True)
    texture = (_smooth(grey * grey, reach) - _smooth(grey, reach) ** 2).clip(0, None).sqrt()
    peak, texture = (
        F.interpolate(x, size=(height, width), mode="bilinear") for x in (peak, texture)
    )
    peak = peak.maximum(seen)
    wide = F.avg_pool2d(seen, 3, 1, 1, count_include_pad=False) / seen.clip(1e-4, None)
    kept = (
        _ramp(peak - 0.5 * texture, 0.07, 0.18)
        * _ramp(seen / peak.clip(1e-4, None), 0.08, 0.25)
        * _ramp(wide, 0.3, 0.5)
    )
    return specular * kept, specular * (1 - kept)


def _largest_around(field: Tensor, reach: int) -> Tensor:
    """Largest value of the square windows around every pixel, one direction after the other."""
    size = 2 * reach + 1
    field = F.max_pool2d(field, (1, size), 1, (0, reach))
    return F.max_pool2d(field, (size, 1), 1, (reach, 0))


def _smooth(field: Tensor, reach: int) -> Tensor:
    """Mean of square windows half as wide as those of `_largest_around`."""
    return F.avg_pool2d(field, 2 * (reach // 2) + 1, 1, reach // 2, count_include_pad=False)


def _ramp(x: Tensor, low: float, high: float) -> Tensor:
    """From 0 below `low` to 1 above `high`."""
    return ((x - low) / (high - low)).clip(0, 1)
