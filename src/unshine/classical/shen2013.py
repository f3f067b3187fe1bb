"""Shen & Zheng 2013: the intensity ratio of a cluster of like-coloured pixels."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unshine.classical._image import Floats, checked, extremes, without

TITLE = "Shen & Zheng 2013"


def remove(image: Floats, cluster_distance: float = 0.3) -> Floats:
    """Remove highlights by the intensity ratio of like-coloured pixels.

    Subtracting the smallest channel leaves an image free of white light, whose chromaticity tells
    surfaces apart. In a cluster of one surface colour, the largest channel of a matte pixel is a
    fixed multiple of the channel range, which white light does not change; whatever exceeds that
    multiple (its median over the cluster) is highlight.

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    cluster_distance : float
        Largest L1 distance, in (min, max) pseudo-chromaticity, from a cluster's first pixel.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    References
    ----------
    Shen & Zheng, "Real-time highlight removal using intensity ratio", Applied Optics 52(19), 2013.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface)
    True
    """
    return by_intensity_ratio(image, lambda points: _greedy_clusters(points, cluster_distance))


def by_intensity_ratio(image: Floats, clusters: Callable[[Floats], NDArray[np.intp]]) -> Floats:
    """Separate `image` given how to label its (2, N) pseudo-chromaticities (smallest, largest)."""
    image = checked(image)
    smallest, largest = extremes(image)
    threshold = smallest.mean()
    candidates = smallest > threshold
    if not candidates.any():
        return image.copy()
    low, high = smallest[candidates], largest[candidates]
    spread = high - low

    # The chromaticity of I − min + threshold, whose smallest channel is the threshold itself.
    total = image.sum(axis=2, dtype=image.dtype)[candidates] - 3 * low + 3 * threshold
    cluster = clusters(np.stack([threshold / total, (spread + threshold) / total]))

    coloured = spread > threshold  # elsewhere the ratio is mostly noise
    ratio = np.divide(high, spread, out=np.zeros_like(high), where=coloured)
    excess = np.zeros_like(high)
    for label in range(cluster.max() + 1):
        members = cluster == label
        reliable = ratio[members & coloured]
        if reliable.size:
            excess[members] = high[members] - np.median(reliable) * spread[members]
    specular = np.zeros_like(smallest)
    specular[candidates] = np.clip(excess, 0, low)
    return without(image, specular)


def nearest(points: Floats, centres: Floats) -> NDArray[np.intp]:
    """Index of the nearest of the (2, K) `centres` to each of the (2, N) `points`, in L1."""
    return np.argmin([np.abs(points - c[:, None]).sum(axis=0) for c in centres.T], axis=0)


def _greedy_clusters(points: Floats, distance: float) -> NDArray[np.intp]:
    """Label points by the first unlabelled one they are close to, then by the nearest mean."""
    label = np.full(points.shape[1], -1)
    count = 0
    while (free := np.flatnonzero(label < 0)).size:
        gap = np.abs(points[:, free] - points[:, free[:1]]).sum(axis=0)
        label[free[gap <= distance]] = count
        count += 1
    means = [points[:, label == k].mean(axis=1) for k in range(count)]
    return nearest(points, np.stack(means, axis=1))
