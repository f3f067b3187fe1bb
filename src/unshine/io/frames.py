"""The images of a film as PyAV has them: to RGB, and changes added to their own planes.

References
----------
ITU-T H.273 (matrices, ranges and the numbers that stand for them).
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unshine import pixels
from unshine.pixels import Floats

_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593), 7: (0.212, 0.087)}
"""Red's and blue's share of luma, by H.273's number of the matrix; others are BT.601's."""
_BT601, _BT709 = (0.299, 0.114), (0.2126, 0.0722)
_UNSPECIFIED, _FULL_RANGE = 2, 2


def to_rgb(frame: Any) -> Floats:
    """Return a frame's image, H×W×3 display values in [0, 1], as it is stored (not rotated)."""
    planes = [plane.astype(np.float32) for plane in _planes(frame)]
    depth = frame.format.components[0].bits
    if frame.format.is_rgb:
        return np.stack(planes, -1) / np.float32(2**depth - 1)
    luma_black, luma_range, chroma_range = _levels(frame, depth)
    luma = (planes[0] - luma_black) / luma_range
    if len(planes) == 1:
        return np.repeat(luma[..., None], 3, -1).clip(0, 1)
    size = luma.shape[0], luma.shape[1]
    blue, red = (
        pixels.resize(plane[..., None], size, Image.Resampling.BILINEAR)[..., 0]
        for plane in ((plane - 2 ** (depth - 1)) / chroma_range for plane in planes[1:])
    )
    weight_red, weight_blue = _weights(frame)
    red = luma + 2 * (1 - weight_red) * red
    blue = luma + 2 * (1 - weight_blue) * blue
    green = (luma - weight_red * red - weight_blue * blue) / (1 - weight_red - weight_blue)
    return np.stack([red, green, blue], -1).clip(0, 1).astype(np.float32)


def add_correction(frame: Any, correction: Floats) -> None:
    """Add a change of its RGB values, H×W×3, to a frame, in its own planes.

    Where it is zero the planes stay as they are, to the last bit; the coarser planes of colour take
    the mean of what they stand for.
    """
    if not correction.any():
        return
    frame.make_writable()
    planes = _planes(frame)
    depth = frame.format.components[0].bits
    if frame.format.is_rgb:
        changes = list(np.moveaxis(correction, -1, 0) * np.float32(2**depth - 1))
    else:
        weight_red, weight_blue = _weights(frame)
        red, green, blue = np.moveaxis(correction, -1, 0)
        _, luma_range, chroma_range = _levels(frame, depth)
        luma = weight_red * red + (1 - weight_red - weight_blue) * green + weight_blue * blue
        changes = [
            luma * luma_range,
            (blue - luma) / (2 * (1 - weight_blue)) * chroma_range,
            (red - luma) / (2 * (1 - weight_red)) * chroma_range,
        ]
    for plane, change in zip(planes, changes, strict=False):
        if plane.shape != change.shape:
            size = plane.shape[0], plane.shape[1]
            change = pixels.resize(change[..., None], size)[..., 0]
        plane[:] = np.rint(plane + change).clip(0, 2**depth - 1).astype(plane.dtype)


def is_transparent(frame: Any) -> bool:
    """Say if an image has transparency and uses it."""
    if not any(component.is_alpha for component in frame.format.components):
        return False
    return bool((frame.to_ndarray(format="rgba")[..., 3] < 255).any())


def planar_format(format: Any) -> str:
    """Return the planar format that holds what a format holds."""
    parts = format.components
    depth = max(part.bits for part in parts)
    parts = [part for part in parts if not part.is_alpha]
    if format.is_rgb or format.has_palette:
        return "gbrp" if depth <= 8 else f"gbrp{10 if depth <= 10 else 12}le"
    apart = len({part.plane for part in parts}) == len(format.components)
    if apart and not format.is_big_endian and (depth <= 8 or format.name.endswith("le")):
        return str(format.name)
    if len(parts) == 1:
        return "gray" if depth <= 8 else f"gray{10 if depth <= 10 else 12}le"
    shape = {(1, 1): "444", (2, 1): "422", (2, 2): "420"}
    coarse = 64 // format.chroma_width(64), 64 // format.chroma_height(64)
    bits = "" if depth <= 8 else "10le" if depth <= 10 else "12le"
    return f"yuv{shape.get(coarse, '444')}p{bits}"


def display_matrix(frame: Any) -> tuple[int, ...] | None:
    """Return how a film is to be turned when it is shown, if it is."""
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)
    return None if data is None else struct.unpack("=9i", bytes(data))


def _planes(frame: Any) -> list[NDArray[Any]]:
    """Return a planar frame's components as arrays that share its memory: Y, Cb, Cr or R, G, B."""
    arrays = []
    for component in frame.format.components:
        plane = frame.planes[component.plane]
        dtype = np.dtype("u1" if component.bits <= 8 else "<u2")
        rows = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // dtype.itemsize)
        arrays.append(rows[:, : component.width])
    return arrays


def _levels(frame: Any, depth: int) -> tuple[float, float, float]:
    """Return where luma begins, how far it reaches, and how far chroma does."""
    if frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj"):
        return 0, 2**depth - 1, 2**depth - 1
    unit = 2.0 ** (depth - 8)
    return 16 * unit, 219 * unit, 224 * unit


def _weights(frame: Any) -> tuple[float, float]:
    """Return red's and blue's shares of luma; players guess what is not said by the height."""
    known = int(frame.colorspace)
    if known == _UNSPECIFIED:
        return _BT709 if frame.height >= 720 else _BT601
    return _WEIGHTS.get(known, _BT601)
