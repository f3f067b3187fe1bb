"""Tone correction: the affine colour map that gives the diffuse image the photograph's tone.

Ours is fitted inside the object and outside its highlight, with the array library of its arguments
(NumPy, PyTorch); the paper's over the whole frame.
"""

from typing import Any

from unshine import optics
from unshine.optics import Array


def fit(diffuse: Array, image: Array, weight: Array, ridge: float = 1e-3) -> Array:
    """Fit the affine colour map that brings the diffuse image to the input's tone.

    Weighted least squares for ``[1, D_r, D_g, D_b] @ M = [I_r, I_g, I_b]``.

    Parameters
    ----------
    diffuse, image : array, (..., P, 3)
        The same P pixels of both images, in one space.
    weight : array, (..., P, 1)
        How much each pixel counts: 0 inside highlights and outside the object.
    ridge : float
        Pull towards the identity, in mean squared weight; keeps images of a single colour, or
        without a single counted pixel, well posed.

    Returns
    -------
    array, (..., 4, 3)
        The map M; its first row is the offset.

    References
    ----------
    Fu et al., "Towards High-Quality Specular Highlight Removal by Leveraging Large-scale Synthetic
    Data", ICCV 2023, tone correction; the ridge is ours.

    Examples
    --------
    >>> import numpy as np
    >>> diffuse = np.random.default_rng(0).random((500, 3))
    >>> image = 0.9 * diffuse + 0.05
    >>> tone = fit(diffuse, image, np.ones((500, 1)), ridge=0)
    >>> np.allclose(apply(diffuse, tone), image)
    True
    """
    ones = diffuse[..., :1] * 0 + 1
    design = [ones, diffuse[..., 0:1], diffuse[..., 1:2], diffuse[..., 2:3]]
    total = weight.sum(-2) + 1e-6  # (..., 1)
    # Solve for the change from the identity map: the ridge then pulls towards "nothing to correct".
    difference = image - diffuse
    rows = []
    for i in range(4):
        row = [(weight * design[i] * design[j]).sum(-2) / total for j in range(4)]
        row[i] = row[i] + ridge
        row.append((weight * design[i] * difference).sum(-2) / total)  # (..., 3)
        rows.append(row)
    change = _solve(rows)
    for channel in range(3):
        unit = [change[0][..., :1] * 0 + (1.0 if c == channel else 0.0) for c in range(3)]
        change[channel + 1] = change[channel + 1] + _join(unit)
    return _stack_rows(change)


def apply(diffuse: Array, tone: Array) -> Array:
    """Apply a map found by `fit`.

    Parameters
    ----------
    diffuse : array, (..., P, 3)
    tone : array, (..., 4, 3)

    Returns
    -------
    array, (..., P, 3)
        Not clipped.
    """
    return diffuse @ tone[..., 1:, :] + tone[..., :1, :]


def paper_highlight_mask(specular: Array, bins: int = 256) -> Array:
    """TSHRNet's highlight mask: Otsu's threshold on the lightness of the residue image.

    Parameters
    ----------
    specular : array, (P, 3)
        The residue image's pixels, display values in [0, 1] (sRGB, as CIELAB needs).
    bins : int
        Histogram bins of Otsu's method.

    Returns
    -------
    array, (P, 1)
        1.0 inside the highlight, 0.0 outside.
    """
    linear = optics.decode(specular, "srgb")
    luminance = 0.2126 * linear[..., :1] + 0.7152 * linear[..., 1:2] + 0.0722 * linear[..., 2:3]
    dark = luminance <= (6 / 29) ** 3
    lightness = dark * (luminance * 9.0330) + (dark == 0) * (1.16 * luminance ** (1 / 3) - 0.16)
    low, high = lightness.min(), lightness.max()
    lightness = (lightness - low) / (high - low + 1e-12)
    mean = lightness.mean()
    best, threshold = -1.0, 1.0
    for step in range(1, bins):
        above = lightness * 0 + (lightness >= step / bins)
        share = float(above.mean())
        if 0 < share < 1:
            # Otsu's between-class variance, from the upper class's share and mean alone.
            upper = float((lightness * above).mean())
            variance = (upper - share * float(mean)) ** 2 / (share * (1 - share))
            if variance > best:
                best, threshold = variance, step / bins
    return lightness * 0 + (lightness >= threshold)


def paper_correction(diffuse: Array, image: Array, specular: Array) -> Array:
    """TSHRNet's tone-corrected diffuse image (`d_tc`), fitted over the whole frame.

    Parameters
    ----------
    diffuse, image, specular : array, (H, W, 3)
        Display values in [0, 1].

    Returns
    -------
    array, (H, W, 3)
        Display values in [0, 1].
    """
    flat = diffuse.reshape(-1, 3)
    outside = 1 - paper_highlight_mask(specular.reshape(-1, 3))
    # Just enough for grey images, whose three columns are one, in single precision.
    tone = fit(flat, image.reshape(-1, 3), outside, ridge=1e-6)
    return apply(flat, tone).clip(0, 1).reshape(diffuse.shape)


def correction(
    diffuse: Array, image: Array, mask: Array, channel_axis: int, tolerance: float = 0.02
) -> Array:
    """Our tone correction: fitted inside the object and outside its highlight.

    Parameters
    ----------
    diffuse, image : array, (B, 3, H, W) or (H, W, 3)
        Display values in [0, 1].
    mask : array, one channel
        The object, 1 inside.
    channel_axis : int
        1 for (B, 3, H, W), 2 for (H, W, 3).
    tolerance : float
        Display difference from which a pixel counts as highlight and leaves the fit.

    Returns
    -------
    array of the same shape
        Display values in [0, 1]: `diffuse` with the input's tone.
    """
    to_pixels, back = _pixels(diffuse, channel_axis)
    difference = optics.residue(image, diffuse)
    calm = 1.0 * (optics.largest_channel(difference, channel_axis) < tolerance)
    tone = fit(to_pixels(diffuse), to_pixels(image), to_pixels(mask * calm))
    return back(apply(to_pixels(diffuse), tone).clip(0, 1))


def _pixels(like: Array, channel_axis: int) -> tuple[Any, Any]:
    """Functions to and from pixel lists (..., P, 3) for an image of the given layout."""
    if channel_axis == 2:
        return (
            lambda x: x.reshape(-1, x.shape[-1]),
            lambda x: x.reshape(like.shape),
        )
    batch, _, height, width = like.shape
    return (
        lambda x: x.reshape(batch, x.shape[1], height * width).swapaxes(1, 2),
        lambda x: x.swapaxes(1, 2).reshape(like.shape),
    )


def _solve(rows: list[list[Array]]) -> list[Array]:
    """Gauss-Jordan elimination of a small positive definite system, batched, without pivoting."""
    size = len(rows)
    for i in range(size):
        pivot = rows[i][i]
        rows[i] = [value / pivot for value in rows[i]]
        for j in range(size):
            if j != i:
                factor = rows[j][i]
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[-1] for row in rows]


def _join(columns: list[Array]) -> Array:
    """Concatenate three (..., 1) arrays along the last axis, with arithmetic alone."""
    wide = columns[0][..., [0, 0, 0]] * 0
    for index, column in enumerate(columns):
        wide[..., index : index + 1] = column
    return wide


def _stack_rows(rows: list[Array]) -> Array:
    """Stack (..., 3) arrays into (..., len(rows), 3)."""
    wide = rows[0][..., None, :][..., [0] * len(rows), :] * 0
    for index, row in enumerate(rows):
        wide[..., index, :] = row
    return wide
