"""Akashi & Okatani 2016: sparse non-negative matrix factorisation."""

from typing import Any

import numpy as np

from unshine.classical._compiled import compiled
from unshine.classical._image import Floats, checked, extremes, without

TITLE = "Akashi & Okatani 2016"

FLOOR = 1e-9
"""Smallest coefficient kept: multiplicative updates would otherwise end in slow subnormals."""


def remove(
    image: Floats,
    colours: int = 6,
    sparsity: float = 3.0,
    tolerance: float = np.exp(-15),
    iterations: int = 10_000,
    starts: int = 8,
    sample: int = 20_000,
    seed: int = 0,
) -> Floats:
    """Remove highlights by explaining each pixel with few surface colours and white.

    The image is factorised into colours (white, which is given, and a few surface colours) times
    coefficients, none of them negative; a penalty on the coefficients makes most of them zero, so
    that white is used only where no surface colour explains a pixel. What white explains is the
    highlight.

    The factorisation starts at random and ends in a local optimum. Here it runs several times on
    an even sample of pixels, and the colours of the run with the lowest objective then explain all
    pixels, which is a convex problem with one solution. ``sample=H * W, starts=1`` is the paper's
    procedure.

    Parameters
    ----------
    image : array, (H, W, 3)
        Linear RGB in [0, 1] under white light.
    colours : int
        Number of surface colours.
    sparsity : float
        Weight of the sum of the coefficients, for values in [0, 255].
    tolerance : float
        A run ends when its objective falls by less than this share.
    iterations : int
        Updates at most.
    starts : int
        Random starts.
    sample : int
        Pixels that the colours are found from, at most about twice this.
    seed : int
        Of the random starts.

    Returns
    -------
    array, (H, W, 3)
        Diffuse image, linear RGB, same type: the input less its white part, which keeps the detail
        that the few surface colours cannot explain.

    References
    ----------
    Akashi & Okatani, "Separation of reflection components by sparse non-negative matrix
    factorization", Computer Vision and Image Understanding 146, 2016.
    Eggert & Körner, "Sparse coding and NMF", IJCNN 2004: the updates with normalised columns.

    Examples
    --------
    Its sparse model leaves a quarter of this highlight:

    >>> surface = np.linspace(0.2, 1, 32)[:, None, None] * np.full((32, 32, 3), (0.6, 0.3, 0.1))
    >>> image = surface.copy()
    >>> image[12:16, 12:18] += 0.3
    >>> (remove(image, starts=1) - surface)[13, 13].round(1)
    array([0.1, 0.1, 0.1])
    """
    image = checked(image)
    smallest, largest = extremes(image)
    if largest.max() <= 0:
        return image.copy()
    pixels = np.ascontiguousarray(255 * image.reshape(-1, 3).T, np.float32)
    some = np.ascontiguousarray(pixels[:, :: max(1, pixels.shape[1] // sample)])
    random = np.random.default_rng(seed)
    best: Floats = np.empty(0)
    lowest = np.inf
    for _ in range(starts):
        palette: Floats = random.random((3, 1 + colours))
        palette[:, 0] = 1
        palette /= np.linalg.norm(palette, axis=0)
        coefficients = random.random((1 + colours, some.shape[1]), np.float32) * 255
        palette, objective = _factorise(
            some, palette, coefficients, sparsity, tolerance, iterations, True
        )
        if objective < lowest:
            best, lowest = palette, objective

    coefficients = np.full((1 + colours, pixels.shape[1]), pixels.mean(), np.float32)
    _factorise(pixels, best, coefficients, sparsity, tolerance, iterations, False)
    white = (coefficients[0] * best[0, 0] / 255).reshape(smallest.shape)
    return without(image, np.minimum(white.astype(image.dtype), smallest))


def _factorise(
    pixels: Floats,
    palette: Floats,
    coefficients: Floats,
    sparsity: float,
    tolerance: float,
    iterations: int,
    learn: bool,
) -> tuple[Floats, float]:
    """Minimise ½‖pixels − palette · coefficients‖² + sparsity · Σ coefficients.

    Updates `coefficients` (R, N) in place; returns the palette (3, R), whose first column never
    changes and whose others do if `learn`, and the objective.
    """
    energy = float(np.square(pixels, dtype=np.float64).sum())
    before = np.inf
    for _ in range(iterations):
        gram = palette.T @ palette
        size, with_pixels, with_selves = _update(
            pixels,
            coefficients,
            palette.astype(np.float32),
            gram.astype(np.float32),
            np.float32(sparsity),
        )
        fit = energy - 2 * (palette * with_pixels).sum() + (gram * with_selves).sum()
        objective = fit / 2 + sparsity * size
        if before - objective < tolerance * before:
            break
        before = objective
        if learn:
            explained = palette @ with_selves
            up = with_pixels + palette * (explained * palette).sum(axis=0)
            down = explained + palette * (with_pixels * palette).sum(axis=0)
            learnt = palette * up / np.maximum(down, FLOOR)
            learnt /= np.maximum(np.linalg.norm(learnt, axis=0), FLOOR)
            palette = np.hstack([palette[:, :1], learnt[:, 1:]])
    return palette, objective


@compiled(fastmath=True)
def _update(pixels: Any, coefficients: Any, palette: Any, gram: Any, sparsity: Any) -> Any:
    """One multiplicative update of `coefficients` (R, N), in place.

    Returns their sum, pixels · coefficientsᵀ (3, R) and coefficients · coefficientsᵀ (R, R). Pixels
    pass in blocks that stay in the cache.
    """
    rank, count = coefficients.shape
    block = 256
    new = np.empty((rank, block), np.float32)
    below = np.empty(block, np.float32)
    size, with_pixels, with_selves = 0.0, np.zeros((3, rank)), np.zeros((rank, rank))
    for start in range(0, count, block):
        here = min(block, count - start)
        for k in range(rank):
            below[:] = sparsity
            for m in range(rank):
                for i in range(here):
                    below[i] += gram[k, m] * coefficients[m, start + i]
            red, green, blue = palette[0, k], palette[1, k], palette[2, k]
            for i in range(here):
                j = start + i
                above = red * pixels[0, j] + green * pixels[1, j] + blue * pixels[2, j]
                new[k, i] = max(np.float32(FLOOR), coefficients[k, j] * above / below[i])
        for k in range(rank):
            total = np.float32(0)
            for i in range(here):
                coefficients[k, start + i] = new[k, i]
                total += new[k, i]
            size += float(total)
            for c in range(3):
                part = np.float32(0)
                for i in range(here):
                    part += pixels[c, start + i] * new[k, i]
                with_pixels[c, k] += part
            for m in range(k + 1):
                part = np.float32(0)
                for i in range(here):
                    part += new[k, i] * new[m, i]
                with_selves[k, m] += part
    for k in range(rank):
        for m in range(k):
            with_selves[m, k] = with_selves[k, m]
    return size, with_pixels, with_selves
