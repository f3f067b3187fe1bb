"""Masks: the user's word on where highlights are, as arrays or Pillow images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine.pixels import Floats


def checked(mask: Any, size: tuple[int, int]) -> NDArray[Any]:
    """Return a mask as H×W, of a type that `authority` takes."""
    if isinstance(mask, Image.Image) and mask.mode not in ("1", "L", "I;16", "F"):
        mask = mask.convert("L")
    mask = np.asarray(mask)
    if mask.shape == (*size, 1):
        mask = mask[..., 0]
    if mask.shape != size:
        raise ValueError(f"A mask has the image's height and width, {size}, not {mask.shape}.")
    if mask.dtype.kind != "f" and mask.dtype not in (np.uint8, np.uint16, np.bool_):
        raise ValueError(f"A mask is uint8, uint16, bool or float, not {mask.dtype}.")
    # Written so that NaN is refused too.
    if mask.dtype.kind == "f" and not (mask.min() >= 0 and mask.max() <= 1):
        raise ValueError(f"A float mask is in [0, 1]; this one is in [{mask.min()}, {mask.max()}].")
    return mask


def authority(mask: NDArray[Any]) -> Floats:
    """From a mask to −1 (protect), 0 (let the network decide), 1 (a highlight for certain)."""
    if mask.dtype.kind in "fb":
        return 2 * mask.astype(np.float32) - 1
    # Integers have two middles, 127 and 128: both are 0.
    half = np.float32(np.iinfo(mask.dtype).max // 2)
    above: Floats = mask.astype(np.float32) - half
    return np.where(above > 0, above - 1, above) / half
