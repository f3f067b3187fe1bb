"""After Son et al. 2020: a convex problem for coloured and grey surfaces alike."""

import numpy as np

from unshine.classical._image import Floats, checked, extremes, without

TITLE = "after Son et al. 2020"

Pair = tuple[slice, slice]


def remove(
    image: Floats,
    grey: float = 0.1,
    edge: float = 0.05,
    smooth: float = 0.1,
    extent: float = 0.5,
    iterations: int = 100,
) -> Floats:
    """Remove highlights by the global optimum of a convex model of both reflections.

    Neighbours of one surface colour have diffuse light in proportion to their brightness without
    white light (on grey surfaces: equal diffuse light); specular light changes little from pixel
    to pixel, is rare, never negative and never more than the smallest channel. The weighted sum of
    absolute deviations from all this has one minimum, whatever the start.

    **Not checked against the paper**, which nobody here could read beyond its abstract: the terms
    follow its description, their form and weights are ours, and the solver is a primal-dual method
    from coarse to fine instead of split Bregman. Call results "after Son 2020".

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    grey : float
        Brightness without white light below which a surface counts as grey.
    edge : float
        Difference of specular-free chromaticity, summed over channels, at which the bond between
        neighbours has fallen to 1/e.
    smooth : float
        Weight of the differences of specular light, against 1 for those of diffuse light.
    extent : float
        Radius of the largest spot that counts as a highlight, as a share of the shorter side.
    iterations : int
        On each level of the pyramid; four times as many on the coarsest.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type.

    References
    ----------
    Son, Park & Lee, "Toward specular removal from natural images based on statistical reflection
    models", IEEE Transactions on Image Processing 29, 2020.
    Pock & Chambolle, "Diagonal preconditioning for first order primal-dual algorithms in convex
    optimization", ICCV 2011.

    Examples
    --------
    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> np.allclose(remove(image), surface, atol=1e-3)
    True
    """
    image = checked(image)
    pyramid = [image]
    while min(pyramid[-1].shape[:2]) > 48:
        pyramid.append(_halve(pyramid[-1]))
    specular: Floats = np.zeros(pyramid[-1].shape[:2], image.dtype)
    steps = 4 * iterations
    for level in reversed(pyramid):
        height, width = level.shape[:2]
        if specular.shape != (height, width):
            specular = specular.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
            steps = iterations
        # A spot of radius r and height h costs 2πrh as diffuse light, and smooth·2πrh + rare·πr²h
        # as specular light: both are equal at the radius that `extent` stands for.
        rare = 2 * (1 - smooth) / max(extent * min(height, width), 1)
        specular = _minimise(level, specular, grey, edge, smooth, rare, steps)
    return without(image, specular)


def _minimise(
    image: Floats,
    specular: Floats,
    grey: float,
    edge: float,
    smooth: float,
    rare: float,
    iterations: int,
) -> Floats:
    """Primal-dual descent from `specular` (H, W) on Σ|a·s(x) − b·s(y) − c| + rare·Σs."""
    smallest, _ = extremes(image)
    free = image.sum(axis=2, dtype=image.dtype) - 3 * smallest + grey
    colour = (image - smallest[..., None] + grey / 3) / free[..., None]
    terms: list[tuple[Pair, Pair, Floats, Floats, Floats]] = []
    step = np.full_like(smallest, 1e-6)
    for x, y in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1, :], np.s_[1:, :]),
    ):
        bond = np.exp(-np.abs(colour[x] - colour[y]).sum(axis=2) / edge)
        a, b = (2 * bond * free[other] / (free[x] + free[y]) for other in (y, x))
        even = np.full_like(bond, smooth)
        terms.append((x, y, a, b, a * smallest[x] - b * smallest[y]))
        terms.append((x, y, even, even, np.zeros_like(bond)))
        step[x] += a + smooth
        step[y] += b + smooth
    np.divide(1, step, out=step)

    duals = [np.zeros_like(a) for _, _, a, _, _ in terms]
    dual_steps = [1 / (a + b + 1e-6) for _, _, a, b, _ in terms]
    ahead = specular
    for _ in range(iterations):
        slope = np.full_like(specular, rare)
        for dual, dual_step, (x, y, a, b, c) in zip(duals, dual_steps, terms, strict=True):
            dual += dual_step * (a * ahead[x] - b * ahead[y] - c)
            np.clip(dual, -1, 1, out=dual)
            slope[x] += a * dual
            slope[y] -= b * dual
        new = np.clip(specular - step * slope, 0, smallest)
        ahead, specular = 2 * new - specular, new
    return specular


def _halve(image: Floats) -> Floats:
    """Mean of 2×2 pixels; an odd last row or column is repeated."""
    height, width = image.shape[:2]
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
