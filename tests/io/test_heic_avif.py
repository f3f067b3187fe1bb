"""HEIC and AVIF files: depth, colour tags and metadata."""

import io
from dataclasses import replace

import made
import numpy as np
import pytest
from PIL import Image

from unshine.io import boxes, stills
from unshine.io.stills import Metadata, Still

pytest.importorskip("pillow_heif")
pytest.importorskip("imagecodecs")


@pytest.mark.parametrize("kind", ["heic", "avif"])
@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("clear", [False, True])
def test_depth_opacity_and_metadata(kind: str, depth: int, clear: bool) -> None:
    array = made.pixels(32, 48, 3, dtype=np.uint16)
    alpha = made.pixels(32, 48, dtype=np.uint16, seed=1) if clear else None
    metadata = Metadata(made.SRGB, made.exif(48, 32), made.XMP)
    data = stills.encode(Still(array, alpha, metadata=metadata), kind, quality=95, bit_depth=depth)
    still = stills.read(data)
    assert still.kind == kind
    assert still.bit_depth == depth
    assert (still.alpha is not None) == clear
    assert still.metadata.icc_profile == made.SRGB
    assert still.metadata.exif == metadata.exif
    assert still.metadata.xmp is not None
    top = 255 if depth == 8 else 65535
    assert np.abs(still.pixels / top - array / 65535).mean() < 0.01
    if alpha is not None and still.alpha is not None:
        assert np.abs(still.alpha / top - alpha / 65535).mean() < 0.01


@pytest.mark.parametrize("kind", ["heic", "avif"])
@pytest.mark.parametrize(("curve", "transfer"), [(16, "pq"), (18, "hlg"), (8, "linear")])
def test_colour_tags_go_along(kind: str, curve: int, transfer: str) -> None:
    array = made.pixels(32, 48, 3, dtype=np.uint16)
    source = stills.read(made.png(array, (b"cICP", bytes([9, curve, 0, 1]))))
    assert source.transfer == transfer
    if transfer == "linear":
        return  # these kinds get display values instead
    still = stills.read(stills.encode(source, kind))
    assert still.transfer == transfer
    assert still.metadata.cicp is not None
    assert still.metadata.cicp[:2] == (9, curve)
    pixels = still.pixels.copy()
    pixels[:8] //= 2
    again = stills.read(stills.encode(replace(still, pixels=pixels)))
    assert again.transfer == transfer
    assert again.bit_depth == 10
    back = stills.read(stills.encode(again, "png"))
    assert back.transfer == transfer
    assert dict(back.metadata.colour)[b"cICP"][:2] == bytes([9, curve])
    assert np.abs(back.pixels[16:] / 65535 - array[16:] / 65535).mean() < 0.02


@pytest.mark.parametrize("chroma", ["4:4:4", "4:2:2", "4:2:0"])
def test_subsampling_stays_in_avif(chroma: str) -> None:
    data = made.saved(made.pixels(32, 48, 3), "AVIF", subsampling=chroma)
    pixels = (still := stills.read(data)).pixels.copy()
    pixels[0] = 0
    written = stills.encode(replace(still, pixels=pixels))
    assert boxes.describe(data).chroma == boxes.describe(written).chroma == chroma


def test_metadata_in_avif_are_found_by_pillow() -> None:
    metadata = Metadata(made.SRGB, made.exif(48, 32), made.XMP)
    data = stills.encode(Still(made.pixels(32, 48, 3), metadata=metadata), "avif")
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.info["icc_profile"] == made.SRGB
        assert image.info["xmp"] == made.XMP
        assert image.getexif()[271] == "ACME"
        assert image.size == (48, 32)


def test_how_an_avif_file_lies_is_read() -> None:
    block = b"Exif\0\0" + made.exif(48, 32, 6)
    still = stills.read(made.saved(made.pixels(32, 48, 3), "AVIF", exif=block))
    assert still.size == (32, 48)


def test_further_images_in_heic_are_named() -> None:
    import pillow_heif

    array = made.pixels(32, 48, 3)
    file = pillow_heif.from_bytes("RGB", (48, 32), array.tobytes())
    file.add_frombytes("RGB", (48, 32), array.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, save_all=True)
    still = stills.read(buffer.getvalue())
    assert stills.lost(still, "heic") == ("further image",)


def test_animations_are_refused() -> None:
    frames = [Image.fromarray(np.roll(made.pixels(32, 48, 3), 9 * i, 1)) for i in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:])
    with pytest.raises(stills.UnshineError, match="animation"):
        stills.read(buffer.getvalue())


@pytest.mark.parametrize("tail", [made.VIDEO, b"\0\0\0\x08mpvd"])
def test_motion_photos_in_heic_are_named_and_no_longer_promised(tail: bytes) -> None:
    promise = made.XMP.replace(
        b"rdf:about", b'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
        b' GCamera:MotionPhoto="1" rdf:about',
    )  # fmt: skip
    still = stills.read(made.heic(made.pixels(32, 48, 3), xmp=promise) + tail)
    assert stills.lost(still, "heic") == ("motion photo's video",)
    pixels = still.pixels.copy()
    pixels[:4] = 0
    again = stills.read(stills.encode(replace(still, pixels=pixels)))
    assert again.metadata.xmp is not None
    assert b"MotionPhoto" not in again.metadata.xmp
