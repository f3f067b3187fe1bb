"""Yamamoto & Nakazawa 2019: repairing another method's result."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from unshine.classical import shen2013
from unshine.classical._compiled import compiled
from unshine.classical._image import Floats, checked

TITLE = "Yamamoto & Nakazawa 2019, on Shen 2013"


def remove(image: Floats, first: Callable[[Floats], Floats] = shen2013.remove) -> Floats:
    """Remove highlights with another method, then `refine` its result.

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    first : callable
        Any method of this package: linear RGB to diffuse.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface, atol=0.02)
    True
    """
    return refine(image, first(checked(image)))


def refine(
    image: Floats,
    diffuse: Floats,
    emphasis: float = 10.0,
    likeness: float = 0.3,
    noise: float = 0.5 / 255,
    iterations: int = 5,
    tolerance: float = 0.2 / 255,
    largest_window: int = 41,
) -> Floats:
    """Replace wrongly separated pixels by well separated ones that look alike.

    A high-emphasis filter exaggerates what stands out from its neighbours; where the diffuse
    image then exceeds the input in every channel, the separation took too little there. Such a
    pixel takes the diffuse colour of the most similar sound pixel near it: similar in the input
    and in chromaticity.

    Parameters
    ----------
    image, diffuse : array, (H, W, 3)
        Linear RGB in [0, 1] under white light: the input and a method's result.
    emphasis : float
        k in the filter (1 + k)·identity − k·(3×3 mean).
    likeness : float
        Weight of the squared difference of inputs; the rest is for that of chromaticities. Which
        chromaticities the paper compares could not be checked: here the specular-free ones.
    noise : float
        Excess over the input that is still noise, ours; times 1 + k after the filter.
    iterations : int
        Iterations of detection and replacement at most.
    tolerance : float
        It ends when an iteration changes the image by a smaller root mean square.
    largest_window : int
        Longest side of the search window in pixels, ours, so that time stays bounded; the paper's
        is the square root of the number of specular pixels.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type as `image`.

    References
    ----------
    Yamamoto & Nakazawa, "General improvement method of specular component separation using
    high-emphasis filter and similarity function", ITE Transactions on Media Technology and
    Applications 7(2), 2019.
    """
    image = checked(image)
    diffuse = np.clip(diffuse, 0, image).astype(image.dtype)
    specular = (image - diffuse).mean(axis=2)
    if specular.max() == specular.min():
        return diffuse
    side = np.sqrt(np.count_nonzero(specular > threshold_otsu(specular)))
    radius = max(1, int(min(side, largest_window)) // 2)
    free = image - image.min(axis=2, keepdims=True)
    colour = free / np.maximum(free.sum(axis=2, keepdims=True), 1 / 255)

    def emphasised(values: Floats) -> Floats:
        mean = ndimage.uniform_filter(values, (3, 3, 1), mode="nearest")
        return (1 + emphasis) * values - emphasis * mean

    for _ in range(iterations):
        excess = emphasised(diffuse) - emphasised(image)
        wrong = (excess > (1 + emphasis) * noise).all(axis=2)
        repaired = _replace(image, diffuse, colour, wrong, radius, likeness)
        change = np.sqrt(np.square(repaired - diffuse).mean())
        diffuse = np.minimum(repaired, image)
        if change < tolerance:
            break
    return diffuse


@compiled()
def _replace(
    image: Any, diffuse: Any, colour: Any, wrong: Any, radius: int, likeness: float
) -> Any:
    """Give each wrong pixel the diffuse colour of the most similar sound pixel in its window."""
    height, width = wrong.shape
    out = diffuse.copy()
    for y in range(height):
        for x in range(width):
            if not wrong[y, x]:
                continue
            lowest = np.inf
            for v in range(max(0, y - radius), min(height, y + radius + 1)):
                for u in range(max(0, x - radius), min(width, x + radius + 1)):
                    if wrong[v, u]:
                        continue
                    cost = 0.0
                    for c in range(3):
                        cost += likeness * (image[y, x, c] - image[v, u, c]) ** 2
                        cost += (1 - likeness) * (colour[y, x, c] - colour[v, u, c]) ** 2
                    if cost < lowest:
                        lowest = cost
                        out[y, x] = diffuse[v, u]
    return out
