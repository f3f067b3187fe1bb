"""EXIF blocks and TIFF directories: read, corrected in place, and laid out again.

An EXIF block is a small TIFF file: a header, directories of tags, and values that the tags point
to by their distance from the header. What is corrected is corrected in place, so that everything
else keeps its position: makers' notes hold such distances too, and nobody can adjust those.

References
----------
TIFF, revision 6.0; CIPA DC-008 (Exif 2.32); BigTIFF's header as libtiff documents it.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

IMAGE_WIDTH, IMAGE_LENGTH, ORIENTATION = 256, 257, 274
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
THUMBNAIL_OFFSET, THUMBNAIL_LENGTH = 513, 514
EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY_DIRECTORY = 34665, 34853, 40965
PIXEL_X_DIMENSION, PIXEL_Y_DIMENSION = 40962, 40963
XMP, IPTC, PHOTOSHOP, ICC_PROFILE = 700, 33723, 34377, 34675

STORAGE_TAGS = frozenset({
    *range(254, 260), 262, 266, 273, *range(277, 280), 284, 288, 289, 317, *range(320, 326), 330,
    *range(332, 335), 338, 339, 340, 341, 347, 512, 513, 514, 515, *range(517, 522),
    *range(529, 533), 32997, 37724, 42112, 42113,
})  # fmt: skip
"""Tags that say how one file stores its pixels; in another they would be wrong."""

_UNITS = {  # a type's number: bytes of one value, and of the unit that byte order applies to
    1: (1, 1), 2: (1, 1), 3: (2, 2), 4: (4, 4), 5: (8, 4), 6: (1, 1), 7: (1, 1), 8: (2, 2),
    9: (4, 4), 10: (8, 4), 11: (4, 4), 12: (8, 8), 13: (4, 4), 16: (8, 8), 17: (8, 8), 18: (8, 8),
}  # fmt: skip
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_LONGEST = 65_000
_NESTED = (EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY_DIRECTORY)


class Entry(NamedTuple):
    """One tag of a directory."""

    type: int
    length: int
    value: bytes
    """The value or values, in the byte order of the file."""
    position: int = 0
    """Where in the file the value stands."""


Directory = dict[int, Entry]
Tree = Mapping[int, "Entry | Tree"]
"""Tags with their entries; those that point to a directory with that directory."""


class Header(NamedTuple):
    """What the first bytes of a TIFF structure say."""

    order: str
    """``<`` or ``>``, as `struct` writes byte orders."""
    big: bool
    """Whether offsets have 64 bits (BigTIFF)."""
    first: int
    """Where the first directory starts."""


def header(data: bytes) -> Header:
    """Read the header of an EXIF block or a TIFF file.

    Raises
    ------
    ValueError
        If there is none.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None or len(data) < 8:
        raise ValueError("This is no TIFF structure.")
    magic, first = struct.unpack_from(order + "HI", data, 2)
    if magic == 43 and len(data) >= 16:
        return Header(order, True, struct.unpack_from(order + "Q", data, 8)[0])
    # 42 is TIFF's; cameras mark their RAW files with other numbers.
    return Header(order, False, first)


def directory(data: bytes, head: Header, offset: int) -> tuple[Directory, int]:
    """Read the directory at `offset`; return its entries and where the next directory starts.

    Entries whose values lie beyond the data are left out.

    Raises
    ------
    ValueError
        If the directory itself lies beyond the data.
    """
    counts, record, inline = ("Q", "HHQ", 8) if head.big else ("H", "HHI", 4)
    size = struct.calcsize(head.order + record) + inline
    try:
        (count,) = struct.unpack_from(head.order + counts, data, offset)
        start = offset + struct.calcsize(head.order + counts)
        if count > 4096 or start + count * size > len(data):
            raise ValueError("A directory has more entries than the data can hold.")
        entries: Directory = {}
        for position in range(start, start + count * size, size):
            tag, kind, number = struct.unpack_from(head.order + record, data, position)
            value = position + size - inline
            length = _UNITS.get(kind, (0, 0))[0] * number
            if length > inline:
                (value,) = struct.unpack_from(head.order + ("Q" if head.big else "I"), data, value)
            if length and value + length <= len(data):
                # tifffile describes an image twice; the first time in the words it was given.
                entries.setdefault(
                    tag, Entry(kind, number, bytes(data[value : value + length]), value)
                )
        after = start + count * size
        following = data[after : after + inline]
        pointer = "Q" if head.big else "I"
        return entries, struct.unpack(head.order + pointer, following)[0] if following else 0
    except struct.error:
        raise ValueError("A directory lies beyond the data.") from None


def numbers(entry: Entry, order: str) -> tuple[int, ...]:
    """Return the whole numbers that an entry holds; nothing if it holds others."""
    code = _FORMATS.get(entry.type)
    return struct.unpack(f"{order}{entry.length}{code}", entry.value) if code else ()


def number(entries: Directory, tag: int, order: str, default: int = 0) -> int:
    """Return the first whole number under a tag."""
    entry = entries.get(tag)
    return next(iter(numbers(entry, order)), default) if entry else default


def orientation(block: bytes) -> int:
    """Return how the image lies, 1 to 8 as EXIF counts; 1, upright, where the block is silent."""
    try:
        head = header(block)
        entries, _ = directory(block, head, head.first)
    except ValueError:
        return 1
    value = number(entries, ORIENTATION, head.order, 1)
    return value if 1 <= value <= 8 else 1


def made_true(block: bytes, width: int, height: int) -> bytes:
    """Say in an EXIF block, in place, that the image is upright and how large it is.

    Raises
    ------
    ValueError
        If the block is damaged.
    """
    head = header(block)
    data = bytearray(block)
    first, _ = directory(block, head, head.first)
    _put(data, head, first, {ORIENTATION: 1, IMAGE_WIDTH: width, IMAGE_LENGTH: height})
    if pointer := number(first, EXIF_DIRECTORY, head.order):
        entries, _ = directory(block, head, pointer)
        _put(data, head, entries, {PIXEL_X_DIMENSION: width, PIXEL_Y_DIMENSION: height})
    return bytes(data)


def _put(data: bytearray, head: Header, entries: Directory, values: dict[int, int]) -> None:
    for tag, value in values.items():
        entry = entries.get(tag)
        if entry and entry.length == 1 and entry.type in (3, 4):
            struct.pack_into(head.order + _FORMATS[entry.type], data, entry.position, value)


def thumbnail(block: bytes) -> bytes | None:
    """Return the small JPEG that an EXIF block holds, if it does."""
    found = _thumbnail(block)
    return block[found[0] : found[0] + found[1]] if found else None


def room_for_thumbnail(block: bytes) -> int:
    """Return how many bytes `with_thumbnail` has room for; 0 if the block holds no thumbnail.

    Where nothing follows the old one there is as much as fits into a JPEG segment.
    """
    found = _thumbnail(block)
    if found is None:
        return 0
    offset, length, *_ = found
    return length if offset + length < len(block) else max(length, _LONGEST - offset)


def with_thumbnail(block: bytes, jpeg: bytes) -> bytes:
    """Put another small JPEG in place of an EXIF block's own; without room for it, take that out.

    Parameters
    ----------
    block : bytes
        The EXIF block; without a thumbnail it is returned as it is.
    jpeg : bytes
        The new thumbnail; empty to take the old one out.
    """
    found = _thumbnail(block)
    if found is None:
        return block
    offset, length, second, pointer = found
    head = header(block)
    data = bytearray(block)
    if jpeg and len(jpeg) <= room_for_thumbnail(block):
        data[offset : offset + length] = jpeg.ljust(
            length if offset + length < len(data) else 0, b"\0"
        )
        _put(data, head, second, {THUMBNAIL_LENGTH: len(jpeg), ORIENTATION: 1})
    else:
        data[offset : offset + length] = bytes(length)
        struct.pack_into(head.order + "I", data, pointer, 0)
        if offset + length >= len(data):
            del data[offset:]
    return bytes(data)


def _thumbnail(block: bytes) -> tuple[int, int, Directory, int] | None:
    """Find the thumbnail: where, how long, its directory, and where that is pointed to."""
    try:
        head = header(block)
        _, second = directory(block, head, head.first)
        if head.big or not second:
            return None
        (count,) = struct.unpack_from(head.order + "H", block, head.first)
        entries, _ = directory(block, head, second)
    except (ValueError, struct.error):
        return None
    offset = number(entries, THUMBNAIL_OFFSET, head.order)
    length = number(entries, THUMBNAIL_LENGTH, head.order)
    if not 0 < offset < offset + length <= len(block):
        return None
    return offset, length, entries, head.first + 2 + 12 * count


def tree(data: bytes) -> tuple[str, dict[int, "Entry | Tree"]]:
    """Read the first directory of a TIFF structure with those of EXIF, GPS and interoperability.

    Returns
    -------
    str, dict
        The byte order, and the tags without those of `STORAGE_TAGS`.

    Raises
    ------
    ValueError
        If the structure is damaged.
    """
    head = header(data)

    def read(offset: int, depth: int) -> dict[int, Entry | Tree]:
        entries, _ = directory(data, head, offset)
        result: dict[int, Entry | Tree] = {}
        for tag, entry in entries.items():
            if tag not in _NESTED:
                # Types of 64 bits are BigTIFF's alone.
                if entry.type < 16:
                    result[tag] = entry
            elif depth < 2:
                try:
                    result[tag] = read(number(entries, tag, head.order), depth + 1)
                except ValueError:
                    continue
        return result

    tags = read(head.first, 0)
    return head.order, {tag: entry for tag, entry in tags.items() if tag not in STORAGE_TAGS}


def swapped(tags: Tree) -> dict[int, "Entry | Tree"]:
    """Turn the byte order of all values round."""
    result: dict[int, Entry | Tree] = {}
    for tag, entry in tags.items():
        if not isinstance(entry, Entry):
            result[tag] = swapped(entry)
            continue
        unit, value = _UNITS[entry.type][1], entry.value
        turned = b"".join(value[i : i + unit][::-1] for i in range(0, len(value), unit))
        result[tag] = entry if unit == 1 else entry._replace(value=turned)
    return result


def laid_out(tags: Tree, order: str, start: int) -> bytes:
    """Lay a directory out, with all it points to, as the bytes that stand at `start` of a file."""
    fixed = 2 + 12 * len(tags) + 4
    records, rest = struct.pack(order + "H", len(tags)), bytearray()
    for tag in sorted(tags):
        entry = tags[tag]
        here = start + fixed + len(rest)
        if not isinstance(entry, Entry):
            inner = laid_out(entry, order, here)
            records += struct.pack(order + "HHII", tag, 4, 1, here)
            rest += inner + b"\0" * (len(inner) % 2)
        elif len(entry.value) <= 4:
            records += struct.pack(order + "HHI", tag, entry.type, entry.length)
            records += entry.value.ljust(4, b"\0")
        else:
            records += struct.pack(order + "HHII", tag, entry.type, entry.length, here)
            rest += entry.value + b"\0" * (len(entry.value) % 2)
    return records + bytes(4) + bytes(rest)


def block(tags: Tree, order: str) -> bytes | None:
    """Make an EXIF block of tags; None of none."""
    if not tags:
        return None
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    return start + laid_out(tags, order, 8)
