"""WebP files, lossy and lossless."""

import struct
from io import BytesIO

from PIL import WebPImagePlugin

from unshine.errors import UnshineError
from unshine.io import exif
from unshine.io.model import Metadata, Source, Still, upright
from unshine.io.plain import as_image, check_size, eight_bit, unpack

QUALITY = 95


def read(data: bytes, max_pixels: int) -> Still:
    """Read a WebP file."""
    image = WebPImagePlugin.WebPImageFile(BytesIO(data))
    check_size(*image.size, max_pixels)
    if getattr(image, "n_frames", 1) > 1:
        raise UnshineError("this is an animation; only single images are read.")
    image.load()
    info = image.info
    block = info.get("exif", b"").removeprefix(b"Exif\0\0") or None
    metadata = Metadata(info.get("icc_profile"), block, info.get("xmp"))
    pixels, alpha, metadata = unpack(image, metadata)
    turned = exif.orientation(block) if block else 1
    pixels = upright(pixels, turned)
    alpha = None if alpha is None else upright(alpha, turned)
    source = Source("webp", pixels, alpha, 8, {"lossless": _lossless(data)}, turned)
    return Still(pixels, alpha, metadata=metadata, source=source)


def encode(still: Still, quality: int | None, bit_depth: int = 8) -> bytes:
    """Write an image as WebP; lossless if its source was, unless a quality is asked for."""
    alpha = None if still.alpha is None else eight_bit(still.alpha)
    image = as_image(eight_bit(still.pixels), alpha)
    metadata = still.metadata
    options: dict[str, object] = {"quality": QUALITY if quality is None else quality}
    if quality is None and still.source and still.source.coding.get("lossless"):
        options = {"lossless": True, "quality": 80}
    found = {"icc_profile": still.profile(), "exif": metadata.exif, "xmp": metadata.xmp}
    options |= {name: value for name, value in found.items() if value is not None}
    buffer = BytesIO()
    image.save(buffer, "WEBP", exact=True, **options)
    return buffer.getvalue()


def _lossless(data: bytes) -> bool:
    """Say if the image is coded without loss."""
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        if name in (b"VP8L", b"VP8 "):
            return bool(name == b"VP8L")
        position += 8 + length + length % 2
    return False
