"""The kinds of files that hold still images: what each can hold, and how they are told apart.

A further one is entered here: in `Written`, `KINDS` and `detect`. The module of its name reads and
writes it.
"""

import os
from pathlib import Path
from typing import Literal, NamedTuple

from unshine.errors import UnshineError
from unshine.io import exif

Written = Literal["jpeg", "png", "webp", "bmp", "tiff", "heic", "avif", "exr"]
"""The kinds of files that are written."""

Kind = Literal[Written, "raw"]
"""Those and what is only read: camera RAW."""


class Format(NamedTuple):
    """What a kind of file is called, and what it can hold."""

    title: str
    endings: tuple[str, ...]
    """Of file names; the usual one first."""
    media_type: str = ""
    """Its name on the web."""
    depths: tuple[int, ...] = ()
    """Bits of a value that it is written with; 32 are floats. None if it is only read."""
    keeps: frozenset[str] = frozenset()
    """What it has a place for besides pixels, in the words of `Metadata.lost_in`."""
    transparent: bool = True
    """Whether it has a place for opacity."""
    hdr: bool = False
    """Whether it has a place for PQ and HLG."""


KINDS: dict[Kind, Format] = {
    "jpeg": Format(
        "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), "image/jpeg", (8,),
        frozenset({
            "EXIF", "XMP", "IPTC", "comment", "colour profile", "resolution",
            "further JPEG segments", "Photoshop's resources",
        }),
        transparent=False,
    ),
    "png": Format(
        "PNG", (".png",), "image/png", (8, 16),
        frozenset({
            "EXIF", "XMP", "comment", "PNG text", "colour profile", "resolution",
            "HDR mastering data",
        }),
        hdr=True,
    ),
    "webp": Format(
        "WebP", (".webp",), "image/webp", (8,), frozenset({"EXIF", "XMP", "colour profile"}),
    ),
    "bmp": Format(
        "BMP", (".bmp",), "image/bmp", (8,), frozenset({"resolution"}), transparent=False,
    ),
    "tiff": Format(
        "TIFF", (".tif", ".tiff"), "image/tiff", (8, 16, 32),
        frozenset({
            "EXIF", "XMP", "IPTC", "colour profile", "resolution", "Photoshop's resources",
        }),
    ),
    "heic": Format(
        "HEIC", (".heic", ".heif", ".hif"), "image/heic", (8, 10, 12),
        frozenset({"EXIF", "XMP", "colour profile"}), hdr=True,
    ),
    "avif": Format(
        "AVIF", (".avif",), "image/avif", (8, 10, 12),
        frozenset({"EXIF", "XMP", "colour profile"}), hdr=True,
    ),
    "exr": Format(
        "OpenEXR", (".exr",), "image/x-exr", (16, 32), frozenset({"OpenEXR attributes"}),
    ),
    "raw": Format("camera RAW", (
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc",
        ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2",
        ".srf", ".srw", ".x3f",
    )),
}  # fmt: skip

READABLE: dict[str, Kind] = {
    ending: kind for kind, format in KINDS.items() for ending in format.endings
}
"""The file name endings that are read, and the kinds of files that they stand for."""

FORMATS: dict[str, Kind] = {ending: kind for ending, kind in READABLE.items() if KINDS[kind].depths}
"""The file name endings that are written."""


def detect(data: bytes) -> Kind | None:
    """Tell the kind of a file by its content; None if it is none that is read.

    Examples
    --------
    >>> detect(b"BM" + bytes(30))
    'bmp'
    """
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM":
        return "bmp"
    if data[:4] == b"v/1\1":
        return "exr"
    if data[4:8] == b"ftyp":
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(len(data), 64), 4))}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}:
            return "heic"
    if is_raw(data):
        return "raw"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    return None


def format_of(path: str | os.PathLike[str]) -> Kind:
    """Return the kind of file that a name's ending stands for.

    Raises
    ------
    UnshineError
        If the ending is unknown.

    Examples
    --------
    >>> format_of("photo.JPG")
    'jpeg'
    """
    try:
        return FORMATS[Path(path).suffix.lower()]
    except KeyError:
        raise UnshineError(f"{path}: the name must end in one of {', '.join(FORMATS)}.") from None


def ending_of(format: Kind) -> str:
    """Return the usual ending of a kind of file; TIFF's for camera RAW, which is not written.

    Examples
    --------
    >>> ending_of("jpeg")
    '.jpg'
    """
    return KINDS["tiff" if format == "raw" else format].endings[0]


def depths_of(format: Kind) -> tuple[int, ...]:
    """Return the bits of a value that a kind of file may have.

    Examples
    --------
    >>> depths_of("png")
    (8, 16)
    """
    return KINDS[format].depths


def is_raw(data: bytes) -> bool:
    """Tell if a file is one of the RAW formats that LibRaw reads, by its first bytes and tags.

    Many are TIFF files; what makes them RAW is an image of one colour for each pixel, or DNG's tag.
    """
    if data[:4] in (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM"):
        return True
    if data[:15] == b"FUJIFILMCCD-RAW" or data[4:12] == b"ftypcrx ":
        return True
    if data[:2] in (b"II", b"MM") and data[8:10] == b"CR":
        return True
    try:
        head = exif.header(data)
        first, following = exif.directory(data, head, head.first)
        directories = [first]
        if following:
            directories.append(exif.directory(data, head, following)[0])
        pointers = exif.numbers(first[330], head.order) if 330 in first else ()
        directories += [exif.directory(data, head, pointer)[0] for pointer in pointers[:8]]
    except ValueError:
        return False
    return 50706 in first or any(
        exif.number(tags, 262, head.order) in (32803, 34892) for tags in directories
    )
