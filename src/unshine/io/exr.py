"""OpenEXR files, through OpenEXR's own package, an extra.

References
----------
Academy Software Foundation, "OpenEXR File Layout".
"""

import struct
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unshine.errors import UnshineError
from unshine.extras import load
from unshine.io import icc
from unshine.io.model import Metadata, Source, Still
from unshine.io.plain import check_size

_OWN = frozenset({
    "channels", "compression", "dataWindow", "displayWindow", "lineOrder", "type", "tiles",
    "chunkCount", "version", "name", "view", "preview",
})  # fmt: skip
"""Attributes that say how one file stores its image, or show a small copy of it."""
_COLOURS = (("R", "G", "B"), ("r", "g", "b"))


def read(data: bytes, max_pixels: int) -> Still:
    """Read an OpenEXR file: the colours of its only part, or of the first layer that has some."""
    library = load("OpenEXR", "formats")
    head = library.File(BytesIO(data), header_only=True)
    if len(head.parts) > 1:
        raise UnshineError("the file has several parts; only single images are read.")
    header = head.header()
    low, high = header["dataWindow"]
    check_size(int(high[0] - low[0] + 1), int(high[1] - low[1] + 1), max_pixels)
    _check_complete(data)
    file = library.File(BytesIO(data), separate_channels=True)
    if not file.parts:
        raise ValueError("its pixels cannot be decoded")
    channels = {name: channel.pixels for name, channel in file.channels().items()}
    names = _chosen(list(channels))
    planes = [np.asarray(channels.pop(name)) for name in names]
    if any(plane.shape != planes[0].shape for plane in planes):
        raise UnshineError("the colours have fewer pixels than the brightness; convert the image.")
    if any(plane.dtype.kind != "f" for plane in planes):
        raise UnshineError("the colours are whole numbers; only floats are read.")
    half = all(plane.dtype == np.float16 for plane in planes)
    values = np.stack(planes, -1).astype(np.float32)
    pixels = np.ascontiguousarray(values[..., 0] if len(names) == 1 else values)
    opacity = channels.pop(names[0][:-1] + "A", None)
    alpha = None
    if opacity is not None and opacity.shape == pixels.shape[:2]:
        alpha = np.ascontiguousarray(opacity.astype(np.float32))
    coding = {
        "names": names, "others": channels, "half": half, "compression": header["compression"],
        "windows": (header["dataWindow"], header["displayWindow"]),
    }  # fmt: skip
    named = {name: value for name, value in header.items() if name not in _OWN}
    profile = None
    if (points := named.get("chromaticities")) is not None and len(points) == 8:
        flat = [float(value) for value in points]
        pairs = tuple(zip(flat[::2], flat[1::2], strict=True))
        if pairs[3][1] > 0 and not np.allclose(pairs, icc.SRGB, atol=2e-3):
            profile = icc.of_primaries(pairs, 1.0)
    metadata = Metadata(profile, named=named)
    source = Source("exr", pixels, alpha, 16 if half else 32, coding)
    return Still(pixels, alpha, "linear", metadata, source, premultiplied=alpha is not None)


def encode(still: Still, quality: int | None, bit_depth: int) -> bytes:
    """Write an image as OpenEXR, with 16 or 32 bits and all that its source held besides."""
    library = load("OpenEXR", "formats")
    dtype = np.float16 if bit_depth == 16 else np.float32
    own = still.source.coding if still.kind == "exr" and still.source else {}
    names = own.get("names") or (("Y",) if still.pixels.ndim == 2 else ("R", "G", "B"))
    channels: dict[str, NDArray[Any]] = dict(own.get("others", {}))
    planes = np.atleast_3d(still.pixels)
    limit = np.finfo(dtype).max
    for index, name in enumerate(names):
        channels[name] = planes[..., index].clip(-limit, limit).astype(dtype)
    if still.alpha is not None:
        channels[names[0][:-1] + "A"] = still.alpha.astype(dtype)
    header = dict(still.metadata.named)
    profile = still.profile()
    if not own and profile is not None and (points := icc.primaries(profile)) is not None:
        header["chromaticities"] = tuple(float(value) for point in points for value in point)
    header |= {
        "compression": own.get("compression", library.ZIP_COMPRESSION),
        "type": library.scanlineimage,
    }
    if "windows" in own:
        header["dataWindow"], header["displayWindow"] = own["windows"]
    made = {name: library.Channel(np.ascontiguousarray(plane)) for name, plane in channels.items()}
    buffer = BytesIO()
    library.File(header, made).write(buffer)
    return buffer.getvalue()


def _chosen(names: list[str]) -> tuple[str, ...]:
    """Choose the channels that hold the image."""
    layers = {name.rpartition(".")[0] for name in names}
    for layer in sorted(layers, key=lambda name: (name != "", "ombined" not in name, name)):
        for colours in _COLOURS:
            chosen = tuple(f"{layer}.{colour}" if layer else colour for colour in colours)
            if all(name in names for name in chosen):
                return chosen
    for name in names:
        if name in ("Y", "y") and "RY" not in names:
            return (name,)
    raise UnshineError(
        f"the file has no channels R, G and B, nor Y alone (it has {', '.join(names[:8])})."
    )


def _check_complete(data: bytes) -> None:
    """Refuse files that end before their pixels do, of which OpenEXR only complains on the screen.

    Raises
    ------
    ValueError
        If the file is not complete.
    """
    position, tiled = 8, bool(data[5] & 2)
    while data[position : position + 1] != b"\0":
        for _ in range(2):
            position = data.index(b"\0", position) + 1
        (length,) = struct.unpack_from("<i", data, position)
        position += 4 + max(length, 0)
    start = position + 1
    (first,) = struct.unpack_from("<Q", data, start)
    leader = 16 if tiled else 4
    for offset in struct.iter_unpack("<Q", data[start : start + (first - start) // 8 * 8]):
        (size,) = struct.unpack_from("<i", data, offset[0] + leader)
        if size < 0 or offset[0] + leader + 4 + size > len(data):
            raise ValueError("the file ends in the middle of the image")
