"""JPEG files: segments, the images and videos that follow the image, and coding it as it was coded.

The pixels go through Pillow; what stands around them is taken from the source's own bytes.

References
----------
ITU-T T.81 (JPEG); CIPA DC-007 (Multi-Picture Format); Android, "Ultra HDR image format 1.1";
Google, "Motion Photo format 1.0".
"""

import re
import struct
from dataclasses import replace
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from unshine import optics
from unshine.io import exif, xmp
from unshine.io.model import LONGEST_SEGMENT, Metadata, Part, Source, Still, upright
from unshine.io.plain import as_image, check_size, eight_bit, photoshop_without_previews, unpack

QUALITY = 95
"""Of images that were no JPEG before."""

_SMALLEST = 1_000
"""More pixels than this for each byte no JPEG has."""

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_ICC, _MPF, _PHOTOSHOP = b"ICC_PROFILE\0", b"MPF\0", b"Photoshop 3.0\0"
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_COMMENT, _START_OF_SCAN, _END = 0xFE, 0xDA, 0xD9
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STANDARD_HUFFMAN = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, *range(12)])


class Segment(NamedTuple):
    """One segment of a JPEG file's head."""

    marker: int
    data: bytes


def split(data: bytes, start: int = 0) -> tuple[list[Segment], int]:
    """Read the segments before the first scan of the JPEG at `start`, and find where it ends.

    Raises
    ------
    ValueError
        If this is no JPEG, or an incomplete one.
    """
    if data[start : start + 2] != b"\xff\xd8":
        raise ValueError("This is no JPEG.")
    segments: list[Segment] = []
    position, scanned = start + 2, False
    while True:
        found = _MARKER.search(data, position)
        if not found:
            raise ValueError("the file ends in the middle of the image")
        position = found.start()
        marker = data[position + 1]
        if marker == _END:
            return segments, position + 2
        if marker in (0x01, 0xD8):
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4])
        if length < 2 or position + 2 + length > len(data):
            raise ValueError("the file ends in the middle of the image")
        scanned = scanned or marker == _START_OF_SCAN
        if not scanned:
            segments.append(Segment(marker, bytes(data[position + 4 : position + 2 + length])))
        position += 2 + length


def read(data: bytes, max_pixels: int) -> Still:
    """Read a JPEG file."""
    segments, end = split(data)
    for segment in segments:
        if segment.marker in _FRAMES and len(segment.data) >= 6:
            height, width = struct.unpack_from(">HH", segment.data, 1)
            check_size(width, height, max_pixels, _SMALLEST * len(data))
    image = JpegImagePlugin.JpegImageFile(BytesIO(data))
    check_size(*image.size, max_pixels, _SMALLEST * len(data))
    image.load()
    metadata = _metadata(segments)
    turned = exif.orientation(metadata.exif) if metadata.exif else 1
    mpf = _mpf(segments)
    coding = {
        "tables": [image.quantization[layer[3]] for layer in image.layer],
        "sampling": JpegImagePlugin.get_sampling(image),
        "progressive": bool(image.info.get("progressive")),
        "optimised": not any(s.marker == 0xC4 and _STANDARD_HUFFMAN in s.data for s in segments),
        "rgb": [layer[0] for layer in image.layer] == [*b"RGB"]
        or (image.info.get("adobe_transform") == 0 and len(image.layer) == 3),
        "mpf": mpf,
    }
    parts = _parts(data, end, [entry[0] & 0xFFFFFF for entry in mpf[1:]])
    # Where neither JFIF nor EXIF says a resolution, Pillow makes 72 up.
    said = image.info.get("jfif_unit") or exif.X_RESOLUTION in image.getexif()
    metadata = replace(metadata, dpi=image.info.get("dpi") if said else None, parts=parts)
    if not parts and metadata.xmp is not None:
        metadata = replace(metadata, xmp=xmp.without_promises(metadata.xmp))
    pixels, alpha, metadata = unpack(image, metadata)
    if metadata.gone and "CMYK" in metadata.gone[0]:
        coding.pop("tables")
    pixels = upright(pixels, turned)
    source = Source("jpeg", pixels, alpha, 8, coding, turned)
    return Still(pixels, alpha, metadata=metadata, source=source)


def metadata_of(data: bytes) -> Metadata:
    """Return what the head of a JPEG file says about its image."""
    return _metadata(split(data)[0])


def encode(still: Still, quality: int | None, bit_depth: int = 8) -> bytes:
    """Write an image as JPEG, as its source was coded unless a quality is asked for."""
    image = as_image(eight_bit(still.pixels), None)
    metadata = still.metadata
    options = _options(still, quality)
    if metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    buffer = BytesIO()
    image.save(buffer, "JPEG", **options)
    coded = buffer.getvalue()
    # Pillow's own first segment, JFIF, goes first; then everything that the source says.
    after = 4 + int.from_bytes(coded[4:6])
    parts, packet = _written_parts(still)
    head = coded[:after] + _segments(still, replace(metadata, xmp=packet))
    tail = coded[after:]
    attributes = still.source.coding.get("mpf") if still.source else None
    images = [part for part in parts if part.kind in ("gain map", "further image", "preview")]
    if images and attributes:
        head += _mpf_segment(len(head), len(tail), parts, attributes)
    return b"".join((head, tail, *(bytes(part.padding) + part.data for part in parts)))


def _options(still: Still, quality: int | None) -> dict[str, Any]:
    source = still.source
    if source is None or source.kind != "jpeg":
        return {"quality": QUALITY if quality is None else quality, "subsampling": 0}
    coding = source.coding
    options: dict[str, Any] = {
        "progressive": coding["progressive"],
        "optimize": coding["optimised"],
        "keep_rgb": coding["rgb"] and still.pixels.ndim == 3,
    }
    sideways = source.turned >= 5
    sampling = coding["sampling"]
    # Half the colours across would be half of them down after a quarter turn; Pillow lacks that.
    options["subsampling"] = 0 if sampling < 0 or (sampling == 1 and sideways) else sampling
    tables = coding.get("tables")
    if quality is not None or not tables or (still.pixels.ndim == 3) != (len(tables) == 3):
        return options | {"quality": QUALITY if quality is None else quality}
    if sideways:
        tables = [np.reshape(table, (8, 8)).T.ravel().tolist() for table in tables]
    # Equal tables are stored once.
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables = tables[:-1]
    return options | {"qtables": tables}


def _metadata(segments: list[Segment]) -> Metadata:
    """Sort the segments of a file's head."""
    found: dict[str, Any] = {}
    profile: dict[int, bytes] = {}
    others: list[bytes] = []
    gone: list[str] = []
    for marker, data in segments:
        if marker == 0xE1 and data.startswith(_EXIF):
            found.setdefault("exif", data[len(_EXIF) :])
        elif marker == 0xE1 and data.startswith(_XMP):
            found.setdefault("xmp", data[len(_XMP) :])
        elif marker == 0xE2 and data.startswith(_ICC) and len(data) > 14:
            profile[data[12]] = data[14:]
        elif marker == 0xED and data.startswith(_PHOTOSHOP):
            found["photoshop"] = found.get("photoshop", b"") + data[len(_PHOTOSHOP) :]
        elif marker == _COMMENT:
            found.setdefault("comment", data)
        elif marker == 0xEB:
            gone.append("content credentials" if b"c2pa" in data else "JUMBF data")
        elif 0xE1 <= marker <= 0xED and not (marker == 0xE2 and data.startswith(_MPF)):
            others.append(struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data)
    if resources := photoshop_without_previews(found.pop("photoshop", b"")):
        found["photoshop"] = resources
    joined = b"".join(profile[number] for number in sorted(profile))
    return Metadata(
        joined or None, segments=tuple(others), gone=tuple(dict.fromkeys(gone)), **found
    )


def _segments(still: Still, metadata: Metadata) -> bytes:
    """Write the segments that hold the metadata."""
    pieces: list[tuple[int, bytes]] = []
    for head, data in ((_EXIF, metadata.exif), (_XMP, metadata.xmp)):
        if data is not None and len(data) <= LONGEST_SEGMENT - len(_XMP):
            pieces.append((0xE1, head + data))
    result = b"".join(_segment(*piece) for piece in pieces) + b"".join(metadata.segments)
    if profile := still.profile():
        step = LONGEST_SEGMENT - 14
        chunks = [profile[i : i + step] for i in range(0, len(profile), step)]
        for number, chunk in enumerate(chunks, 1):
            result += _segment(0xE2, _ICC + bytes([number, len(chunks)]) + chunk)
    if resources := metadata.photoshop:
        step = LONGEST_SEGMENT - len(_PHOTOSHOP)
        for i in range(0, len(resources), step):
            result += _segment(0xED, _PHOTOSHOP + resources[i : i + step])
    if metadata.comment is not None:
        result += _segment(_COMMENT, metadata.comment[:LONGEST_SEGMENT])
    return result


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _mpf(segments: list[Segment]) -> list[tuple[int, int, int]]:
    """Return attribute and dependencies of each image that the Multi-Picture index lists."""
    for marker, data in segments:
        if marker == 0xE2 and data.startswith(_MPF):
            try:
                block = data[len(_MPF) :]
                head = exif.header(block)
                entries, _ = exif.directory(block, head, head.first)
                index = entries[0xB002].value
            except (ValueError, KeyError):
                return []
            records = struct.iter_unpack(head.order + "IIIHH", index[: len(index) // 16 * 16])
            return [(attribute, one, two) for attribute, _, _, one, two in records]
    return []


def _mpf_segment(
    before: int, after: int, parts: tuple[Part, ...], attributes: list[tuple[int, int, int]]
) -> bytes:
    """Write the Multi-Picture index.

    Parameters
    ----------
    before, after : int
        Bytes of the first image before this segment and after it.
    parts : tuple of Part
        What follows the first image.
    attributes : list
        What the source's index said about each image.
    """
    images = 1 + sum(part.kind not in ("video", "trailer") for part in parts)
    if len(attributes) != images:
        attributes = [(0x030000, 0, 0), *[(0, 0, 0)] * (images - 1)]
    size = before + 4 + len(_MPF) + 8 + 2 + 3 * 12 + 4 + 16 * images + after
    start = before + 4 + len(_MPF)
    records = struct.pack("<IIIHH", attributes[0][0], size, 0, *attributes[0][1:])
    position, rest = size, iter(attributes[1:])
    for part in parts:
        position += part.padding
        if part.kind not in ("video", "trailer"):
            attribute, one, two = next(rest)
            records += struct.pack("<IIIHH", attribute, len(part.data), position - start, one, two)
        position += len(part.data)
    tags = {
        0xB000: exif.Entry(7, 4, b"0100"),
        0xB001: exif.Entry(4, 1, struct.pack("<I", images)),
        0xB002: exif.Entry(7, len(records), records),
    }
    return _segment(0xE2, _MPF + (exif.block(tags, "<") or b""))


def _parts(data: bytes, end: int, types: list[int]) -> tuple[Part, ...]:
    """Take apart what follows the first image."""
    parts: list[Part] = []
    images = 0
    while end < len(data) and len(parts) < 64:
        start = end
        while start < len(data) and data[start] == 0:
            start += 1
        if start == len(data):
            break
        # A video starts with its first box's length, which may well start with zeros.
        if (video := data.find(b"ftyp", end + 4, start + 8)) > 0:
            parts.append(Part("video", bytes(data[video - 4 :]), video - 4 - end))
            break
        padding = start - end
        if data[start : start + 3] == b"\xff\xd8\xff":
            try:
                segments, end = split(data, start)
            except ValueError:
                parts.append(Part("trailer", bytes(data[start - padding :])))
                break
            kind = types[images] if images < len(types) else 0
            images += 1
            name = (
                "gain map"
                if any(_is_gain_map(segment) for segment in segments)
                else "preview"
                if kind >> 16 == 1
                else "further image"
            )
            parts.append(Part(name, bytes(data[start:end]), padding))  # type: ignore[arg-type]
        else:
            parts.append(Part("trailer", bytes(data[end:])))
            break
    return tuple(parts)


def _is_gain_map(segment: Segment) -> bool:
    announced = b"hdr-gain-map" in segment.data or b"HDRGainMap" in segment.data
    return segment.data.startswith(_ISO_GAIN_MAP) or (segment.data.startswith(_XMP) and announced)


def _written_parts(still: Still) -> tuple[tuple[Part, ...], bytes | None]:
    """Bring what follows the image in line with it; return that and the XMP that lists it."""
    packet = still.metadata.xmp
    parts: list[Part] = []
    for part in still.metadata.parts:
        if part.kind == "gain map":
            part = part._replace(data=_gain_map(part.data, still))
            if packet is not None:
                packet = xmp.with_length(packet, "GainMap", len(part.data))
        elif part.kind == "preview":
            part = part._replace(data=_preview(part.data, still))
        parts.append(part)
    return tuple(parts), packet


def _gain_map(data: bytes, still: Still) -> bytes:
    """Turn a gain map with its image, and dim it where the image's highlights were removed.

    A highlight that is gone must not be lit again on an HDR screen. Where the correction is
    visible, the gain falls to none, over the same range of differences as the highlight map.
    """
    source = still.source
    if source is None or source.kind != "jpeg":
        return data
    try:
        own = read(data, source.pixels.size)
    except Exception:  # a damaged gain map is carried along as it is
        return data
    pixels = upright(own.pixels, source.turned)
    keep = _unchanged(source.pixels, still.pixels, (pixels.shape[1], pixels.shape[0]))
    if pixels is own.pixels and (keep is None or (keep == 1).all()):
        return data
    if keep is not None:
        none = _no_gain(own.metadata.xmp)
        values = pixels.astype(np.float32)
        weight = keep if values.ndim == 2 else keep[..., None]
        dimmed = none + (values - none) * weight
        pixels = np.rint(np.where(values > none, dimmed, values)).astype(np.uint8)
    turned = replace(own.source, turned=source.turned) if own.source else None
    return encode(replace(own, pixels=pixels, source=turned), None)


def _no_gain(packet: bytes | None) -> float:
    """Return the value, of 255, with which a gain map leaves a pixel as bright as it is."""

    def value(name: bytes, default: float) -> float:
        found = re.search(name + rb"\s*(?:=\s*[\"']|>\s*)(-?[\d.]+)", packet or b"")
        return float(found[1]) if found else default

    try:
        low, high = value(b"GainMapMin", 0), value(b"GainMapMax", 1)
        gamma = value(b"hdrgm:Gamma", 1)
        return 255 * (float(np.clip(-low / (high - low), 0, 1)) ** gamma) if high > low else 0
    except (ValueError, OverflowError, ZeroDivisionError):
        return 0


def _unchanged(
    before: NDArray[Any], after: NDArray[Any], size: tuple[int, int]
) -> NDArray[np.float32] | None:
    """Return where an image is unchanged, 0 to 1, at another size; None if the shapes differ."""
    if before.shape != after.shape:
        return None
    image = Image.new("L", (before.shape[1], before.shape[0]))
    step = max(1, 2**20 // max(1, before.shape[1]))
    for top in range(0, before.shape[0], step):
        rows = slice(top, top + step)
        pair = [np.atleast_3d(x[rows]).astype(np.float32) / 255 for x in (before, after)]
        if pair[0].shape[2] == 1:
            pair = [np.repeat(x, 3, axis=2) for x in pair]
        keep = 255 - 255 * optics.highlight_map(pair[0], pair[1], 2)[..., 0]
        image.paste(Image.fromarray(np.rint(keep).astype(np.uint8)), (0, top))
    scaled = np.asarray(image.resize(size, Image.Resampling.BOX), np.float32) / 255
    return scaled


def _preview(data: bytes, still: Still) -> bytes:
    """Make a preview image again from the image as it is now."""
    try:
        own = read(data, still.pixels.size)
    except Exception:  # an old preview that cannot be read would be shown by nobody
        return data
    width, height = own.size
    if still.source and still.source.turned >= 5:
        width, height = height, width
    image = as_image(eight_bit(still.pixels), None).convert("RGB").resize((width, height))
    return encode(replace(own, pixels=np.asarray(image)), None)
