"""Between an image's own light (linear, PQ, HLG) and the display values that the network knows.

References
----------
ITU-R BT.2100-2 (PQ and HLG); ITU-R BT.2408 (the reference white: 203 cd/m² in PQ, 75 % in HLG).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine import optics
from unshine.io import icc
from unshine.io.icc import Transfer
from unshine.io.model import Still
from unshine.io.plain import scaled
from unshine.layers import HIGHLIGHT_THRESHOLD
from unshine.pixels import strips

Floats = NDArray[np.float32]

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_PQ_WHITE = 203 / 10_000
_HLG_WHITE = (np.exp((0.75 - _C) / _A) + _B) / 12


def for_display(still: Still) -> NDArray[Any]:
    """Return an image's pixels as display values, as the network knows them.

    Parameters
    ----------
    still : Still
        In any light. Of light brighter than white the part up to white is returned.

    Returns
    -------
    ndarray
        The pixels themselves, where they are display values and whole numbers; otherwise float32
        in [0, 1] (uint16 where the pixels have 8 bits). H×W×3 or H×W.
    """
    if still.transfer == "display" and still.pixels.dtype.kind != "f":
        return still.pixels
    whole = still.pixels.dtype == np.uint8
    result = np.empty(still.pixels.shape, np.uint16 if whole else np.float32)
    for rows in strips(still.pixels.shape):
        display = _display(to_linear(still.pixels[rows], still.transfer))
        result[rows] = np.rint(display * 65535) if whole else display
    return result


def with_display(still: Still, clean: NDArray[Any]) -> Still:
    """Return an image with corrected display values, in its own light.

    Where nothing was corrected, not a bit changes. Light brighter than white, of which the
    network sees nothing, belongs to a highlight as far as the correction there is visible.

    Parameters
    ----------
    still : Still
        The image that `for_display` was given.
    clean : ndarray
        What became of the result of `for_display`; same shape and type.
    """
    if still.transfer == "display" and still.pixels.dtype.kind != "f":
        return replace(still, pixels=clean)
    pixels = still.pixels.copy()
    for rows in strips(pixels.shape):
        light = to_linear(still.pixels[rows], still.transfer)
        before = _display(light)
        after = clean[rows]
        if after.dtype == np.uint16:
            changed = after != np.rint(before * 65535).astype(np.uint16)
            after = after.astype(np.float32) / np.float32(65535)
        else:
            changed = after != before
        seen = ((before - after) / HIGHLIGHT_THRESHOLD).clip(0, 1)
        beyond = light - light.clip(0, 1)
        corrected = optics.decode(after, "srgb") + beyond * (1 - seen)
        corrected = from_linear(corrected, still.transfer)
        strip = pixels[rows]
        strip[changed] = _stored(corrected[changed], strip.dtype)
    return replace(still, pixels=pixels)


def converted(still: Still, transfer: Transfer) -> Still:
    """Return an image in another light, with metadata that say so.

    Parameters
    ----------
    still : Still
        Linear or display values.
    transfer : {"display", "linear"}
        What is wanted. Light beyond white is cut off for a display.
    """
    if still.transfer == transfer:
        return still
    result = np.empty(
        still.pixels.shape, np.float32 if transfer == "linear" else _deeper(still.pixels.dtype)
    )
    for rows in strips(still.pixels.shape):
        light = to_linear(still.pixels[rows], still.transfer)
        values = light if transfer == "linear" else _display(light)
        result[rows] = _stored(values, result.dtype)
    alpha = still.alpha
    if alpha is not None and alpha.dtype != result.dtype:
        alpha = scaled(alpha, result.dtype)
    # The primaries stay, and with them a profile, unless they are what everyone expects.
    profile = still.profile()
    points = icc.primaries(profile) if profile is not None else None
    curve = 1.0 if transfer == "linear" else None
    usual = points is None or np.allclose(points, icc.SRGB, atol=2e-3)
    made = None if usual or points is None else icc.of_primaries(points, curve)
    metadata = replace(still.metadata, icc_profile=made, colour=(), cicp=None)
    return replace(still, pixels=result, alpha=alpha, transfer=transfer, metadata=metadata)


def with_straight_colours(still: Still) -> Still:
    """Return an image whose colours are not multiplied by its opacity."""
    if not still.premultiplied or still.alpha is None:
        return replace(still, premultiplied=False)
    share = _share(still.alpha, still.pixels)
    straight = np.divide(
        still.pixels, share, out=np.zeros(still.pixels.shape, np.float32), where=share > 0
    )
    return replace(still, pixels=_like(straight, still.pixels), premultiplied=False)


def with_premultiplied_colours(still: Still) -> Still:
    """Return an image whose colours are multiplied by its opacity."""
    if still.premultiplied or still.alpha is None:
        return still
    product = still.pixels * _share(still.alpha, still.pixels)
    return replace(still, pixels=_like(product, still.pixels), premultiplied=True)


def _share(alpha: NDArray[Any], pixels: NDArray[Any]) -> Floats:
    share: Floats = alpha.astype(np.float32)
    if alpha.dtype.kind != "f":
        share /= np.float32(np.iinfo(alpha.dtype).max)
    return share if pixels.ndim == 2 else share[..., None]


def _like(values: Floats, like: NDArray[Any]) -> NDArray[Any]:
    if like.dtype.kind == "f":
        return values.astype(like.dtype)
    return np.rint(values.clip(0, np.iinfo(like.dtype).max)).astype(like.dtype)


def to_linear(values: NDArray[Any], transfer: Transfer) -> Floats:
    """Turn stored values into light, in which 1 is a display's white."""
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    else:
        values = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    if transfer == "pq":
        power = values.clip(0, 1) ** (1 / _M2)
        light = ((power - _C1).clip(0) / (_C2 - _C3 * power)) ** (1 / _M1) / _PQ_WHITE
    elif transfer == "hlg":
        values = values.clip(0, 1)
        light = np.where(values <= 0.5, values**2 / 3, (np.exp((values - _C) / _A) + _B) / 12)
        light = light / _HLG_WHITE
    else:
        light = values if transfer == "linear" else optics.decode(values, "srgb")
    result: Floats = light.astype(np.float32)
    return result


def from_linear(light: Floats, transfer: Transfer) -> Floats:
    """Turn light into values as they are stored: the inverse of `to_linear`."""
    if transfer == "pq":
        power = (light * _PQ_WHITE).clip(0, 1) ** _M1
        values = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    elif transfer == "hlg":
        scene = (light * _HLG_WHITE).clip(0, 1)
        above = _A * np.log((12 * scene - _B).clip(1e-6)) + _C
        values = np.where(scene <= 1 / 12, np.sqrt(3 * scene), above)
    else:
        values = light if transfer == "linear" else optics.encode(light, "srgb")
    result: Floats = values.astype(np.float32)
    return result


def _display(light: Floats) -> Floats:
    display: Floats = optics.encode(np.nan_to_num(light).clip(0, 1), "srgb").astype(np.float32)
    return display.clip(0, 1)


def _stored(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(dtype)
    return np.rint(values.clip(0, 1) * np.float32(np.iinfo(dtype).max)).astype(dtype)


def _deeper(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.uint8 if dtype == np.uint8 else np.uint16)
