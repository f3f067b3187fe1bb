"""Keeps the correction of a film steady from image to image, along the motion of what is seen.

The network judges every image for itself, and noise sways its judgement a little: corrected one by
one, the images of a film flicker. What is filtered over time here is the *correction*, never the
image: grain and motion stay the film's own.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import pixels
from unshine.pixels import Floats

MOTION_SIZE = 480
"""Pixels of the long side at which motion is looked for."""
BLOCK = 16
"""Side of the blocks, in these pixels, that move as one."""
REACH = 8
"""How far a block can move from one image to the next, in these pixels."""
MOST_NOISE = 0.015
"""Mean difference of two images, reduced to `MOTION_SIZE`, that may still be noise."""
NEW = 0.15
"""Share of an image's own correction where the scene is the one before, only moved."""


class Steadier:
    """Carries the correction of each image on to the next.

    Every correction is a mean of the image's own and the previous steady one, moved along with the
    scene. How much the previous one counts is decided pixel by pixel: not at all where the image
    is not the previous image, moved (something appeared, a highlight wandered, the shot changed).

    Examples
    --------
    >>> film = Steadier()
    >>> image = np.full((32, 32, 3), 0.5, np.float32)
    >>> first = film(image, np.full_like(image, 0.1))
    >>> second = film(image, np.full_like(image, 0.2))  # the same image, judged differently
    >>> round(float(first[0, 0, 0]), 3), round(float(second[0, 0, 0]), 3)
    (0.1, 0.115)
    """

    def __init__(self) -> None:
        self._before: tuple[Floats, Floats] | None = None

    def __call__(self, image: Floats, correction: Floats) -> Floats:
        """Return the steady correction of the film's next image.

        Parameters
        ----------
        image : ndarray, float32, H×W×3
            Display values in [0, 1]; all images of a film have one size.
        correction : ndarray, float32, H×W×3
            What the network would add to it.

        Returns
        -------
        ndarray, float32, H×W×3
            What is to be added to it.
        """
        small = pixels.reduce(image.mean(-1, keepdims=True), MOTION_SIZE)[..., 0]
        steady = correction
        if self._before is not None and (correction.any() or self._before[1].any()):
            previous, carried = self._before
            vectors = motion(previous, small)
            sameness = _sameness(small, moved(previous[..., None], vectors)[..., 0])
            weight = _enlarged(sameness, image.shape)[..., None] * np.float32(1 - NEW)
            carried = moved(carried, vectors)
            steady = correction + weight * (carried - correction)
        self._before = small, steady
        return steady


def motion(previous: Floats, image: Floats) -> NDArray[np.int64]:
    """Find where each block of an image was in the previous one.

    Blocks are compared by their mean absolute difference over every shift within `REACH`. Staying
    where it was has the better of shifts that are hardly better, so that noise moves nothing.

    Parameters
    ----------
    previous, image : ndarray, float32, h×w
        Brightness in [0, 1].

    Returns
    -------
    ndarray, int, rows×columns×2
        Down and right from a block's place to where it was, in pixels; the last blocks of a row or
        column may be smaller than `BLOCK`.
    """
    height, width = image.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padding = ((0, rows * BLOCK - height), (0, columns * BLOCK - width))
    image = np.pad(image, padding, "edge")
    around = np.pad(np.pad(previous, padding, "edge"), REACH, "edge")
    shifts = [(y, x) for y in range(-REACH, REACH + 1) for x in range(-REACH, REACH + 1)]
    shifts.sort(key=lambda shift: shift[0] ** 2 + shift[1] ** 2)
    best = np.full((rows, columns), np.inf, np.float32)
    vectors = np.zeros((rows, columns, 2), np.int64)
    for y, x in shifts:
        there = around[REACH + y :, REACH + x :][: image.shape[0], : image.shape[1]]
        cost = np.abs(there - image).reshape(rows, BLOCK, columns, BLOCK).mean((1, 3))
        if (y, x) == (0, 0):
            cost = 0.8 * cost - 1e-3
        better = cost < best
        best[better] = cost[better]
        vectors[better] = y, x
    return vectors


def moved(values: Floats, vectors: NDArray[np.int64]) -> Floats:
    """Move an image's values along, block by block.

    Parameters
    ----------
    values : ndarray, float32, H×W×C
        Of any size; the blocks divide it as they do the image that `motion` was found on.
    vectors : ndarray, rows×columns×2
        From `motion`.

    Returns
    -------
    ndarray, float32, H×W×C
        What stood where each block was; beyond the edges the edge is repeated.
    """
    if not vectors.any():
        return values
    height, width = values.shape[:2]
    scale = max(1.0, max(height, width) / MOTION_SIZE)
    down = _spread(vectors[..., 0], (height, width), scale)
    right = _spread(vectors[..., 1], (height, width), scale)
    y = (np.arange(height)[:, None] + down).clip(0, height - 1)
    x = (np.arange(width) + right).clip(0, width - 1)
    return values.reshape(height * width, -1)[y * width + x]


def _spread(shifts: NDArray[np.int64], size: tuple[int, int], scale: float) -> NDArray[np.int64]:
    """Give every pixel of a full image its block's shift, in full pixels."""
    side = BLOCK * scale
    rows = (np.arange(size[0]) / side).astype(int).clip(0, shifts.shape[0] - 1)
    columns = (np.arange(size[1]) / side).astype(int).clip(0, shifts.shape[1] - 1)
    full: NDArray[np.int64] = np.rint(shifts * scale).astype(np.int64)[rows][:, columns]
    return full


def _sameness(image: Floats, before: Floats) -> Floats:
    """Say where an image is the previous one but for noise, h×w, from 0 (not) to 1 (it is)."""
    difference = _blurred(np.abs(image - before))
    # The median tells how strong the noise is, unless all has changed; what stands out from it is
    # no noise.
    noise = min(max(float(np.median(difference)), 2e-3), MOST_NOISE)
    same: Floats = (3 - difference / noise).clip(0, 2) / 2
    return same.astype(np.float32)


def _blurred(values: Floats) -> Floats:
    """Return the mean of every 5×5 window; the border is repeated outwards."""
    padded = np.pad(values, 2, "edge")
    rows = np.sum([padded[:, k : k + values.shape[1]] for k in range(5)], 0)
    total: Floats = np.sum([rows[k : k + values.shape[0]] for k in range(5)], 0)
    return total / np.float32(25)


def _enlarged(values: Floats, shape: tuple[int, ...]) -> Floats:
    size = shape[0], shape[1]
    return pixels.resize(values[..., None], size, Image.Resampling.BILINEAR)[..., 0]
