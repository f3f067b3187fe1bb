"""Tan & Ikeuchi 2005: specular-to-diffuse by comparing logarithmic derivatives."""

from typing import Any

import numpy as np

from unshine.classical._compiled import compiled
from unshine.classical._image import Floats, checked, extremes

TITLE = "Tan & Ikeuchi 2005"

DARKEST = 1e-4
"""Total light below which a pixel is left alone: its chromaticity means nothing."""


def remove(
    image: Floats,
    chromaticity: float = 0.6,
    step: float = 0.01,
    dark: float = 20 / 255,
    colour_boundary: float = 0.1,
    noise: float = 0.01,
) -> Floats:
    """Remove highlights by comparing brightness steps with those of a specular-free image.

    Giving every pixel the same largest chromaticity yields an image free of highlights, if in
    false colours. Where two neighbours of one colour differ in brightness otherwise than in that
    image, one of them is specular: the one with the smaller largest chromaticity takes that of
    its neighbour. The tolerated difference falls from 0.5 to 0.

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    chromaticity : float
        The common largest chromaticity of the specular-free image, in (1/3, 1].
    step : float
        By how much the tolerance on the logarithmic difference falls each round.
    dark : float
        Pixels with no channel of at least this value are left alone.
    colour_boundary : float
        Neighbours whose chromaticity differs by more, in red and in green, are two surfaces.
    noise : float
        Neighbours whose largest chromaticity differs by less are taken as equal.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    References
    ----------
    Tan & Ikeuchi, "Separating reflection components of textured surfaces using a single image",
    TPAMI 27(2), 2005.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface)
    True
    """
    image = checked(image)
    _, largest = extremes(image)
    total = np.maximum(image.sum(axis=2), DARKEST)
    top = largest / total
    diffuse = largest * (3 * top - 1) / (np.maximum(top, 1 / 3) * (3 * chromaticity - 1))
    free = np.clip(image - ((total - diffuse) / 3)[..., None], 0, 1).sum(axis=2)
    log_free = np.log(np.maximum(free, DARKEST)).astype(image.dtype)
    usable = (largest >= dark) & (total > DARKEST)

    light = image.copy()
    specular_pair = np.zeros((*total.shape, 2), np.bool_)
    for tolerance in np.arange(0.5, -step / 2, -step):
        count = _label(light, log_free, usable, tolerance, colour_boundary, noise, specular_pair)
        before = count + 1
        while 0 < count < before:
            _lower(light, specular_pair)
            before = count
            count = _label(
                light, log_free, usable, tolerance, colour_boundary, noise, specular_pair
            )
    return light


@compiled()
def _label(
    light: Any,
    log_free: Any,
    usable: Any,
    tolerance: float,
    boundary: float,
    noise: float,
    specular_pair: Any,
) -> int:
    """Mark in (H, W, 2) the specular pairs, each pixel with its right and its lower neighbour."""
    height, width = log_free.shape
    count = 0
    total, top = np.empty(light.shape[:2], light.dtype), np.empty(light.shape[:2], light.dtype)
    for y in range(height):
        for x in range(width):
            red, green, blue = light[y, x, 0], light[y, x, 1], light[y, x, 2]
            total[y, x] = max(red + green + blue, DARKEST)
            top[y, x] = max(red, green, blue) / total[y, x]
    log_total = np.log(total)
    for y in range(height):
        for x in range(width):
            for side in range(2):
                v, u = y + side, x + 1 - side
                specular_pair[y, x, side] = False
                if v == height or u == width or not (usable[y, x] and usable[v, u]):
                    continue
                if abs(top[y, x] - top[v, u]) < noise:
                    continue
                a, b = 1 / total[y, x], 1 / total[v, u]
                if (
                    abs(light[y, x, 0] * a - light[v, u, 0] * b) > boundary
                    and abs(light[y, x, 1] * a - light[v, u, 1] * b) > boundary
                ):
                    continue
                difference = log_total[v, u] - log_total[y, x] - (log_free[v, u] - log_free[y, x])
                if abs(difference) > tolerance:
                    specular_pair[y, x, side] = True
                    count += 1
    return count


@compiled()
def _lower(light: Any, specular_pair: Any) -> None:
    """In each marked pair, give the pixel of smaller largest chromaticity that of the other."""
    height, width = light.shape[:2]
    for y in range(height):
        for x in range(width):
            for side in range(2):
                if specular_pair[y, x, side]:
                    first, second = light[y, x], light[y + side, x + 1 - side]
                    top_first, top_second = _top(first), _top(second)
                    if top_first < top_second:
                        _specular_to_diffuse(first, top_first, top_second)
                    else:
                        _specular_to_diffuse(second, top_second, top_first)


@compiled()
def _top(pixel: Any) -> float:
    """Largest chromaticity."""
    return max(pixel[0], pixel[1], pixel[2]) / max(pixel[0] + pixel[1] + pixel[2], DARKEST)


@compiled()
def _specular_to_diffuse(pixel: Any, top: float, diffuse_top: float) -> None:
    """Take white light from a pixel until its largest chromaticity is `diffuse_top`."""
    if 3 * diffuse_top - 1 < 1e-6:
        return
    total = pixel[0] + pixel[1] + pixel[2]
    largest = max(pixel[0], pixel[1], pixel[2])
    diffuse = largest * (3 * top - 1) / (top * (3 * diffuse_top - 1))
    white = min((total - diffuse) / 3, pixel[0], pixel[1], pixel[2])
    if white > 0 and total - 3 * white > DARKEST:
        for channel in range(3):
            pixel[channel] -= white
