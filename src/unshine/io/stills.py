"""Still images in and out, with all that their files say.

`read` tells by its content what kind of file it has, `write` and `encode` write an image as the
kind of file it came from unless another is asked for. A file in which nothing has changed is
copied byte for byte.

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> import numpy as np
>>> folder = Path(tempfile.mkdtemp())
>>> write(Still(np.zeros((2, 3), np.uint16)), folder / "a.png").copied
False
>>> write(read(folder / "a.png"), folder / "b.png").copied
True
"""

import contextlib
import os
import stat
import struct
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import UnidentifiedImageError

from unshine.errors import UnshineError
from unshine.files import writing
from unshine.io import light, tiff
from unshine.io.kinds import (
    FORMATS,
    KINDS,
    READABLE,
    Kind,
    depths_of,
    detect,
    ending_of,
    format_of,
)
from unshine.io.light import for_display, with_display
from unshine.io.model import MAX_PIXELS, Metadata, Source, Still

__all__ = [
    "FORMATS", "MAX_PIXELS", "READABLE", "Kind", "Metadata", "Saved", "Source", "Still",
    "depths_of", "detect", "encode", "ending_of", "for_display", "format_of", "keep_time", "lost",
    "read", "with_display", "write",
]  # fmt: skip

_LARGEST_FILE = 2**32
_DAMAGED = "the image is damaged or incomplete"


class Saved(NamedTuple):
    """How a file was written."""

    lost: tuple[str, ...]
    """What the file has no place for, in words."""
    copied: bool
    """Whether nothing had changed, so that the file is its source byte for byte."""


def read(
    source: str | os.PathLike[str] | bytes, max_pixels: int = MAX_PIXELS, name: str = "the image"
) -> Still:
    """Read an image, upright, as what its content says it is.

    Palettes become RGB, and CMYK becomes sRGB, through its colour profile where it has one.

    Parameters
    ----------
    source : path or bytes
        A file, or the whole content of one.
    max_pixels : int
        The most pixels that are read.
    name : str
        What sentences call an image that came as bytes.

    Raises
    ------
    UnshineError
        If there is no readable image, or one that could only be read with a loss (animations,
        several pages).
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data, path, status = bytes(source), None, None
    else:
        path = Path(source)
        name = str(path)
        data, status = _content(path)
    try:
        still = _decoded(data, max_pixels)
    except UnshineError as error:
        raise type(error)(f"{name}: {error}") from None
    assert still.source is not None
    if path is None or status is None:
        return replace(still, source=replace(still.source, data=data))
    return replace(
        still,
        source=replace(still.source, path=path, stamp=_stamp(status), modified=status.st_mtime_ns),
    )


def write(
    still: Still,
    path: str | os.PathLike[str],
    overwrite: bool = False,
    *,
    format: Kind | None = None,
    quality: int | None = None,
    bit_depth: int | None = None,
    source_time: bool = False,
) -> Saved:
    """Write an image.

    The file appears under its name only when it is complete.

    Parameters
    ----------
    still : Still
        The image. If nothing in it has changed since it was read, and it is to be written as the
        kind of file it came from, the file it came from is copied.
    path : path
        Where to; its folder must exist.
    overwrite : bool
        Whether an existing file may be replaced.
    format : str, optional
        The kind of file, such as ``"png"``; by default what the name's ending stands for.
    quality : int, optional
        1 to 100, for lossy kinds. By default JPEG is coded as its source was, and other images
        with a quality that nobody sees.
    bit_depth : int, optional
        8, 10, 12, 16 or 32 (floats), as the kind of file allows; by default as the image came.
    source_time : bool
        Whether the file gets the modification time of the file that the image was read from.

    Returns
    -------
    Saved
        What the file has no place for, and whether it is a copy.

    Raises
    ------
    UnshineError
        If the ending is unknown, the file exists, the kind of file cannot hold the image, or the
        file cannot be written.
    """
    path = Path(path)
    kind = format or format_of(path)
    copied = _may_copy(still, kind, quality, bit_depth)
    data = _original(still) if copied else None
    with writing(path, overwrite) as temporary:
        if data is None:
            copied = False
            try:
                data = encode(still, kind, quality=quality, bit_depth=bit_depth)
            except UnshineError as error:
                raise UnshineError(f"{path}: {error}") from error.__cause__
        temporary.write_bytes(data)
        if source_time:
            keep_time(still, temporary)
    return Saved(() if copied else lost(still, kind, bit_depth), copied)


def encode(
    still: Still,
    format: Kind | None = None,
    *,
    quality: int | None = None,
    bit_depth: int | None = None,
) -> bytes:
    """Write an image as bytes, for pipes and the web.

    Parameters
    ----------
    still, quality, bit_depth
        As for `write`.
    format : str, optional
        The kind of file; by default that which the image came from (TIFF for camera RAW).

    Raises
    ------
    UnshineError
        If that kind of file cannot hold the image.
    """
    kind = format or ("tiff" if still.kind == "raw" else still.kind)
    if _may_copy(still, kind, quality, bit_depth) and (data := _original(still)) is not None:
        return data
    try:
        return _encoded(still, kind, quality, bit_depth)
    except UnshineError:
        raise
    except MemoryError:
        raise UnshineError("there is not enough memory to write this image.") from None
    except Exception as error:
        reason = " ".join(str(error).split())
        title = KINDS[kind].title
        raise UnshineError(f"the image cannot be written as {title} ({reason}).") from error


def lost(still: Still, format: Kind, bit_depth: int | None = None) -> tuple[str, ...]:
    """Say in words what is not kept if an image is written again as a certain kind of file.

    Parameters
    ----------
    still : Still
        The image.
    format : str
        The kind of file.
    bit_depth : int, optional
        As for `write`.
    """
    words = list(still.metadata.lost_in(format))
    if format != "exr" and still.source is not None and still.source.coding.get("others"):
        words.append("further channels")
    after = _depth(still, format, bit_depth)
    beyond = still.transfer == "linear" and still.pixels.dtype.kind == "f"
    if beyond and not _holds_floats(still, format, after) and bool((still.pixels > 1).any()):
        words.append("light brighter than white")
    if still.bit_depth > after and bit_depth is None:
        words.append(f"{still.bit_depth} bits (now {after})")
    return tuple(words)


def keep_time(still: Still, path: str | os.PathLike[str]) -> None:
    """Give a file the modification time of the file that an image was read from."""
    if still.source is not None and still.source.modified is not None:
        with contextlib.suppress(OSError):  # a file system without times loses nothing else
            os.utime(path, ns=(still.source.modified, still.source.modified))


def _content(path: Path) -> tuple[bytes, os.stat_result]:
    """Read a whole file; refuse what is none."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnshineError(f"{path}: this is a folder, not an image.")
        if not stat.S_ISREG(status.st_mode):
            raise UnshineError(f"{path}: this is a device or a pipe, not an image file.")
        if status.st_size == 0:
            raise UnshineError(f"{path}: the file is empty.")
        if status.st_size > _LARGEST_FILE:
            raise UnshineError(f"{path}: the file has more than 4 GB, the most that is read.")
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE), status
    except UnshineError:
        raise
    except FileNotFoundError:
        raise UnshineError(f"{path}: there is no such file.") from None
    except PermissionError:
        raise UnshineError(f"{path}: you have no permission to read this file.") from None
    except MemoryError:
        raise UnshineError(f"{path}: there is not enough memory for this file.") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnshineError(f"{path}: the file cannot be read ({reason}).") from None


def _decoded(data: bytes, max_pixels: int) -> Still:
    """Read an image from bytes; whatever is wrong with them becomes one sentence."""
    if not data:
        raise UnshineError("the file is empty.")
    kind = detect(data)
    if kind is None:
        titles = [known.title for known in KINDS.values()]
        raise UnshineError(f"this is not a {', '.join(titles[:-1])} or {titles[-1]} image.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            still: Still = _module(kind).read(data, max_pixels)
        return _made_true(still)
    except UnshineError:
        raise
    except MemoryError:
        raise UnshineError("there is not enough memory for this image.") from None
    except UnidentifiedImageError:
        raise UnshineError(f"{_DAMAGED}.") from None
    except Exception as error:  # decoders raise almost anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnshineError(f"{_DAMAGED} ({reason}).") from None


def _made_true(still: Still) -> Still:
    """Let the metadata say that the image is upright, and its size."""
    from unshine.io import exif, xmp

    metadata = still.metadata
    if metadata.exif is not None:
        try:
            block: bytes | None = exif.made_true(metadata.exif, *still.size)
            gone = metadata.gone
        except (ValueError, struct.error):
            block, gone = None, (*metadata.gone, "EXIF (damaged)")
        metadata = replace(metadata, exif=block, gone=gone)
    if metadata.xmp is not None:
        metadata = replace(metadata, xmp=xmp.made_true(metadata.xmp, *still.size))
    return replace(still, metadata=metadata)


def _encoded(still: Still, kind: Kind, quality: int | None, bit_depth: int | None) -> bytes:
    """Write an image again as a certain kind of file."""
    format = KINDS.get(kind)
    if format is None or not format.depths:
        raise UnshineError(f"{format.title if format else kind} files are not written.")
    if bit_depth is not None and bit_depth not in format.depths:
        depths = " or ".join(map(str, format.depths))
        raise UnshineError(f"{format.title} files have {depths} bits, not {bit_depth}.")
    if quality is not None and not 1 <= quality <= 100:
        raise UnshineError(f"the quality must be between 1 and 100, not {quality}.")
    if still.alpha is not None and not format.transparent:
        if bool((still.alpha < _opaque(still.alpha.dtype)).any()):
            raise UnshineError(
                f"{format.title} files cannot keep this image's transparency; write PNG, WebP or"
                " TIFF instead."
            )
        still = replace(still, alpha=None)
    depth = _depth(still, kind, bit_depth)
    still = _in_light_of(still, kind, depth)
    if not kind == still.kind == "jpeg":
        still = replace(still, metadata=still.metadata.without_parts())
    still = _with_thumbnail(still)
    data: bytes = _module(kind).encode(still, quality, depth)
    return data


def _in_light_of(still: Still, kind: Kind, depth: int) -> Still:
    """Convert an image to the light, and to the use of opacity, that a kind of file has."""
    if still.transfer in ("pq", "hlg"):
        format = KINDS[kind]
        if not format.hdr or depth == 8 < still.bit_depth:
            raise UnshineError(
                f"this is an HDR image ({still.transfer.upper()}), which {format.title} files"
                f"{' of 8 bits' if format.hdr else ''} cannot hold; write 16-bit PNG instead."
            )
        return still
    floats = _holds_floats(still, kind, depth)
    if not floats:
        still = light.with_straight_colours(still)
    if kind == "exr":
        return light.with_premultiplied_colours(light.converted(still, "linear"))
    if floats and still.profile() is None:
        # A TIFF file of floats without a profile holds light.
        return light.converted(still, "linear")
    own = kind == still.kind and depth == still.bit_depth
    same_numbers = (still.pixels.dtype.kind == "f") == floats and depth > 8
    if still.transfer == "linear" and not own and not (kind in ("png", "tiff") and same_numbers):
        return light.converted(still, "display")
    return still


def _holds_floats(still: Still, kind: Kind, depth: int) -> bool:
    """Say if a file will hold floats rather than whole numbers."""
    halves = depth == 16 and tiff.holds_halves(still)
    return kind == "exr" or (kind == "tiff" and (depth == 32 or halves))


def _with_thumbnail(still: Still) -> Still:
    """Make the thumbnail in the EXIF block again from the image as it is now."""
    from io import BytesIO

    from PIL import Image

    from unshine.io import exif, plain

    block = still.metadata.exif
    if block is None or (old := exif.thumbnail(block)) is None:
        return still
    small = b""
    with contextlib.suppress(Exception):  # without a usable one, it is left out
        with Image.open(BytesIO(old)) as image:
            longest = max(image.size)
        step = max(1, max(still.size) // (4 * longest))
        pixels = plain.eight_bit(
            light.for_display(replace(still, pixels=still.pixels[::step, ::step]))
        )
        new = plain.as_image(pixels, None).convert("RGB")
        new.thumbnail((longest, longest))
        for quality in (85, 70, 50, 30):
            buffer = BytesIO()
            new.save(buffer, "JPEG", quality=quality)
            small = buffer.getvalue()
            if len(small) <= exif.room_for_thumbnail(block):
                break
    metadata = replace(still.metadata, exif=exif.with_thumbnail(block, small))
    return replace(still, metadata=metadata)


def _may_copy(still: Still, kind: Kind, quality: int | None, bit_depth: int | None) -> bool:
    """Say if the source's own bytes are what is asked for."""
    return (
        kind == still.kind
        and quality is None
        and bit_depth in (None, still.bit_depth)
        and not still.changed()
    )


def _original(still: Still) -> bytes | None:
    """Return the bytes of an image's file, if they are still there."""
    source = still.source
    if source is None or source.path is None:
        return source.data if source else None
    try:
        data, status = _content(source.path)
    except UnshineError:
        return None
    return data if _stamp(status) == source.stamp else None


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _depth(still: Still, kind: Kind, bit_depth: int | None) -> int:
    """Return the bits of a value that a file will have."""
    wanted = bit_depth or still.bit_depth
    if kind == "exr" and bit_depth is None and still.pixels.dtype == np.uint16:
        wanted = 32  # halves have 11 bits
    if kind in ("heic", "avif") and bit_depth is None and still.bit_depth > 12:
        wanted = 10  # few programs show more
    depths = depths_of(kind)
    return next((depth for depth in depths if depth >= wanted), depths[-1])


def _opaque(dtype: np.dtype[Any]) -> float:
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def _module(kind: Kind) -> Any:
    """Return the module of a kind of file; it is loaded with the first file of its kind."""
    return import_module(f"unshine.io.{kind}")
