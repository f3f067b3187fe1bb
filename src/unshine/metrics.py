"""PSNR, SSIM, CIEDE2000 and change, over a whole image and over regions of it.

The *highlight region* is where, inside the object, the largest channel of (input − truth) exceeds
`layers.HIGHLIGHT_THRESHOLD` in display values; *outside* is the rest of the object.

SSIM and CIEDE2000 need the extra ``bench``.
"""

import numpy as np
from numpy.typing import NDArray

from unshine import optics
from unshine.layers import HIGHLIGHT_THRESHOLD
from unshine.pixels import Floats

Mask = NDArray[np.bool_]

PERFECT = 100.0
"""PSNR in dB of images that are equal, so that averages stay finite."""
WINDOW = 11
BORDER = WINDOW // 2

REGIONS = ("whole", "object", "highlight", "outside")
METRICS = ("psnr", "ssim", "ciede2000")
COLUMNS = tuple(f"{metric}_{region}" for region in REGIONS for metric in METRICS)
"""The names of all scores: every metric in every region."""

# Linear light with sRGB's primaries and white to CIE XYZ (IEC 61966-2-1).
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def psnr(result: Floats, truth: Floats, where: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB for a data range of 1.

    Parameters
    ----------
    result, truth : array, (H, W, 3)
    where : array of bool, (H, W), optional
        The pixels that count, all their channels.

    Returns
    -------
    float
        At most `PERFECT`; NaN where no pixel counts.

    Examples
    --------
    >>> truth = np.zeros((8, 8, 3), np.float32)
    >>> round(psnr(truth + 0.1, truth), 2)
    20.0
    >>> psnr(truth, truth)
    100.0
    """
    error = np.square(result.astype(np.float64) - truth)
    if where is not None:
        error = error[where]
    if not error.size:
        return np.nan
    mean = error.mean()
    return PERFECT if mean == 0 else float(min(-10 * np.log10(mean), PERFECT))


def change(result: Floats, image: Floats, where: Mask, linear: bool = False) -> float:
    """Root mean square difference between a result and its input, in 8-bit levels.

    Parameters
    ----------
    result, image : array, (H, W, 3)
        Display values, or linear light if `linear`; the difference is taken in display values.
    where : array of bool, (H, W)
        The pixels that count, all their channels.

    Returns
    -------
    float
        NaN where no pixel counts.

    Examples
    --------
    >>> image = np.full((8, 8, 3), 0.5, np.float32)
    >>> round(change(image + 2 / 255, image, np.ones((8, 8), bool)), 3)
    2.0
    """
    if linear:
        result, image = optics.encode(result), optics.encode(image)
    difference = (result.astype(np.float64) - image)[where]
    return float(255 * np.sqrt(np.square(difference).mean())) if difference.size else np.nan


def ssim_map(result: Floats, truth: Floats) -> NDArray[np.float64] | None:
    """Structural similarity around each pixel, mean of the channels.

    Gaussian window of 11×11 with σ 1.5, data range 1, population covariance.

    Returns
    -------
    array, (H − 10, W − 10), or None
        Without the border where the window sticks out; None where nothing else is left.

    References
    ----------
    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    Transactions on Image Processing 13(4), 2004.
    """
    if min(truth.shape[:2]) < WINDOW:
        return None
    from skimage.metrics import structural_similarity

    _, full = structural_similarity(
        result.astype(np.float64),
        truth.astype(np.float64),
        channel_axis=2,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    inner: NDArray[np.float64] = full[BORDER:-BORDER, BORDER:-BORDER].mean(axis=2)
    return inner


def ciede2000_map(result: Floats, truth: Floats, linear: bool = False) -> NDArray[np.float64]:
    """Colour difference ΔE₀₀ of each pixel, (H, W).

    Parameters
    ----------
    result, truth : array, (H, W, 3)
        Display values (power 2.2), or linear light if `linear`; sRGB's primaries, D65.
    """
    from skimage.color import deltaE_ciede2000, xyz2lab

    lab = []
    for values in (result, truth):
        light = values if linear else optics.decode(values)
        lab.append(xyz2lab(light.astype(np.float64) @ TO_XYZ.T))
    # Equal colours may differ in their last bit, as a matrix product depends on its memory's place.
    difference: NDArray[np.float64] = deltaE_ciede2000(*lab).round(9)
    return difference


def highlight_region(image: Floats, truth: Floats, mask: Mask, linear: bool = False) -> Mask:
    """Where a highlight is visible, (H, W).

    Parameters
    ----------
    image, truth : array, (H, W, 3)
        Display values, or linear light if `linear`; they are compared in display values.
    mask : array of bool, (H, W)
        The object.

    Examples
    --------
    >>> truth = np.full((4, 4, 3), 0.5, np.float32)
    >>> image = truth.copy()
    >>> image[1, 2] = 0.9
    >>> np.argwhere(highlight_region(image, truth, np.ones((4, 4), bool)))
    array([[1, 2]])
    """
    return mask & (_excess(image, truth, linear) > HIGHLIGHT_THRESHOLD)


def highlight_strength(
    image: Floats, truth: Floats, mask: Mask, linear: bool = False
) -> tuple[float, float]:
    """How much highlight an image has.

    Returns
    -------
    area : float
        Share of the object that the highlight region covers.
    strength : float
        Mean of the largest channel of (input − truth) there, in display values; 0 without any.
    """
    excess = _excess(image, truth, linear)
    region = mask & (excess > HIGHLIGHT_THRESHOLD)
    strength = float(excess[region].mean()) if region.any() else 0.0
    return float(region.sum() / max(mask.sum(), 1)), strength


def scores(
    result: Floats, image: Floats, truth: Floats, mask: Mask, linear: bool = False
) -> dict[str, float]:
    """All metrics of a result over all regions, under the names of `COLUMNS`.

    Parameters
    ----------
    result, image, truth : array, (H, W, 3)
        A method's result, its input and what it should be; the result is clipped to [0, 1].
    mask : array of bool, (H, W)
        The object.
    linear : bool
        Whether the values are linear light; PSNR and SSIM are taken of the values as they are.

    Returns
    -------
    dict
        NaN where a region is empty, and for SSIM where an image has no 11×11 window.
    """
    result = np.clip(result, 0, 1)
    highlight = highlight_region(image, truth, mask, linear)
    regions = {
        "whole": np.ones_like(mask),
        "object": mask,
        "highlight": highlight,
        "outside": mask & ~highlight,
    }
    similarity = ssim_map(result, truth)
    colour = ciede2000_map(result, truth, linear)
    found = {}
    for name, where in regions.items():
        inner = where[BORDER:-BORDER, BORDER:-BORDER]
        found[f"psnr_{name}"] = psnr(result, truth, where)
        found[f"ssim_{name}"] = np.nan if similarity is None else _mean(similarity, inner)
        found[f"ciede2000_{name}"] = _mean(colour, where)
    return found


def _excess(image: Floats, truth: Floats, linear: bool) -> Floats:
    if linear:
        image, truth = optics.encode(image), optics.encode(truth)
    return np.asarray((image - truth).max(axis=2))


def _mean(values: NDArray[np.float64], where: Mask) -> float:
    return float(values[where].mean()) if where.any() else np.nan
