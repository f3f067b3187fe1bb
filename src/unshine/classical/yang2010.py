"""Yang, Wang & Ahuja 2010: bilateral filtering of the maximum chromaticity."""

from typing import Any

import numpy as np
from scipy import ndimage

from unshine.classical._compiled import compiled
from unshine.classical._image import Floats, checked, extremes, without

TITLE = "Yang et al. 2010"

NEARLY_GREY = 1e-4
"""Below this much colour, chromaticity is noise divided by nearly nothing."""


def remove(
    image: Floats,
    sigma_space: float = 0.25,
    sigma_range: float = 0.04,
    tolerance: float = 0.03,
    iterations: int = 100,
) -> Floats:
    """Remove highlights by spreading the chromaticity of matte pixels into them.

    A highlight lowers the largest chromaticity of a pixel; an edge-preserving filter carries the
    higher values of matte neighbours into it, guided by an estimate that white light does not
    change. The largest diffuse chromaticity then tells how much of a pixel's light is white.

    The filter is a bilateral grid, whose cells are as coarse as the filter is wide.

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    sigma_space : float
        Standard deviation of the filter in space, as a share of the shorter side.
    sigma_range : float
        Standard deviation of the filter in the guide's chromaticity.
    tolerance : float
        It ends when no pixel's chromaticity rises by more than this.
    iterations : int
        Filterings at most.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    References
    ----------
    Yang, Wang & Ahuja, "Real-time specular highlight removal using bilateral filtering", ECCV 2010.
    Yang, Tang & Ahuja, "Efficient and robust specular highlight removal", TPAMI 37(6), 2015: the
    same separation, which TSHRNet compares with.
    Chen, Paris & Durand, "Real-time edge-aware image processing with the bilateral grid",
    SIGGRAPH 2007.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface, atol=0.01)
    True
    """
    image = checked(image)
    smallest, largest = extremes(image)
    total = image.sum(axis=2, dtype=image.dtype)
    chromaticity, guide = specular_invariant(image)

    sigma = max(sigma_space * min(image.shape[:2]), 1.0)
    for _ in range(iterations):
        filtered = joint_bilateral(chromaticity, guide, sigma, sigma_range)
        rise = np.maximum(filtered - chromaticity, 0)
        chromaticity += rise
        if rise.max() <= tolerance:
            break

    white = 3 * chromaticity - 1
    specular = np.divide(
        chromaticity * total - largest, white, out=np.zeros_like(total), where=white > NEARLY_GREY
    )
    return without(image, np.clip(specular, 0, smallest))


def specular_invariant(image: Floats) -> tuple[Floats, Floats]:
    """Largest chromaticity of each pixel, and a guide to it that white light does not change.

    Both (H, W), in [1/3, 1]. The guide is what the largest chromaticity would be if so much white
    were taken that the smallest channel becomes black.
    """
    smallest, largest = extremes(image)
    total = image.sum(axis=2, dtype=image.dtype)
    lit = total > 0
    scale = np.divide(1, total, out=np.zeros_like(total), where=lit)
    low = np.where(lit, smallest * scale, 1 / 3).astype(image.dtype)
    high = np.where(lit, largest * scale, 1 / 3).astype(image.dtype)
    colour = 1 - 3 * low
    grey = np.full_like(low, 1 / 3)
    return high, np.divide(high - low, colour, out=grey, where=colour > NEARLY_GREY)


def joint_bilateral(
    values: Floats, guide: Floats, sigma_space: float, sigma_range: float, cells: int = 4
) -> Floats:
    """Average `values` over near pixels whose `guide` is alike, both (H, W), on a coarse grid.

    Each standard deviation is `cells` grid cells long. Gaussians end at two standard deviations.
    """
    space, step = sigma_space / cells, sigma_range / cells
    sums = _splat(values, guide, guide.min(), space, step, float(guide.max() - guide.min()))
    blurred = ndimage.gaussian_filter(sums, (0, cells, cells, cells), mode="constant", truncate=2)
    mean = blurred[0] / np.maximum(blurred[1], 1e-12)
    return _slice(mean, guide, guide.min(), space, step)


@compiled()
def _splat(values: Any, guide: Any, base: Any, space: float, step: float, reach: float) -> Any:
    """Sum the values, and count them, in each cell of a (2, Y, X, G) grid, to the nearest."""
    height, width = values.shape
    shape = (2, int(height / space) + 2, int(width / space) + 2, int(reach / step) + 2)
    sums = np.zeros(shape, np.float64)
    for y in range(height):
        for x in range(width):
            v, u = int(y / space + 0.5), int(x / space + 0.5)
            g = int((guide[y, x] - base) / step + 0.5)
            sums[0, v, u, g] += values[y, x]
            sums[1, v, u, g] += 1
    return sums


@compiled()
def _slice(grid: Any, guide: Any, base: Any, space: float, step: float) -> Any:
    """Read the (Y, X, G) grid at each pixel's place and guide, linearly between cells."""
    height, width = guide.shape
    out = np.empty_like(guide)
    for y in range(height):
        v = int(y / space)
        fv = y / space - v
        for x in range(width):
            u = int(x / space)
            fu = x / space - u
            place = (guide[y, x] - base) / step
            g = int(place)
            fg = place - g
            near = (1 - fu) * grid[v, u, g] + fu * grid[v, u + 1, g]
            near_far = (1 - fu) * grid[v + 1, u, g] + fu * grid[v + 1, u + 1, g]
            far = (1 - fu) * grid[v, u, g + 1] + fu * grid[v, u + 1, g + 1]
            far_far = (1 - fu) * grid[v + 1, u, g + 1] + fu * grid[v + 1, u + 1, g + 1]
            low = (1 - fv) * near + fv * near_far
            high = (1 - fv) * far + fv * far_far
            out[y, x] = (1 - fg) * low + fg * high
    return out
