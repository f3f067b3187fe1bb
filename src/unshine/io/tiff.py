"""TIFF files: 8 bits through Pillow; 16 bits and floats through tifffile, an extra.

References
----------
TIFF, revision 6.0; Adobe, "TIFF Technical Note 3" (floats and their predictor).
"""

import logging
import struct
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from unshine.errors import UnshineError
from unshine.extras import load
from unshine.io import exif, icc
from unshine.io.icc import Transfer
from unshine.io.model import Metadata, Source, Still, upright
from unshine.io.plain import (
    DEFLATED,
    as_image,
    check_size,
    photoshop_without_previews,
    scaled,
    unpack,
)

# Numbers of compression, as Pillow and as tifffile call them. Fax codes hold two colours only.
_COMPRESSIONS = {
    1: (None, None), 5: ("tiff_lzw", "lzw"), 7: ("jpeg", "adobe_deflate"),
    8: ("tiff_adobe_deflate", "adobe_deflate"), 32773: ("packbits", "packbits"),
    32946: ("tiff_adobe_deflate", "adobe_deflate"), 34925: ("lzma", "lzma"),
    50000: ("zstd", "zstd"), 50001: ("webp", "adobe_deflate"),
}  # fmt: skip
_DEFLATE = _COMPRESSIONS[8]
_PLAIN = (1, 5, 8, 32773, 32946)
_LZW_OR_DEFLATE = (5, 8, 32946, 50000, 34925)
_JPEG_QUALITY = 95
_UNSIGNED, _FLOAT = 1, 3
_WHITE_IS_ZERO, _PALETTE, _CMYK, _YCBCR = 0, 3, 5, 6
_LAB = (8, 9, 10)
_REDUCED = 1
_RESOLUTION = (exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.RESOLUTION_UNIT)
_OWN = (exif.XMP, exif.IPTC, exif.PHOTOSHOP, exif.ICC_PROFILE)


def read(data: bytes, max_pixels: int) -> Still:
    """Read a TIFF file of one image."""
    head = exif.header(data)
    tags, following = exif.directory(data, head, head.first)

    def number(tag: int, default: int) -> int:
        return exif.number(tags, tag, head.order, default)

    width, height, compression = number(256, 0), number(257, 0), number(259, 1)
    bits_of_all = exif.numbers(tags[258], head.order) if 258 in tags else (1,)
    # LZW may pack what is all the same a little closer than Deflate.
    possible = 2 * DEFLATED * len(data) // max(sum(bits_of_all), 1)
    check_size(width, height, max_pixels, possible if compression in _PLAIN else None)
    if number(262, 1) in _LAB:
        raise UnshineError("Lab colours are not read; convert the image to RGB first.")
    gone = _other_pages(data, head, following)
    if exif.number(tags, 330, head.order):
        gone = (*gone, "preview image")
    metadata = replace(_metadata(data, tags), gone=gone)
    bits = max(bits_of_all, default=1)
    kind = number(339, _UNSIGNED)
    associated = False
    if bits <= 8 and kind == _UNSIGNED:
        image = TiffImagePlugin.TiffImageFile(BytesIO(data))
        image.load()
        # Pillow turns some images itself, and then forgets that they lay otherwise.
        left = image.getexif().get(exif.ORIENTATION, 1)
        pixels, alpha, metadata = unpack(image, metadata)
    else:
        left = exif.orientation(data)
        pixels, alpha, associated = _deep(data, number(262, 1))
    pixels = upright(pixels, left)
    alpha = None if alpha is None else upright(alpha, left)
    coding = {
        "compression": compression, "predictor": number(317, 1),
        "tile": (number(323, 0), number(322, 0)), "half": kind == _FLOAT and bits == 16,
    }  # fmt: skip
    depth = 8 if bits < 8 else bits if kind == _FLOAT else min(16, -(-bits // 8) * 8)
    source = Source("tiff", pixels, alpha, depth, coding, exif.orientation(data))
    transfer = _transfer(pixels, metadata)
    return Still(pixels, alpha, transfer, metadata, source, premultiplied=associated)


def encode(still: Still, quality: int | None, bit_depth: int) -> bytes:
    """Write an image as TIFF, with 8 or 16 bits or 32-bit floats, compressed as its source was."""
    dtype = _dtype(still, bit_depth)
    pixels = scaled(still.pixels, dtype)
    alpha = None if still.alpha is None else scaled(still.alpha, dtype)
    coding = still.source.coding if still.source and still.source.kind == "tiff" else {}
    known = _COMPRESSIONS.get(coding.get("compression", 8), _DEFLATE)
    buffer = BytesIO()
    if dtype == np.uint8:
        options: dict[str, Any] = {"compression": known[0] or "raw"}
        if known[0] in ("jpeg", "webp"):
            options["quality"] = quality or _JPEG_QUALITY
        if coding.get("predictor") == 2 and coding["compression"] in _LZW_OR_DEFLATE:
            options["tiffinfo"] = {317: 2}
        if known[0] == "jpeg" and alpha is not None:
            options = {"compression": _DEFLATE[0]}
        as_image(pixels, alpha).save(buffer, "TIFF", **options)
    else:
        _write_deep(buffer, pixels, alpha, still.premultiplied, known[1], coding)
    _add_tags(buffer, still)
    return buffer.getvalue()


def _dtype(still: Still, bit_depth: int) -> np.dtype[Any]:
    if bit_depth == 16 and holds_halves(still):
        return np.dtype(np.float16)
    return np.dtype({8: np.uint8, 16: np.uint16, 32: np.float32}[bit_depth])


def holds_halves(still: Still) -> bool:
    """Say if the source has floats of 16 bits, which then stay."""
    return (
        still.source is not None
        and bool(still.source.coding.get("half"))
        and (still.kind == "tiff" and still.pixels.dtype.kind == "f")
    )


def _metadata(data: bytes, tags: exif.Directory) -> Metadata:
    order, everything = exif.tree(data)
    found = {tag: tags[tag].value for tag in _OWN if tag in tags}
    block = exif.block({t: e for t, e in everything.items() if t not in _OWN}, order)
    resources = photoshop_without_previews(found.get(exif.PHOTOSHOP, b""))
    iptc = found.get(exif.IPTC)
    if iptc is not None and b"8BIM\x04\x04" not in resources:
        length = len(iptc)
        resources += b"8BIM\x04\x04\0\0" + struct.pack(">I", length) + iptc + bytes(length % 2)
    return Metadata(
        found.get(exif.ICC_PROFILE),
        block,
        found.get(exif.XMP),
        resources or None,
        dpi=_resolution(tags, order),
    )


def _resolution(tags: exif.Directory, order: str) -> tuple[float, float] | None:
    """Return the pixels per inch."""
    unit = {2: 1.0, 3: 2.54}.get(exif.number(tags, 296, order, 2))
    values = []
    for tag in (282, 283):
        entry = tags.get(tag)
        if unit is None or entry is None or entry.type != 5 or entry.length != 1:
            return None
        above, below = struct.unpack(order + "II", entry.value)
        if not below or not 0 < above / below < 2**16:
            return None
        values.append(above / below * unit)
    return values[0], values[1]


def _add_tags(buffer: BytesIO, still: Still) -> None:
    """Put everything that the source says into a TIFF file just written."""
    data = buffer.getbuffer()
    head = exif.header(bytes(data[:16]))
    stored, _ = exif.directory(data, head, head.first)  # type: ignore[arg-type]
    size = len(data)
    del data
    metadata = still.metadata
    tags: dict[int, exif.Entry | exif.Tree] = {}
    if metadata.exif is not None:
        order, tags = exif.tree(metadata.exif)
        tags = tags if order == head.order else exif.swapped(tags)
    for tag in (exif.IMAGE_WIDTH, exif.IMAGE_LENGTH):
        tags.pop(tag, None)
    if metadata.dpi is not None and 282 not in tags:
        for tag, value in zip((282, 283), metadata.dpi, strict=True):
            fraction = struct.pack(head.order + "II", round(value * 1000), 1000)
            tags[tag] = exif.Entry(5, 1, fraction)
        tags[296] = exif.Entry(3, 1, struct.pack(head.order + "H", 2))
    # tifffile has one of its own, which says nothing.
    stored = {t: entry for t, entry in stored.items() if t not in _RESOLUTION or t not in tags}
    found = {exif.XMP: metadata.xmp, exif.ICC_PROFILE: still.profile()}
    if metadata.photoshop is not None:
        found |= {exif.PHOTOSHOP: metadata.photoshop, exif.IPTC: iptc(metadata.photoshop)}
    for tag, content in found.items():
        if content:
            tags[tag] = exif.Entry(
                1 if tag in (exif.XMP, exif.PHOTOSHOP) else 7, len(content), content
            )
    start = size + size % 2
    buffer.seek(size)
    buffer.write(bytes(size % 2) + exif.laid_out(tags | stored, head.order, start))
    buffer.seek(4)
    buffer.write(struct.pack(head.order + "I", start))


def iptc(resources: bytes) -> bytes | None:
    """Return the IPTC block among Photoshop's resources."""
    position = resources.find(b"8BIM\x04\x04")
    if position < 0:
        return None
    name = resources[position + 6]
    start = position + 6 + name + 1 + (name + 1) % 2
    length = int.from_bytes(resources[start : start + 4])
    return resources[start + 4 : start + 4 + length]


def _other_pages(data: bytes, head: exif.Header, following: int) -> tuple[str, ...]:
    """Refuse files of several images; name small copies of the one image."""
    pages = 0
    while following and pages < 1000:
        pages += 1
        try:
            tags, following = exif.directory(data, head, following)
        except ValueError:
            break
        reduced = exif.number(tags, 254, head.order) & _REDUCED
        if not reduced and exif.number(tags, 255, head.order) != 2:
            raise UnshineError("the file has several pages; only single images are read.")
    return ("preview image",) if pages else ()


def _transfer(pixels: NDArray[Any], metadata: Metadata) -> Transfer:
    if metadata.icc_profile is not None:
        return icc.transfer(metadata.icc_profile)
    # Floats are light unless a profile says otherwise, as other programs have it.
    return "linear" if pixels.dtype.kind == "f" else "display"


def _tifffile() -> Any:
    module = load("tifffile", "formats")
    load("imagecodecs", "formats")  # to which tifffile leaves most codes, and the predictors
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return module


def _deep(data: bytes, photometric: int) -> tuple[NDArray[Any], NDArray[Any] | None, bool]:
    """Read 16-bit and float pixels, opacity, and whether the colours are multiplied by it."""
    tifffile = _tifffile()
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages[0]
        if photometric in (_CMYK, _YCBCR, _PALETTE):
            raise UnshineError("such deep colours are read as RGB or grey only; convert the image.")
        if page.imagedepth > 1:
            raise UnshineError("the file holds a volume; only single images are read.")
        extra = [int(kind) for kind in page.extrasamples]
        bits = page.bitspersample
        array = page.asarray()
        height, width = page.imagelength, page.imagewidth
        planar = page.planarconfig == 2 and page.samplesperpixel > 1
    shape = (-1, height, width) if planar else (height, width, -1)
    values = array.reshape(shape)
    values = np.moveaxis(values, 0, -1) if planar else values
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    elif values.dtype == np.uint16:
        if bits < 16:
            values = np.rint(values * (65535 / (2**bits - 1))).astype(np.uint16)
        if photometric == _WHITE_IS_ZERO:
            values = 65535 - values
    else:
        raise UnshineError(
            f"numbers of the type {values.dtype} are not read; convert the image to 16 bits."
        )
    count = values.shape[2]
    if count not in (1, 2, 3, 4):
        raise UnshineError(f"the image has {count} channels; grey or RGB with opacity are read.")
    colours = 1 if count < 3 else 3
    alpha = np.ascontiguousarray(values[..., -1]) if count > colours else None
    pixels = values[..., 0] if colours == 1 else values[..., :3]
    return np.ascontiguousarray(pixels), alpha, alpha is not None and extra[:1] == [1]


def _write_deep(
    buffer: BytesIO,
    pixels: NDArray[Any],
    alpha: NDArray[Any] | None,
    associated: bool,
    compression: str | None,
    coding: Any,
) -> None:
    values = pixels
    if alpha is not None:
        values = np.concatenate([np.atleast_3d(pixels), alpha[..., None]], axis=2)
    options: dict[str, Any] = {}
    if compression in ("lzw", "adobe_deflate", "zstd", "lzma"):
        # Without a source, what makes photographs smallest.
        options["predictor"] = coding.get("predictor", 2 if values.dtype.kind == "u" else 3)
    tile = coding.get("tile", (0, 0))
    if all(tile) and not any(side % 16 for side in tile):
        options["tile"] = tile
    _tifffile().imwrite(
        buffer, values, photometric="minisblack" if pixels.ndim == 2 else "rgb",
        compression=compression, metadata=None, software=False, byteorder="<",
        planarconfig="contig" if values.ndim == 3 else None,
        extrasamples=None if alpha is None else
        ["assocalpha" if associated else "unassalpha"],
        **options,
    )  # fmt: skip
