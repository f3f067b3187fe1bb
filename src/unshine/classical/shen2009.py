"""Shen & Cai 2009: one modified specular-free image, scaled to fit the highlight's surround."""

import numpy as np
from scipy import ndimage

from unshine.classical._image import Floats, checked, extremes, without

TITLE = "Shen & Cai 2009"


def remove(image: Floats, offset: float = 0.5, highlight: float = 0.1, ring: int = 5) -> Floats:
    """Remove highlights by scaling the excess of the smallest channel.

    What the smallest channel exceeds a common offset by is a first guess at the specular light.
    The guess is scaled so that the largest highlight, after subtraction, continues the colour of
    the ring around it.

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    offset : float
        Standard deviations of the smallest channel above its mean that still count as diffuse.
    highlight : float
        Share of the largest excess from which a pixel belongs to a highlight.
    ring : int
        Side of the square that grows the highlight into its surround, in pixels.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    References
    ----------
    Shen & Cai, "Simple and efficient method for specularity removal in an image", Applied Optics
    48(14), 2009.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface, atol=0.01)
    True
    """
    image = checked(image)
    smallest, _ = extremes(image)
    excess = np.maximum(smallest - (smallest.mean() + offset * smallest.std()), 0)
    if excess.max() == 0:
        return image.copy()

    regions, count = ndimage.label(excess > highlight * excess.max(), np.ones((3, 3)))
    inside = regions == 1 + np.argmax(np.bincount(regions.ravel(), minlength=count + 1)[1:])
    around = ndimage.binary_dilation(inside, np.ones((ring, ring))) & ~inside
    if not around.any():
        return image.copy()
    step = excess[inside].mean() - excess[around].mean()
    scale = min((image[inside].mean(axis=0) - image[around].mean(axis=0)) / step)
    return without(image, np.clip(scale, 0, None) * excess)
