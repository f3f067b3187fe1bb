"""AVIF files: 8 bits through Pillow; 10 and 12 bits through imagecodecs, an extra.

References
----------
AOM, "AV1 Image File Format"; ISO/IEC 23008-12 (the boxes around it).
"""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import AvifImagePlugin

from unshine.errors import UnshineError
from unshine.extras import load
from unshine.io import boxes, exif, icc
from unshine.io.model import Metadata, Source, Still, upright
from unshine.io.plain import as_image, check_size, scaled, unpack, widened

QUALITY = 92
_SPEED = 6


def read(data: bytes, max_pixels: int) -> Still:
    """Read an AVIF file of one image."""
    image = AvifImagePlugin.AvifImageFile(BytesIO(data))
    check_size(*image.size, max_pixels)
    if image.n_frames > 1:
        raise UnshineError("this is an animation; only single images are read.")
    info = image.info
    block = info.get("exif", b"").removeprefix(b"Exif\0\0") or None
    turned = exif.orientation(block) if block else 1
    meta = boxes.describe(data)
    gone = ("gain map",) if b"tmap" in meta.items else ()
    metadata = Metadata(info.get("icc_profile"), block, info.get("xmp"), cicp=meta.cicp, gone=gone)
    if meta.depth > 8:
        array = load("imagecodecs", "formats").avif_decode(data, numthreads=1)
        values = np.atleast_3d(widened(array, meta.depth))
        alpha = np.ascontiguousarray(values[..., -1]) if image.mode[-1] == "A" else None
        pixels = values[..., :3] if values.shape[2] > 1 else values[..., 0]
    else:
        image.load()
        pixels, alpha, metadata = unpack(image, metadata)
    if meta.grey and pixels.ndim == 3:
        # Pillow and imagecodecs have greys as colours.
        pixels = pixels[..., 0]
    pixels = upright(pixels, turned)
    alpha = None if alpha is None else upright(alpha, turned)
    curve = meta.cicp[1] if meta.cicp else 2
    profile = metadata.icc_profile
    transfer = icc.transfer(profile) if profile else icc.transfer_of_cicp(curve)
    source = Source("avif", pixels, alpha, meta.depth, {"chroma": meta.chroma}, turned)
    return Still(pixels, alpha, transfer, metadata, source)


def encode(still: Still, quality: int | None, bit_depth: int) -> bytes:
    """Write an image as AVIF, with 8, 10 or 12 bits."""
    quality = QUALITY if quality is None else quality
    metadata = still.metadata
    own = still.source.coding.get("chroma") if still.kind == "avif" and still.source else None
    chroma = own or "4:4:4"
    profile = still.profile()
    cicp = metadata.cicp or (1, 13, 6, 1)
    if bit_depth == 8:
        alpha = None if still.alpha is None else scaled(still.alpha, np.dtype(np.uint8))
        options: dict[str, Any] = {"quality": quality, "speed": _SPEED}
        if still.pixels.ndim == 3:
            options["subsampling"] = chroma
        buffer = BytesIO()
        image = as_image(scaled(still.pixels, np.dtype(np.uint8)), alpha)
        image.save(buffer, "AVIF", **options)
        coded = buffer.getvalue()
    else:
        deep = np.dtype(np.uint16)
        pixels = scaled(still.pixels, deep)
        if still.alpha is not None:
            colours = np.repeat(np.atleast_3d(pixels), 1 if pixels.ndim == 3 else 3, 2)
            pixels = np.dstack([colours, scaled(still.alpha, deep)])
        top = 2**bit_depth - 1
        values = np.rint(pixels * (top / 65535)).astype(np.uint16)
        coded = load("imagecodecs", "formats").avif_encode(
            values, level=quality, speed=_SPEED, bitspersample=bit_depth,
            pixelformat="400" if pixels.ndim == 2 else chroma.replace(":", ""),
            primaries=cicp[0], transfer=cicp[1], matrix=cicp[2] or 6, numthreads=1,
        )  # fmt: skip
    return boxes.with_metadata(coded, profile, metadata.cicp, metadata.exif, metadata.xmp)
