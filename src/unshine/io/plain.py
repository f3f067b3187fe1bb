"""What the formats share that Pillow reads: pixels out of its images and into them."""

import io
import struct
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from unshine.errors import TooManyPixels, UnshineError
from unshine.io.model import Metadata
from unshine.pixels import from_display, strips, to_display

DEFLATED = 8 * 1_032
"""The most bits that Deflate puts into a byte."""


def check_size(width: int, height: int, max_pixels: int, possible: int | None = None) -> None:
    """Refuse images that are too large, or larger than their file can hold.

    Parameters
    ----------
    width, height : int
        What the file says.
    max_pixels : int
        The most pixels that are read.
    possible : int, optional
        The most pixels that a file of this length can hold, whatever they are.

    Raises
    ------
    TooManyPixels, UnshineError
        If that is so.
    """
    if width < 1 or height < 1:
        raise UnshineError("the image has no pixels.")
    if width * height > max_pixels:
        raise TooManyPixels(
            f"the image has {width} × {height} pixels, more than the {max_pixels / 1e6:g} million"
            " that are read at most (max_pixels)."
        )
    if possible is not None and width * height > max(2**22, possible):
        raise UnshineError(
            "the image is damaged or incomplete (the file is too short for its size)."
        )


def unpack(
    image: Image.Image, metadata: Metadata
) -> tuple[NDArray[Any], NDArray[Any] | None, Metadata]:
    """Take pixels and opacity out of a loaded image; palettes become colours, CMYK becomes sRGB."""
    if image.mode == "CMYK":
        image, profile = _cmyk_to_srgb(image, metadata.icc_profile)
        gone = (*metadata.gone, "CMYK (now RGB)")
        metadata = replace(metadata, icc_profile=profile, gone=gone)
    elif "transparency" in image.info and image.mode in ("1", "L", "RGB", "P"):
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("PA", "La", "RGBa"):
        image = image.convert("RGBA")
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        image = image.convert("RGB")
    pixels, alpha = np.asarray(image), None
    if image.mode in ("LA", "RGBA"):
        alpha = np.ascontiguousarray(pixels[..., -1])
        pixels = pixels[..., 0] if image.mode == "LA" else pixels[..., :3]
    return np.ascontiguousarray(pixels), alpha, metadata


def as_image(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> Image.Image:
    """Put 8-bit pixels and opacity together as an image of Pillow's."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if alpha is not None:
        image.putalpha(Image.fromarray(np.ascontiguousarray(alpha)))
    return image


def eight_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn uint8, uint16 or float values into uint8."""
    return scaled(values, np.dtype(np.uint8))


def scaled(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Turn values of one type into another: whole numbers fill their range, floats [0, 1]."""
    if values.dtype == dtype:
        return values
    if dtype.kind == "f" and values.dtype.kind == "f":
        return values.astype(dtype)
    result = np.empty(values.shape, dtype)
    for rows in strips(values.shape):
        display = to_display(np.nan_to_num(values[rows]))
        result[rows] = from_display(display, dtype)
    return result


def widened(values: NDArray[Any], depth: int) -> NDArray[np.uint16]:
    """Turn whole numbers of fewer bits into ones that fill the range of 16."""
    result = np.empty(values.shape, np.uint16)
    for rows in strips(values.shape):
        result[rows] = np.rint(values[rows] * np.float32(65535 / (2**depth - 1)))
    return result


def photoshop_without_previews(resources: bytes) -> bytes:
    """Take the small copies of the image out of Photoshop's image resources."""
    kept, position = b"", 0
    while resources[position : position + 4] == b"8BIM":
        try:
            number, name = struct.unpack_from(">HB", resources, position + 4)
            start = position + 6 + name + 1 + (name + 1) % 2
            (length,) = struct.unpack_from(">I", resources, start)
        except struct.error:
            break
        end = start + 4 + length + length % 2
        if number not in (1033, 1036):
            kept += resources[position:end]
        position = end
    return kept


def _cmyk_to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Convert to sRGB, through the image's own profile if it has a usable one."""
    if profile is not None:
        try:
            srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), srgb, outputMode="RGB"
            )
            if converted is not None:
                return converted, srgb.tobytes()
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB"), None
