"""The model of a still image: its pixels, what its file says about them, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unshine.io import icc, xmp
from unshine.io.icc import Transfer
from unshine.io.kinds import KINDS, Kind

MAX_PIXELS = 256_000_000
"""The most pixels that are read unless the caller says otherwise."""


class Part(NamedTuple):
    """Something else that a JPEG file holds after its image."""

    kind: Literal["gain map", "further image", "preview", "video", "trailer"]
    data: bytes
    padding: int = 0
    """Zeros before it."""


@dataclass(frozen=True)
class Metadata:
    """What a file says about its image, apart from how it stores the pixels.

    Everything is kept as the bytes that the file holds, corrected only where it would no longer
    be true.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    """An EXIF block, from its byte order mark on; the image is upright."""
    xmp: bytes | None = None
    photoshop: bytes | None = None
    """Photoshop's image resources, among them IPTC."""
    comment: bytes | None = None
    """JPEG's comment."""
    dpi: tuple[float, float] | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    """PNG's chunks of text, and others that hold for any image; names and contents."""
    colour: tuple[tuple[bytes, bytes], ...] = ()
    """PNG's chunks of colour: gAMA, cHRM, sRGB, cICP and those on HDR."""
    cicp: tuple[int, int, int, int] | None = None
    """H.273's numbers of primaries, transfer function and matrix, and whether the range is full."""
    segments: tuple[bytes, ...] = ()
    """JPEG's other application segments, with their markers."""
    parts: tuple[Part, ...] = ()
    """What follows the image in a JPEG file, in its order."""
    named: Mapping[str, Any] = field(default_factory=dict)
    """OpenEXR's attributes."""
    gone: tuple[str, ...] = ()
    """What the reader had to leave behind, in words."""

    def profile(self) -> bytes | None:
        """Return the colour profile, made of the other colour tags where the file has none."""
        if self.icc_profile is not None:
            return self.icc_profile
        chunks = dict(self.colour)
        if self.cicp is not None:
            primaries = icc.PRIMARIES.get(self.cicp[0])
            # What is not tagged is taken for sRGB by everyone; so is what only says that.
            if self.cicp[1] in (16, 18) or primaries is None:
                return None
            if primaries == icc.SRGB and self.cicp[1] in (1, 2, 6, 13):
                return None
            gamma = {4: 2.2, 5: 2.8, 8: 1.0}.get(self.cicp[1])
            return icc.of_primaries(primaries, gamma)
        if b"sRGB" in chunks or not chunks.keys() & {b"gAMA", b"cHRM"}:
            return None
        gamma, primaries = None, icc.SRGB
        if len(value := chunks.get(b"gAMA", b"")) == 4 and int.from_bytes(value):
            exponent = 100_000 / int.from_bytes(value)
            gamma = None if abs(exponent - 2.2) < 0.01 else exponent
        if len(value := chunks.get(b"cHRM", b"")) == 32:
            x, y = np.frombuffer(value, ">u4").reshape(4, 2).T / 100_000
            if (y > 0).all():
                # PNG puts white first, a profile last.
                points = [*zip(x[1:], y[1:], strict=True), (x[0], y[0])]
                primaries = tuple((float(a), float(b)) for a, b in points)
        if gamma is None and np.allclose(primaries, icc.SRGB, atol=2e-3):
            return None
        try:
            return icc.of_primaries(primaries, gamma)
        except (np.linalg.LinAlgError, OverflowError, ValueError):
            return None

    def lost_in(self, kind: Kind) -> tuple[str, ...]:
        """Say in words what a kind of file has no place for."""
        keeps = KINDS[kind].keeps
        has = {
            "EXIF": self.exif,
            "XMP": self.xmp,
            "IPTC": self.photoshop and _IPTC in self.photoshop,
            "Photoshop's resources": self.photoshop and _IPTC not in self.photoshop,
            "comment": self.comment,
            "PNG text": any(name in TEXTS for name, _ in self.chunks),
            "colour profile": self.profile(),
            "further JPEG segments": self.segments,
            "OpenEXR attributes": self.named.keys() - _USUAL_ATTRIBUTES,
            "HDR mastering data": any(name[:4].lower() in _MASTERING for name, _ in self.colour),
            # EXIF says it too; 72 is what programs write that do not know.
            "resolution": self.dpi and self.exif is None and round(self.dpi[0]) != 72,
        }
        words = [*self.gone, *(word for word, value in has.items() if value and word not in keeps)]
        if kind != "jpeg":
            words += [WORDS[part.kind] for part in self.parts]
        if kind == "jpeg":
            for word, value in (("EXIF", self.exif), ("XMP", self.xmp)):
                if value is not None and len(value) > LONGEST_SEGMENT - 29:
                    words.append(f"{word} (too long for JPEG)")
        return tuple(dict.fromkeys(words))

    def without_parts(self) -> Metadata:
        """Leave out what follows the image in a JPEG file, and all that announces it."""
        packet = xmp.without_promises(self.xmp) if self.xmp else None
        return replace(self, parts=(), xmp=packet, segments=())


_IPTC = b"8BIM\x04\x04"

LONGEST_SEGMENT = 65_533
"""What a JPEG segment holds at most, in bytes."""

_MASTERING = (b"mdcv", b"clli")
_USUAL_ATTRIBUTES = frozenset(
    {"chromaticities", "pixelAspectRatio", "screenWindowCenter", "screenWindowWidth"}
)

TEXTS = (b"tEXt", b"zTXt", b"iTXt")

WORDS = {
    "gain map": "gain map",
    "further image": "further image",
    "preview": "preview image",
    "video": "motion photo's video",
    "trailer": "data after the image",
}


@dataclass(frozen=True)
class Source:
    """The file that an image was read from."""

    kind: Kind
    pixels: NDArray[Any]
    """As they were read: what the image's own are compared with."""
    alpha: NDArray[Any] | None
    bit_depth: int
    coding: Mapping[str, Any] = field(default_factory=dict)
    """How the file stores its pixels, in the words of its kind's module."""
    turned: int = 1
    """How the stored image lies, 1 to 8 as EXIF counts; the pixels here are upright."""
    path: Path | None = None
    data: bytes | None = field(default=None, repr=False)
    """The whole file, where it came as bytes."""
    stamp: tuple[int, ...] = ()
    """Tells if the file at `path` is still the one that was read."""
    modified: int | None = None
    """When it was last modified, in nanoseconds."""


@dataclass(frozen=True)
class Still:
    """An image and what its file says about it.

    Examples
    --------
    >>> import numpy as np
    >>> Still(np.zeros((2, 3, 3), np.uint8)).size
    (3, 2)
    """

    pixels: NDArray[Any]
    """H×W×3, or H×W for grey; uint8, uint16 or float32; upright. Whole numbers fill their type's
    range, whatever the depth of the file."""
    alpha: NDArray[Any] | None = None
    """Opacity, H×W, of the same type as the pixels; the largest number (1 of floats) is opaque."""
    premultiplied: bool = field(default=False, kw_only=True)
    """Whether the pixels are multiplied by the opacity, as OpenEXR has them."""
    transfer: Transfer = "display"
    """How the values relate to light: made for a display (sRGB and its like), linear, PQ or HLG."""
    metadata: Metadata = field(default_factory=Metadata)
    source: Source | None = field(default=None, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def kind(self) -> Kind:
        """The kind of file it came from; PNG where it came from none."""
        return self.source.kind if self.source else "png"

    @property
    def bit_depth(self) -> int:
        """Bits of a value, as in the file it came from."""
        return self.source.bit_depth if self.source else self.pixels.dtype.itemsize * 8

    def changed(self) -> bool:
        """Say if anything in the image differs from the file it was read from."""
        source = self.source
        return source is None or not (
            _same(self.pixels, source.pixels) and _same(self.alpha, source.alpha)
        )

    def profile(self) -> bytes | None:
        """Return the colour profile, if it holds for this number of channels.

        With another one a file would be unreadable.
        """
        profile = self.metadata.profile()
        space = b"GRAY" if self.pixels.ndim == 2 else b"RGB "
        return profile if profile is not None and icc.space(profile) == space else None


def _same(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return a is b or (a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn an image as its orientation (1 to 8, as EXIF counts) asks for."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)
