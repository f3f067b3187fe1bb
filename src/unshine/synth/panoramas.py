"""Views of panoramas of high dynamic range: photographs whose lamps, windows and suns truly clip.

A panorama is what light probes are stored as: 360 by 180 degrees, linear, in OpenEXR. Looked at
in all directions and exposed anew, one gives many photographs, whose bright things stay.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unshine import optics
from unshine.io import stills

ENDING = ".exr"
BRIGHTEST = 200.0
"""Linear; suns are cut there, so that what is beside them is not blended with thousands."""
SUN = 5.0
"""Linear; brighter than that, a pixel that lacks a colour is a sun that a filter has overshot."""
MEAN = (0.1, 0.3)
"""Linear: between these a view's mean is exposed, its brightest twentieth left out."""
DETAIL = 1.5
"""A view has at most so many pixels for one of the panorama's; a wider angle helps."""


def views(
    path: Path, size: int, count: int, rng: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Photograph a panorama in directions and at exposures drawn by chance.

    Parameters
    ----------
    path : Path
        An OpenEXR file, twice as wide as high.
    size : int
        Height and width of the views.
    count : int
    rng : Generator

    Yields
    ------
    ndarray, (size, size, 3), uint8
        Display values.

    Raises
    ------
    UnshineError
        If the file cannot be read; see `unshine.io.stills.read`.
    """
    light = np.atleast_3d(stills.read(path).pixels)
    light = np.nan_to_num(light, nan=BRIGHTEST).clip(0, BRIGHTEST)
    # Resampled to a lower resolution, suns may ring: a channel or two are 0 in their core.
    brightest, darkest = light.max(-1, keepdims=True), light.min(-1, keepdims=True)
    light = np.where((brightest > SUN) & (darkest < brightest / 100), brightest, light)
    panorama = torch.from_numpy(np.broadcast_to(light, (*light.shape[:2], 3)).copy())
    panorama = panorama.permute(2, 0, 1)[None]
    widest = math.radians(115)
    narrowest = min(size / DETAIL / panorama.shape[-1] * 2 * math.pi, widest)
    for _ in range(count):
        angle = rng.uniform(max(narrowest, math.radians(60)), widest)
        turn = np.radians((rng.uniform(0, 360), rng.normal(-3, 18), rng.normal(0, 5)))
        view = _view(panorama, size, angle, turn)
        grey = view.mean(1)
        usual = grey.clip(max=float(grey.quantile(0.95))).mean()
        exposed = (view * (rng.uniform(*MEAN) / usual.clip(1e-4))).clip(0, 1)
        display = optics.encode(exposed)[0].permute(1, 2, 0).numpy()
        yield (255 * display + 0.5).astype(np.uint8)


def _view(panorama: Tensor, size: int, angle: float, turn: NDArray[np.float64]) -> Tensor:
    """Project a part of a panorama, (1, 3, H, W), onto a plane, (1, 3, size, size)."""
    across = torch.linspace(-1, 1, size) * math.tan(angle / 2)
    y, x = torch.meshgrid(-across, across, indexing="ij")
    rays = torch.stack([x, y, torch.ones_like(x)], -1)
    rays = F.normalize(rays, dim=-1) @ torch.from_numpy(_rotation(*turn)).float().T
    longitude, latitude = torch.atan2(rays[..., 0], rays[..., 2]), rays[..., 1].clip(-1, 1).asin()
    # One column more on either side, so that the seam is blended too.
    wide = torch.cat([panorama[..., -1:], panorama, panorama[..., :1]], -1)
    columns = longitude / math.pi * panorama.shape[-1] / wide.shape[-1]
    grid = torch.stack([columns, -latitude / (math.pi / 2)], -1)[None]
    return F.grid_sample(wide, grid, padding_mode="border", align_corners=False)


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """The matrix that first rolls, then tilts, then turns a camera."""

    def about(axis: int, angle: float) -> NDArray[np.float64]:
        matrix, others = np.eye(3), [(axis + 1) % 3, (axis + 2) % 3]
        cosine, sine = math.cos(angle), math.sin(angle)
        matrix[np.ix_(others, others)] = [[cosine, -sine], [sine, cosine]]
        return matrix

    return about(1, yaw) @ about(0, pitch) @ about(2, roll)
