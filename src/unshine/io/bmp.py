"""BMP files."""

from io import BytesIO

from PIL import BmpImagePlugin

from unshine.io.model import Metadata, Source, Still
from unshine.io.plain import DEFLATED, as_image, check_size, eight_bit, unpack


def read(data: bytes, max_pixels: int) -> Still:
    """Read a BMP file."""
    image = BmpImagePlugin.BmpImageFile(BytesIO(data))
    check_size(*image.size, max_pixels, DEFLATED * len(data))
    image.load()
    pixels, alpha, metadata = unpack(image, Metadata(dpi=image.info.get("dpi")))
    return Still(pixels, alpha, metadata=metadata, source=Source("bmp", pixels, alpha, 8))


def encode(still: Still, quality: int | None, bit_depth: int = 8) -> bytes:
    """Write an image as BMP."""
    buffer = BytesIO()
    options = {"dpi": still.metadata.dpi} if still.metadata.dpi else {}
    as_image(eight_bit(still.pixels), None).save(buffer, "BMP", **options)
    return buffer.getvalue()
