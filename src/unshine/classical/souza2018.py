"""Souza et al. 2018: Shen & Zheng's intensity ratio with three clusters, for real time."""

import numpy as np
from numpy.typing import NDArray

from unshine.classical._image import Floats
from unshine.classical.shen2013 import by_intensity_ratio, nearest

TITLE = "Souza et al. 2018"


def remove(image: Floats) -> Floats:
    """Remove highlights by the intensity ratio of pixels in three clusters.

    As Shen & Zheng 2013, but always three clusters: those of the most saturated, the most strongly
    dominated and the greyest pixel, moved once to the mean of their members. A fixed
    number makes the time predictable; large white surfaces are its known weakness.

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    References
    ----------
    Souza, Macedo, Nascimento & Oliveira, "Real-time high-quality specular highlight removal using
    efficient pixel clustering", SIBGRAPI 2018; the variant with the median of the ratios.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface)
    True
    """
    return by_intensity_ratio(image, _three_clusters)


def _three_clusters(points: Floats) -> NDArray[np.intp]:
    """Label (2, N) pseudo-chromaticities (smallest, largest)."""
    smallest, largest = points
    seeds = [smallest.argmin(), largest.argmax(), smallest.argmax()]
    label = nearest(points, points[:, seeds])
    means = [points[:, label == k].mean(axis=1) for k in range(3) if (label == k).any()]
    return nearest(points, np.stack(means, axis=1))
