"""The boxes of AVIF files: what they say of depth and colour, and metadata added to them.

References
----------
ISO/IEC 14496-12 (boxes); ISO/IEC 23008-12 (items and their properties); AOM, "AV1 Codec ISO Media
File Format Binding" (av1C).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}
"""Boxes of boxes, and the bytes before those."""


class Box(NamedTuple):
    """One box: its kind, and where in the file it starts, its content starts, and it ends."""

    kind: bytes
    start: int
    content: int
    end: int


class Description(NamedTuple):
    """What the boxes say about an image."""

    depth: int
    chroma: str
    """Pillow's way of saying it, such as ``4:2:0``."""
    grey: bool
    cicp: tuple[int, int, int, int] | None
    items: frozenset[bytes]
    """The kinds of items in the file."""


def level(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that stand one after the other in a part of a file."""
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if length == 1 and start + 16 <= end:
            (length,) = struct.unpack_from(">Q", data, start + 8)
            content = start + 16
        stop = end if length == 0 else start + length
        if stop > end or stop < content:
            return
        yield Box(kind, start, content, stop)
        start = stop


def walk(data: bytes) -> Iterator[Box]:
    """Yield the boxes of a file, those within others after them."""
    waiting = [(0, len(data))]
    while waiting:
        for box in level(data, *waiting.pop(0)):
            yield box
            if box.kind in _CONTAINERS:
                waiting.append((box.content + _CONTAINERS[box.kind], box.end))


def describe(data: bytes) -> Description:
    """Read what the boxes of an AVIF file say about its image."""
    depth, chroma, grey, cicp = 8, "4:4:4", False, None
    coded = False
    items: set[bytes] = set()
    for box in walk(data):
        content = data[box.content : box.end]
        if box.kind == b"av1C" and len(content) >= 4 and not coded:
            # The image's own comes first, its opacity's later.
            coded = True
            flags = content[2]
            depth = 12 if flags & 0x20 and flags & 0x40 else 10 if flags & 0x40 else 8
            grey = bool(flags & 0x10)
            chroma = {0: "4:4:4", 8: "4:2:2", 12: "4:2:0"}.get(flags & 12, "4:2:0")
        elif box.kind == b"colr" and content[:4] == b"nclx" and len(content) >= 11 and not cicp:
            primaries, curve, matrix = struct.unpack_from(">HHH", content, 4)
            if max(primaries, curve, matrix) < 256:
                cicp = primaries, curve, matrix, content[10] >> 7
        elif box.kind == b"iinf":
            for offset in range(len(content) - 12):
                if content[offset : offset + 4] == b"infe" and content[offset + 4] in (2, 3):
                    skip = 12 if content[offset + 4] == 2 else 14
                    items.add(bytes(content[offset + skip : offset + skip + 4]))
    return Description(depth, chroma, grey, cicp, frozenset(items))


def with_metadata(
    data: bytes,
    profile: bytes | None,
    cicp: tuple[int, int, int, int] | None,
    exif: bytes | None,
    xmp: bytes | None,
) -> bytes:
    """Add metadata to an AVIF file as libavif writes it, without any.

    Parameters
    ----------
    data : bytes
        The file: one image, with opacity or without.
    profile : bytes, optional
        A colour profile.
    cicp : tuple, optional
        H.273's numbers; the matrix and the range stay as the pixels were coded.
    exif, xmp : bytes, optional
        An EXIF block and an XMP packet.

    Raises
    ------
    ValueError
        If the file is built otherwise.
    """
    top = {box.kind: box for box in level(data, 0, len(data))}
    meta = top[b"meta"]
    inner = {box.kind: box for box in level(data, meta.content + 4, meta.end)}
    content = {kind: data[box.content : box.end] for kind, box in inner.items()}
    if content[b"iloc"][:6] != b"\0\0\0\0\x44\0":
        raise ValueError("an AVIF file of another build than expected")
    items: list[tuple[bytes, bytes]] = []
    if exif is not None:
        items.append((b"Exif\0", bytes(4) + exif))
    if xmp is not None:
        items.append((b"mime\0application/rdf+xml\0", xmp))
    payloads = [payload for _, payload in items]
    content |= _announced(content, [name for name, _ in items])
    content[b"iprp"] = _properties(data, profile, cicp)

    def metadata_box(shift: int, end: int) -> bytes:
        now = content | {b"iloc": _places(content[b"iloc"], payloads, shift, end)}
        kinds = [b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp"]
        if len(content[b"iref"]) <= 4:
            kinds.remove(b"iref")
        boxes = b"".join(_box(kind, now.get(kind, b"")) for kind in kinds)
        return _box(b"meta", bytes(4) + boxes)

    shift = len(metadata_box(0, 0)) - (meta.end - meta.start)
    new = metadata_box(shift, len(data) + shift + 8)
    tail = _box(b"mdat", b"".join(payloads)) if payloads else b""
    return data[: meta.start] + new + data[meta.end :] + tail


def _announced(content: dict[bytes, bytes], names: list[bytes]) -> dict[bytes, bytes]:
    """Return the lists of items (iinf) and of what refers to what (iref) with further items."""
    (count,) = struct.unpack_from(">H", content[b"iloc"], 6)
    items = struct.pack(">IH", 0, count + len(names)) + content[b"iinf"][6:]
    links = content.get(b"iref", bytes(4))
    for number, name in enumerate(names, count + 1):
        items += _box(b"infe", struct.pack(">IHH", 2 << 24, number, 0) + name)
        links += _box(b"cdsc", struct.pack(">HHH", number, 1, 1))
    return {b"iinf": items, b"iref": links}


def _properties(
    data: bytes, profile: bytes | None, cicp: tuple[int, int, int, int] | None
) -> bytes:
    """Return the items' properties (iprp) with a colour profile and H.273's numbers."""
    properties = next(box for box in walk(data) if box.kind == b"ipco")
    pieces = []
    for box in level(data, properties.content, properties.end):
        piece = data[box.start : box.end]
        if cicp is not None and piece[4:12] == b"colrnclx":
            piece = piece[:12] + struct.pack(">HH", *cicp[:2]) + piece[16:]
        pieces.append(piece)
    ipma = next(box for box in walk(data) if box.kind == b"ipma")
    association = data[ipma.content : ipma.end]
    if profile is not None:
        pieces.append(_box(b"colr", b"prof" + profile))
        # The first entry is the image's: its number, how many properties, and these.
        count = association[10]
        end = 11 + count
        association = (
            association[:10] + bytes([count + 1]) + association[11:end]
            + bytes([len(pieces)]) + association[end:]
        )  # fmt: skip
    return _box(b"ipco", b"".join(pieces)) + _box(b"ipma", association)


def _places(iloc: bytes, payloads: list[bytes], shift: int, end: int) -> bytes:
    """Return where the items lie (iloc): the old ones moved by `shift`, further ones from `end`."""
    (count,) = struct.unpack_from(">H", iloc, 6)
    places = struct.pack(">IBBH", 0, 0x44, 0, count + len(payloads))
    for index in range(count):
        number, _, extents, offset, length = struct.unpack_from(">HHHII", iloc, 8 + 14 * index)
        places += struct.pack(">HHHII", number, 0, extents, offset + shift, length)
    for number, payload in enumerate(payloads, count + 1):
        places += struct.pack(">HHHII", number, 0, 1, end, len(payload))
        end += len(payload)
    return places


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
