"""What should not change does not, whatever the kind, the depth, the channels and the metadata."""

import itertools
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import made
import numpy as np
import pytest
from PIL import ImageCms

from unshine.io import exif, icc, stills
from unshine.io.stills import Still


def _grey_profile() -> bytes:
    """A grey profile: a white point and a curve."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
        b"kTRC": b"curv" + bytes(4) + struct.pack(">IHH", 1, 0x0233, 0),
        b"cprt": b"text" + bytes(4) + b"none\0\0\0\0",
    }
    offset, table, data = 132 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", offset + len(data), len(value))
        data += value
    head = struct.pack(">I4sI4s4s4s12s", offset + len(data), b"", 0x02100000, b"mntr", b"GRAY",
                       b"XYZ ", bytes(12)) + b"acsp" + bytes(28)  # fmt: skip
    head += struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + data


PROFILES = {"RGB": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
PROFILES["grey"] = _grey_profile()

DEPTHS = {
    "jpeg": (8,), "png": (8, 16), "webp": (8,), "bmp": (8,), "tiff": (8, 16, 32), "heic": (8, 10),
    "avif": (8, 10), "exr": (16, 32),
}  # fmt: skip
LIBRARIES = {"tiff": "tifffile", "heic": "pillow_heif", "exr": "OpenEXR"}
LOSSY = ("jpeg", "webp", "heic", "avif")
SHAPE = (40, 56)


def _stored(depth: int, grey: bool, alpha: bool, orientation: int) -> np.ndarray:
    """Pixels as they lie in a file, whatever they will be turned to."""
    dtype = {8: np.uint8, 10: np.uint16, 16: np.uint16, 32: np.float32}[depth]
    shape = SHAPE if orientation < 5 else SHAPE[::-1]
    channels = (1 if grey else 3) + alpha
    array = made.pixels(*shape, channels, dtype=dtype)
    return array[..., 0] if channels == 1 else array


def build(
    kind: str, depth: int, grey: bool, alpha: bool, orientation: int, profile: bool, metadata: bool
) -> bytes:
    """Make a file."""
    array = _stored(depth, grey, alpha, orientation)
    colour = PROFILES["grey" if grey else "RGB"] if profile else None
    block = made.exif(array.shape[1], array.shape[0], orientation) if orientation > 1 else None
    if metadata:
        block = made.exif(array.shape[1], array.shape[0], orientation)
    packet = made.XMP_LYING % orientation if metadata else None
    given = {"icc_profile": colour, "exif": block and b"Exif\0\0" + block, "xmp": packet}
    options = {name: value for name, value in given.items() if value}
    if kind == "jpeg":
        segments = [(0xED, b"Photoshop 3.0\0" + made.RESOURCES), (0xFE, b"a comment")]
        return made.jpeg(array, *(segments if metadata else ()), **options)
    if kind == "png":
        chunks = [(b"iCCP", b"name\0\0" + zlib.compress(colour))] if colour else []
        chunks += [(b"eXIf", block)] if block else []
        if packet:
            chunks += [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)]
            chunks += [(b"tEXt", b"Title\0balls"), (b"zTXt", b"Note\0\0" + zlib.compress(b"long"))]
            chunks += [(b"iTXt", b"parameters\0\0\0\0\0Steps: 20"), (b"sBIT", bytes([depth]))]
            chunks = [pair for pair in chunks if pair[0] != b"sBIT" or (grey and not alpha)]
        return made.png(array, *chunks)
    if kind == "webp":
        return made.saved(array, "WEBP", quality=90, exact=True, **options)
    if kind == "bmp":
        return made.saved(array, "BMP")
    if kind == "tiff":
        tags = [(274, "H", 1, orientation, True)] if orientation > 1 else []
        tags += [(34675, "B", len(colour), colour, True)] if colour else []
        if packet:
            tags += [(700, "B", len(packet), packet, True), (271, "s", 0, "ACME", True)]
            tags += [(33723, "B", len(made.IPTC), made.IPTC, True)]
            tags += [(33550, "d", 3, (0.5, 0.5, 0.0), True)]
        return made.tiff(
            array, compression="lzw", predictor=2 if depth < 32 else 3, extratags=tags,
            extrasamples=["unassalpha"] if alpha else None,
        )  # fmt: skip
    if kind == "heic":
        heic = {"exif": options.get("exif"), "xmp": packet}
        return made.heic_with_profile(array, colour, **heic) if colour else made.heic(array, **heic)
    if kind == "avif":
        chroma = {} if grey else {"subsampling": "4:4:4"}
        if depth == 8:
            return made.saved(array, "AVIF", quality=90, **chroma, **options)
        return made.deep_avif(array)
    array = _stored(32, grey, alpha, 1).astype(np.float16 if depth == 16 else np.float32)
    names = ("Y" if grey else "RGB") + ("A" if alpha else "")
    planes = {name: array[..., i] if array.ndim == 3 else array for i, name in enumerate(names)}
    return made.exr(planes, **({"owner": "me", "comments": "balls"} if metadata else {}))


def _all() -> list[tuple]:
    either = (False, True)
    return [
        (kind, *rest)
        for kind, depths in DEPTHS.items()
        for rest in itertools.product(depths, either, either, (1, 6), either, either)
        if _exists(kind, *rest)
    ]


def _exists(
    kind: str, depth: int, grey: bool, alpha: bool, orientation: int, profile: bool, metadata: bool
) -> bool:
    """Say if there are such files, or if those can be made that `build` makes otherwise."""
    plain = orientation == 1 and not (profile or metadata)
    return {
        "jpeg": not alpha,
        "png": True,
        "webp": not grey,
        "bmp": plain and not alpha,
        "tiff": True,
        # libheif stores how an image lies apart from EXIF; greys with opacity there are none.
        "heic": orientation == 1 and not (grey and (alpha or profile)),
        "avif": not (grey and alpha) and (depth == 8 or plain),
        "exr": orientation == 1 and not profile,
    }[kind]


@pytest.mark.parametrize("case", _all(), ids=lambda case: "-".join(map(str, case)))
def test_what_should_not_change_does_not(case: tuple, tmp_path: Path) -> None:
    kind, depth, grey, alpha, _, profile, _ = case
    if kind in LIBRARIES:
        pytest.importorskip(LIBRARIES[kind])
    if kind == "avif" and depth > 8:
        pytest.importorskip("imagecodecs")
    data = build(*case)
    path = tmp_path / f"a{stills.ending_of(kind)}"
    path.write_bytes(data)
    still = stills.read(path)

    # It is what it was made as.
    assert still.kind == kind
    assert still.bit_depth == depth
    assert still.pixels.shape[:2] == SHAPE
    assert (still.pixels.ndim == 2) == grey
    assert (still.alpha is not None) == alpha
    assert (still.metadata.icc_profile is not None) == profile
    assert still.metadata.gone == ()

    # Unchanged, it is the same file; also from bytes, and also if the pixels are a copy.
    copy = tmp_path / f"b{path.suffix}"
    same = replace(still, pixels=still.pixels.copy())
    assert stills.write(same, copy).copied
    assert copy.read_bytes() == data
    assert stills.encode(replace(stills.read(data))) == data

    # Changed in a corner, it is the same in everything else.
    pixels = still.pixels.copy()
    pixels[:8, :8] = pixels[:8, :8] // 2 if pixels.dtype.kind == "u" else pixels[:8, :8] / 2
    saved = stills.write(replace(still, pixels=pixels), copy, overwrite=True)
    assert saved == ((), False)
    again = stills.read(copy)
    _assert_same_but_pixels(still, again)
    difference = np.abs(again.pixels.astype(np.float64) - pixels)
    if kind in LOSSY:
        top = 255 if depth == 8 else 65535
        assert difference[16:, 16:].mean() / top < 0.02
    else:
        assert difference.max() == 0
        if alpha:
            assert np.array_equal(again.alpha, still.alpha)


def _assert_same_but_pixels(before: Still, after: Still) -> None:
    assert after.kind == before.kind
    assert after.bit_depth == before.bit_depth
    assert after.pixels.dtype == before.pixels.dtype
    assert after.pixels.shape == before.pixels.shape
    assert after.transfer == before.transfer
    assert after.premultiplied == before.premultiplied
    assert after.source is not None
    assert after.source.turned == 1
    for name in ("compression", "predictor", "half", "lossless", "progressive", "sampling"):
        assert after.source.coding.get(name) == before.source.coding.get(name)  # type: ignore
    one, other = before.metadata, after.metadata
    for name in ("icc_profile", "xmp", "photoshop", "comment", "chunks", "colour", "cicp", "parts"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("owner", "comments"):
        assert one.named.get(name) == other.named.get(name)
    if before.kind == "tiff":
        # Laid out anew, with the same tags.
        if one.exif:
            lasting = (282, 283, 296, 305)
            tags = [exif.tree(block)[1] for block in (one.exif, other.exif or b"")]
            values = [
                {tag: entry.value for tag, entry in tree.items() if tag not in lasting}
                for tree in tags
            ]
            assert values[0] == values[1]
    else:
        assert one.exif == other.exif


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "heic", "avif"])
@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "bmp", "tiff", "heic", "avif", "exr"])
def test_what_another_kind_of_file_cannot_keep_is_named(kind: str, target: str) -> None:
    for library in ("tifffile", "pillow_heif", "OpenEXR"):
        pytest.importorskip(library)
    data = build(kind, 8, False, False, 1, True, True)
    still = stills.read(data)
    written = stills.read(stills.encode(still, target))
    named = stills.lost(still, target)
    if kind == target:
        assert stills.encode(still, target) == data
        return
    kept = {
        "EXIF": written.metadata.exif, "XMP": written.metadata.xmp,
        "IPTC": written.metadata.photoshop, "comment": written.metadata.comment
        or any(d.startswith(b"Comment\0") for _, d in written.metadata.chunks),
        "PNG text": any(d.startswith(b"Title\0") for _, d in written.metadata.chunks),
        "colour profile": written.metadata.icc_profile,
    }  # fmt: skip
    had = {
        "EXIF": still.metadata.exif, "XMP": still.metadata.xmp, "IPTC": still.metadata.photoshop,
        "comment": still.metadata.comment, "PNG text": still.metadata.chunks,
        "colour profile": still.metadata.icc_profile,
    }  # fmt: skip
    for word, value in had.items():
        if value:
            assert (word in named) != bool(kept[word]), word
            if kept[word] and word in ("XMP", "colour profile"):
                assert kept[word] == value


def test_profiles_for_the_matrix_are_valid() -> None:
    assert icc.space(PROFILES["grey"]) == b"GRAY"
    assert icc.space(PROFILES["RGB"]) == b"RGB "
