"""Yoon, Choi & Kweon 2006: neighbour ratios of a two-band specular-free image."""

from typing import Any

import numpy as np

from unshine.classical._compiled import compiled
from unshine.classical._image import Floats, checked, extremes, without

TITLE = "Yoon et al. 2006"


def remove(
    image: Floats,
    chroma_threshold: float = 0.05,
    dark: float = 12 / 255,
    ratio_tolerance: float = 0.1,
    sweeps: int = 300,
) -> Floats:
    """Remove highlights by giving neighbours the ratio they have without white light.

    Subtracting the smallest channel leaves an image free of white light. Where two neighbours
    share a surface colour, the ratio of their brightness in that image is the ratio of their
    diffuse light too, so the one that is brighter than this ratio allows is lowered.

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    chroma_threshold : float
        Largest difference of specular-free chromaticity (red and green) within one surface.
    dark : float
        Pixels with no channel above this value are left alone.
    ratio_tolerance : float
        Ratios that differ by less than this share count as equal. The paper's own rule could not
        be checked; without a tolerance, noise alone lowers whole surfaces.
    sweeps : int
        Passes over the image at most; they end when nothing changes any more.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    References
    ----------
    Yoon, Choi & Kweon, "Fast separation of reflection components using a specularity-invariant
    image representation", ICIP 2006.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface)
    True
    """
    image = checked(image)
    smallest, largest = extremes(image)
    total = image.sum(axis=2, dtype=image.dtype)
    free = total - 3 * smallest
    usable = (largest > dark) & (free > 0)
    scale = np.divide(1, free, out=np.zeros_like(free), where=usable)
    red = (image[..., 0] - smallest) * scale
    green = (image[..., 1] - smallest) * scale
    # T(x)/T(y) = F(x)/F(y) for all neighbours means that T/F is the same all over a surface.
    relative = total * scale
    _equalise(relative, red, green, usable, chroma_threshold, 1 + ratio_tolerance, sweeps)
    specular = np.where(usable, (total - relative * free) / 3, 0)
    return without(image, specular)


@compiled()
def _equalise(
    relative: Any, red: Any, green: Any, usable: Any, threshold: float, ratio: float, sweeps: int
) -> None:
    """Lower `relative` (H, W) in place to that of like-coloured neighbours.

    Sweeps run forwards and backwards in turn, since a forward sweep carries a low value down and
    right across a whole highlight, but up and left only by a pixel.
    """
    height, width = relative.shape
    for sweep in range(sweeps):
        changed = False
        for i in range(height * width):
            k = i if sweep % 2 == 0 else height * width - 1 - i
            y, x = k // width, k % width
            if not usable[y, x]:
                continue
            for v, u in ((y, x + 1), (y + 1, x)):
                if v == height or u == width or not usable[v, u]:
                    continue
                if abs(red[y, x] - red[v, u]) > threshold:
                    continue
                if abs(green[y, x] - green[v, u]) > threshold:
                    continue
                if relative[y, x] > ratio * relative[v, u]:
                    relative[y, x] = relative[v, u]
                    changed = True
                elif relative[v, u] > ratio * relative[y, x]:
                    relative[v, u] = relative[y, x]
                    changed = True
        if not changed:
            return
