"""Kinds of arrays: what counts as an image, to and from display values, 8 bits, other sizes.

An *image* is H×W (grey), H×W×1 (grey), H×W×2 (grey and alpha), H×W×3 (RGB) or H×W×4 (RGB and
alpha), of uint8, uint16 or floating-point values, display-encoded; floats are in [0, 1].
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine.errors import UnshineError

Floats = NDArray[np.float32]

PIL_MODES = ("L", "LA", "RGB", "RGBA", "I;16", "F")
"""Pillow's modes whose values are display values as they stand."""
STRIP_PIXELS = 2**17
"""Full-resolution pixels that are worked on at a time; bounds the memory of large photographs."""


def colours(image: NDArray[Any]) -> NDArray[Any]:
    """Return the colours of an image, without its alpha: a view of it, H×W or H×W×3.

    What is written into the view is written into the image.
    """
    if image.ndim == 2:
        return image
    return image[..., 0] if image.shape[2] < 3 else image[..., :3]


def rgb(image: NDArray[Any]) -> NDArray[Any]:
    """Check an image and return its colours as H×W×3, a view; grey ones three times.

    Raises
    ------
    ValueError
        If the array is no image: another shape or type, no pixels, values that are not finite or
        far beyond [0, 1].
    """
    image = np.asarray(image)
    if not (image.ndim == 2 or (image.ndim == 3 and 1 <= image.shape[2] <= 4)):
        raise ValueError(f"An image is H×W, or H×W×1 to H×W×4, not {image.shape}.")
    if image.size == 0:
        raise ValueError(f"The image has no pixels: its shape is {image.shape}.")
    if image.dtype.kind != "f" and image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"An image is uint8, uint16 or float, not {image.dtype}.")
    values = colours(image)
    if values.dtype.kind == "f":
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise ValueError("The image holds values that are not finite (NaN or infinity).")
        # A resampled image may overshoot a little; one in [0, 255] must not pass for white.
        if low < -1 or high > 2:
            raise ValueError(f"A float image is in [0, 1]; this one is in [{low:g}, {high:g}].")
    if values.ndim == 2:
        return np.broadcast_to(values[..., None], (*values.shape, 3))
    return values


def to_display(values: NDArray[Any]) -> Floats:
    """Turn uint8, uint16 or float values into float32 display values in [0, 1]."""
    if values.dtype.kind == "f":
        return values.clip(0, 1).astype(np.float32)
    return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)


def from_display(display: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Turn float32 display values in [0, 1] into values of the given type, rounded to the nearest.

    The inverse of `to_display`.
    """
    if dtype.kind == "f":
        return display.astype(dtype)
    return np.rint(display * np.float32(np.iinfo(dtype).max)).astype(dtype)


def to_uint8(display: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn display values into 8 bits, clipped to [0, 1] and rounded to the nearest.

    Examples
    --------
    >>> to_uint8(np.array([-0.1, 0.5, 1.0]))
    array([  0, 128, 255], dtype=uint8)
    """
    return np.rint(display.clip(0, 1) * 255).astype(np.uint8)


def resize(
    values: NDArray[Any],
    size: tuple[int, int],
    resample: Image.Resampling = Image.Resampling.BOX,
) -> Floats:
    """Resize an image of any number of channels, channel by channel, in floating point.

    Parameters
    ----------
    values : ndarray, H×W×C
        Floats of any range; uint8 and uint16 are taken as `to_display` takes them.
    size : tuple of int
        The new height and width.
    resample : Pillow's Resampling
        ``BOX`` averages areas; ``BILINEAR`` and ``BICUBIC`` do so too where they reduce.

    Returns
    -------
    ndarray, float32, h×w×C
        Bicubic values may overshoot.
    """
    planes = []
    for channel in range(values.shape[2]):
        plane = values[..., channel]
        plane = plane.astype(np.float32) if plane.dtype.kind == "f" else to_display(plane)
        resized = Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], resample)
        planes.append(np.asarray(resized))
    return np.stack(planes, -1)


def reduce(values: NDArray[Any], long_side: int) -> Floats:
    """Return an image as float32 display values, area-averaged until its long side fits."""
    height, width = values.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return to_display(values)
    if values.dtype.kind == "f":
        values = values.clip(0, 1)
    return resize(values, (max(1, round(height * scale)), max(1, round(width * scale))))


def share(name: str, value: Any) -> float:
    """Check a number from 0 to 1."""
    if not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ValueError(f"{name} must be a number between 0 and 1, not {value!r}.")
    return float(value)


def strips(size: tuple[int, ...]) -> Iterator[slice]:
    """Cut an image of this height and width into runs of rows of about `STRIP_PIXELS` pixels."""
    height, width = size[:2]
    step = max(1, STRIP_PIXELS // width)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def work_on_strips(size: tuple[int, ...], work: Callable[[slice], None], threads: int) -> None:
    """Have every strip of an image worked on, some at a time.

    Parameters
    ----------
    size : tuple of int
        Height and width.
    work : callable
        Does what is to be done to a run of rows; NumPy and Pillow let other threads run meanwhile.
    threads : int
        How many are worked on at a time.
    """
    if threads == 1:
        for rows in strips(size):
            work(rows)
        return
    with ThreadPoolExecutor(threads, "unshine-strips") as pool:
        for _ in pool.map(work, strips(size)):
            pass


def from_pil(image: Image.Image) -> NDArray[Any]:
    """Return the values of a Pillow image as an image array.

    Palettes become RGB, with alpha where they have transparency. The result is grey, RGB or with
    alpha as the mode says.

    Raises
    ------
    UnshineError
        If the mode's values are not display values (CMYK, Lab, 1 and 32 bits ...).
    """
    if image.mode in ("P", "PA"):
        clear = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if clear else "RGB")
    if image.mode not in PIL_MODES:
        raise UnshineError(
            f"A Pillow image of mode {image.mode} cannot be used as it is; convert it to RGB first,"
            " by its colour profile if it has one (PIL.ImageCms)."
        )
    return np.asarray(image)


def to_pil(values: NDArray[Any], like: Image.Image) -> Image.Image:
    """Return an image array as a Pillow image, with the metadata of another one.

    Its mode is that of the image that `from_pil` made the array of; a palette's is RGB or RGBA.
    """
    result = Image.fromarray(values)
    result.info = dict(like.info)
    if like.mode in ("P", "PA"):
        result.info.pop("transparency", None)
    return result
