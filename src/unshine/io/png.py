"""PNG files: chunks, and 16-bit colours, which Pillow neither reads nor writes.

References
----------
W3C, "Portable Network Graphics (PNG) Specification (Third Edition)".
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from unshine.errors import UnshineError
from unshine.io import exif, icc
from unshine.io.icc import Transfer
from unshine.io.model import Metadata, Source, Still, upright
from unshine.io.plain import DEFLATED, as_image, check_size, scaled, unpack
from unshine.pixels import strips

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"mDCv", b"cLLi")
_TIED = (b"sBIT", b"bKGD")  # hold for this number of channels and bits alone
_XMP = b"XML:com.adobe.xmp"
_LONGEST_PROFILE = 2**24
_GREY, _RGB, _GREY_ALPHA, _RGBA = 0, 2, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _GREY_ALPHA: 2, _RGBA: 4}

Chunks = list[tuple[bytes, bytes]]


def chunks(data: bytes) -> Chunks:
    """Take a PNG file apart.

    Raises
    ------
    ValueError
        If it is not complete.
    """
    found: Chunks = []
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        if position + 12 + length > len(data):
            break
        name = bytes(data[position + 4 : position + 8])
        found.append((name, bytes(data[position + 8 : position + 8 + length])))
        position += 12 + length
        if name == b"IEND":
            return found
    raise ValueError("the file ends in the middle of the image")


def chunk(name: bytes, data: bytes) -> bytes:
    """Write one chunk."""
    check = zlib.crc32(data, zlib.crc32(name))
    return b"".join((struct.pack(">I", len(data)), name, data, struct.pack(">I", check)))


def read(data: bytes, max_pixels: int) -> Still:
    """Read a PNG file."""
    found = chunks(data)
    by_name = dict(reversed(found))
    head = by_name.get(b"IHDR", b"")
    if len(head) != 13:
        raise ValueError("the header is broken")
    width, height, depth, colour_type = struct.unpack_from(">IIBB", head)
    bits = depth * _CHANNELS.get(colour_type, 1)
    check_size(width, height, max_pixels, DEFLATED * len(data) // max(bits, 1))
    animation = by_name.get(b"acTL", b"")
    if len(animation) == 8 and int.from_bytes(animation[:4]) > 1:
        raise UnshineError("this is an animation; only single images are read.")
    metadata = _metadata(found)
    # Pillow gets the image alone: what is wrong with the rest shall not stop it.
    essential = [(n, d) for n, d in found if n in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")]
    if depth == 16:
        pixels, alpha = _deep(essential, colour_type)
    else:
        image = PngImagePlugin.PngImageFile(BytesIO(_joined(essential)))
        image.load()
        pixels, alpha, metadata = unpack(image, metadata)
    turned = exif.orientation(metadata.exif) if metadata.exif else 1
    pixels = upright(pixels, turned)
    alpha = None if alpha is None else upright(alpha, turned)
    tied = [(name, value) for name, value in found if name in _TIED]
    coding = {"type": (depth, colour_type), "tied": tied}
    source = Source("png", pixels, alpha, max(depth, 8), coding, turned)
    return Still(pixels, alpha, _transfer(metadata), metadata, source)


def encode(still: Still, quality: int | None, bit_depth: int) -> bytes:
    """Write an image as PNG, with 8 or 16 bits."""
    dtype = np.dtype(np.uint8 if bit_depth == 8 else np.uint16)
    pixels = scaled(still.pixels, dtype)
    alpha = None if still.alpha is None else scaled(still.alpha, dtype)
    grey = pixels.ndim == 2
    colour_type = (_GREY if grey else _RGB) if alpha is None else _GREY_ALPHA if grey else _RGBA
    before = _written(still, (bit_depth, colour_type))
    if bit_depth == 8:
        buffer = BytesIO()
        as_image(pixels, alpha).save(buffer, "PNG")
        coded = buffer.getvalue()
        header, rest = coded[: len(_SIGNATURE) + 25], coded[len(_SIGNATURE) + 25 : -12]
    else:
        height, width = pixels.shape[:2]
        head = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
        header = _SIGNATURE + chunk(b"IHDR", head)
        rest = b"".join(chunk(b"IDAT", piece) for piece in _compressed(pixels, alpha))
    return b"".join((header, before, rest, chunk(b"IEND", b"")))


def _metadata(found: Chunks) -> Metadata:
    """Sort the chunks that are not the image itself."""
    result = Metadata(colour=tuple(pair for pair in found if pair[0] in _COLOUR))
    others: list[tuple[bytes, bytes]] = []
    gone: list[str] = []
    for name, data in found:
        if name == b"iCCP":
            result = replace(result, icc_profile=_inflated_profile(data))
        elif name == b"eXIf":
            result = replace(result, exif=data.removeprefix(b"Exif\0\0"))
        elif name == b"iTXt" and data.startswith(_XMP + b"\0"):
            result = replace(result, xmp=_text_of(data))
        elif name == b"cICP" and len(data) == 4:
            result = replace(result, cicp=(data[0], data[1], data[2], data[3]))
        elif name == b"pHYs" and len(data) == 9 and data[8] == 1:
            x, y = struct.unpack_from(">II", data)
            result = replace(result, dpi=(x * 0.0254, y * 0.0254)) if x and y else result
        elif name == b"caBX":
            gone.append("content credentials")
        elif name[:1].islower() and name not in _COLOUR and name != b"tRNS" and name[3:].islower():
            # Safe to copy whatever was done to the image, PNG says of such names.
            others.append((name, data))
    return replace(result, chunks=tuple(others), gone=tuple(gone))


def _written(still: Still, stored: tuple[int, int]) -> bytes:
    """Write the chunks that are not the image itself."""
    metadata = still.metadata
    before: Chunks = list(metadata.colour)
    if metadata.cicp is not None and not metadata.colour and still.pixels.ndim == 3:
        primaries, curve, _, full = metadata.cicp
        # PNG knows no other matrix than none.
        before.append((b"cICP", bytes([primaries, curve, 0, full])))
    if metadata.icc_profile is not None and still.profile() == metadata.icc_profile:
        before.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc_profile)))
    if still.source and still.source.coding.get("type") == stored:
        before += still.source.coding["tied"]
    if metadata.dpi is not None:
        x, y = (round(value / 0.0254) for value in metadata.dpi)
        before.append((b"pHYs", struct.pack(">IIB", x, y, 1)))
    if metadata.exif is not None:
        before.append((b"eXIf", metadata.exif))
    if metadata.xmp is not None:
        before.append((b"iTXt", _XMP + b"\0\0\0\0\0" + metadata.xmp))
    if metadata.comment is not None:
        text = metadata.comment.decode("utf-8", "replace").replace("\0", "").encode()
        before.append((b"iTXt", b"Comment\0\0\0\0\0" + text))
    before += metadata.chunks
    return b"".join(chunk(*pair) for pair in before)


def _transfer(metadata: Metadata) -> Transfer:
    """Return how the values relate to light, by the tags' order of precedence."""
    if metadata.cicp is not None:
        return icc.transfer_of_cicp(metadata.cicp[1])
    if metadata.icc_profile is not None:
        return icc.transfer(metadata.icc_profile)
    tags = dict(metadata.colour)
    linear = b"sRGB" not in tags and tags.get(b"gAMA") == struct.pack(">I", 100_000)
    return "linear" if linear else "display"


def _inflated_profile(data: bytes) -> bytes | None:
    name, _, packed = data.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], _LONGEST_PROFILE) if name else None
    except zlib.error:
        return None


def _text_of(data: bytes) -> bytes | None:
    """Return the text of an iTXt chunk, in UTF-8."""
    parts = data.split(b"\0", 1)[1]
    packed, text = parts[:1] == b"\1", parts[2:].split(b"\0", 2)[-1]
    try:
        return zlib.decompressobj().decompress(text, _LONGEST_PROFILE) if packed else text
    except zlib.error:
        return None


def _joined(pairs: Chunks) -> bytes:
    return b"".join((_SIGNATURE, *(chunk(*pair) for pair in pairs)))


def _deep(
    essential: Chunks, colour_type: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Decode 16-bit pixels through Pillow, which knows only 8-bit colours."""
    transparent = dict(essential).get(b"tRNS")
    plain = [pair for pair in essential if pair[0] not in (b"tRNS", b"PLTE")]
    if colour_type in (_GREY, _GREY_ALPHA):
        # As bytes, 16-bit grey is 8-bit grey with opacity, and with opacity it is 8-bit RGBA.
        twin = _GREY_ALPHA if colour_type == _GREY else _RGBA
        head = bytearray(plain[0][1])
        head[8:10] = 8, twin
        plain[0] = (b"IHDR", bytes(head))
        image = PngImagePlugin.PngImageFile(BytesIO(_joined(plain)))
        image.load()
        pairs = np.asarray(image).astype(np.uint16)
        values = pairs[..., 0::2] << 8 | pairs[..., 1::2]
    else:
        # Told that the two bytes of a value stand the other way round, Pillow yields the lower.
        width, height = struct.unpack_from(">II", plain[0][1])
        values = np.empty((height, width, _CHANNELS[colour_type]), np.uint16)
        for order, shift in (("16B", 8), ("16L", 0)):
            image = PngImagePlugin.PngImageFile(BytesIO(_joined(plain)))
            image.tile = [tile._replace(args=f"{image.mode};{order}") for tile in image.tile]
            image.load()
            for rows in strips(values.shape):
                part = np.asarray(image.crop((0, rows.start, width, rows.stop))).astype(np.uint16)
                values[rows] = part << 8 if shift else values[rows] | part
    if colour_type in (_GREY_ALPHA, _RGBA):
        pixels, alpha = values[..., :-1], np.ascontiguousarray(values[..., -1])
    else:
        pixels, alpha = values, None
        if transparent is not None and len(transparent) == 2 * values.shape[2]:
            key = np.frombuffer(transparent, ">u2")
            alpha = np.where((values == key).all(-1), 0, 65535).astype(np.uint16)
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return np.ascontiguousarray(pixels), alpha


def _compressed(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> Iterator[bytes]:
    """Filter and deflate 16-bit pixels, some rows at a time."""
    height, width = pixels.shape[:2]
    channels = (1 if pixels.ndim == 2 else 3) + (alpha is not None)
    stride = 2 * channels
    packer = zlib.compressobj(6)
    previous = np.zeros((1, width * stride), np.uint8)
    step = max(1, 2**20 // (width * stride))
    for top in range(0, height, step):
        planes = [np.atleast_3d(pixels[top : top + step])]
        if alpha is not None:
            planes.append(alpha[top : top + step, :, None])
        rows = np.concatenate(planes, axis=2).astype(">u2").reshape(len(planes[0]), -1)
        rows = rows.view(np.uint8)
        above = np.concatenate([previous, rows[:-1]])
        previous = rows[-1:]
        if piece := packer.compress(_filtered(rows, above, stride).tobytes()):
            yield piece
    yield packer.flush()


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], stride: int) -> NDArray[np.uint8]:
    """Apply to each row whichever of PNG's filters leaves the smallest sum."""
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, stride:], corner[:, stride:] = rows[:, :-stride], above[:, :-stride]
    a, b, c = (x.astype(np.int16) for x in (left, above, corner))
    to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    paeth = np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, above, corner))
    guesses = (np.zeros_like(rows), left, above, ((a + b) >> 1).astype(np.uint8), paeth)
    best = np.full(len(rows), np.inf)
    result = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    for number, guess in enumerate(guesses):
        rest = rows - guess
        cost = np.abs(rest.view(np.int8).astype(np.int16)).sum(1, dtype=np.int64)
        better = cost < best
        best[better] = cost[better]
        result[better, 0] = number
        result[better, 1:] = rest[better]
    return result
