"""After Kim et al. 2013: the dark channel as a first guess, then maximum a posteriori."""

import numpy as np
from scipy import ndimage

from unshine.classical._image import Floats, checked, extremes, without
from unshine.classical.yang2010 import joint_bilateral, specular_invariant

TITLE = "after Kim et al. 2013"


def remove(
    image: Floats,
    patch: float = 0.03,
    trust: float = 5.0,
    prior: float = 0.002,
    smooth: float = 0.02,
    iterations: int = 2,
    sigma_space: float = 0.25,
    sigma_range: float = 0.04,
) -> Floats:
    """Remove highlights from a dark-channel guess, refined by two priors.

    Colourful surfaces have a channel near black within every small patch, so what the dark channel
    shows is mostly specular light. Pixels where it is dark tell each hue's diffuse chromaticity;
    the specular light is then the most probable one given that chromaticity, the dark channel and
    smoothness, and both steps alternate.

    **Not checked against the paper**, which nobody here could read beyond its abstract: the
    priors follow its description, their form and weights are ours. Call results "after Kim 2013".

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    patch : float
        Side of the dark channel's patch, as a share of the shorter side.
    trust : float
        How fast a pixel's say in its hue's chromaticity falls with its share of dark channel.
    prior, smooth : float
        Weights of the dark channel and of smoothness against the chromaticity's evidence.
    iterations : int
        Alternations.
    sigma_space, sigma_range : float
        Extent of the average over a hue: share of the shorter side, and chromaticity.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    References
    ----------
    Kim, Jin, Hadap & Kweon, "Specular reflection separation using dark channel prior", CVPR 2013.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface, atol=0.02)
    True
    """
    image = checked(image)
    smallest, largest = extremes(image)
    total = image.sum(axis=2, dtype=image.dtype)
    side = min(smallest.shape)
    size = max(3, int(patch * side))
    # An opening is the dark channel carried back to the pixels of its patch: never above them.
    dark = ndimage.grey_opening(smallest, (size, size))
    _, guide = specular_invariant(image)

    specular = np.zeros_like(smallest)
    for _ in range(iterations):
        rest = np.maximum(total - 3 * specular, 1e-3)
        weight = rest * np.exp(-trust * np.maximum(dark - specular, 0) / rest)
        top = weight * (largest - specular) / rest
        spread = (guide, max(sigma_space * side, 1.0), sigma_range)
        diffuse_top = joint_bilateral(top, *spread) / np.maximum(
            joint_bilateral(weight, *spread), 1e-9
        )
        # Largest − s = diffuse_top · (total − 3s) is one linear equation for s.
        slope = np.maximum(3 * diffuse_top - 1, 0)
        evidence = slope**2 + prior
        target = slope * (diffuse_top * total - largest) + prior * dark
        for _ in range(50):
            around = ndimage.convolve(specular, CROSS.astype(specular.dtype), mode="nearest")
            specular = (target + smooth * around) / (evidence + 4 * smooth)
            specular = np.clip(specular, 0, smallest)
    return without(image, specular)


CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
"""Sums a pixel's four neighbours."""
