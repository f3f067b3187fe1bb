import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from unshine.errors import UnshineError
from unshine.io import stills
from unshine.io.plain import eight_bit
from unshine.io.stills import FORMATS, Metadata, Still

LOSSLESS = (".png", ".bmp", ".tif", ".tiff")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _pixels(*shape: int) -> np.ndarray:
    """Smooth, so that lossy formats stay close."""
    grid = np.indices(shape).sum(0) * 3
    return grid.astype(np.uint8)


def _changed(still: Still) -> Still:
    pixels = still.pixels.copy()
    pixels[-1, -1] ^= 1
    return replace(still, pixels=pixels)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30), (1, 1, 3)])
def test_round_trip(tmp_path: Path, ending: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / f"image{ending}"
    stills.write(Still(_pixels(*shape)), path)
    still = stills.read(path)
    assert still.alpha is None
    if ending in LOSSLESS:
        assert np.array_equal(still.pixels, _pixels(*shape))
    else:
        shown = eight_bit(stills.for_display(still))
        colours = shown if shown.ndim == len(shape) else shown.mean(-1)
        assert np.abs(colours.astype(int) - _pixels(*shape)).max() <= 6
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30)])
def test_alpha_is_kept(tmp_path: Path, ending: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / f"image{ending}"
    alpha = _pixels(20, 30)
    stills.write(Still(_pixels(*shape), alpha), path)
    still = stills.read(path)
    assert np.array_equal(still.alpha, alpha)
    # Also under full transparency, where no colour shows.
    tolerance = 0 if ending in LOSSLESS else 12
    colours = still.pixels if still.pixels.ndim == len(shape) else still.pixels.mean(-1)
    assert np.abs(colours.astype(int) - _pixels(*shape)).max() <= tolerance


@pytest.mark.parametrize("ending", [".jpg", ".bmp"])
def test_transparency_is_not_lost_silently(tmp_path: Path, ending: str) -> None:
    alpha = np.full((4, 4), 255, np.uint8)
    stills.write(Still(_pixels(4, 4, 3), alpha), tmp_path / f"opaque{ending}")
    alpha[0] = 254
    with pytest.raises(UnshineError, match="transparency"):
        stills.write(Still(_pixels(4, 4, 3), alpha), tmp_path / f"glass{ending}")
    assert os.listdir(tmp_path) == [f"opaque{ending}"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_images_are_read_upright_once(tmp_path: Path, ending: str, orientation: int) -> None:
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20, :20] = 255
    # The inverse of each of EXIF's eight ways to lie.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright.swapaxes(0, 1)[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = "Ansel"
    path, copy = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=95)
    first = stills.read(path)
    assert first.pixels.shape == upright.shape
    assert np.abs(first.pixels.astype(int) - upright).mean() < 3
    assert stills.write(first, copy).copied
    assert copy.read_bytes() == path.read_bytes()
    stills.write(_changed(first), copy, overwrite=True)
    with Image.open(copy) as image:
        assert ExifTags.Base.Orientation not in image.getexif() or (
            image.getexif()[ExifTags.Base.Orientation] == 1
        )
        assert image.getexif()[ExifTags.Base.Artist] == "Ansel"
    assert np.abs(stills.read(copy).pixels.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif"])
def test_metadata_goes_along(tmp_path: Path, source: str, target: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Leica"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    path, copy = tmp_path / f"a{source}", tmp_path / f"b{target}"
    image = Image.fromarray(_pixels(20, 30, 3))
    image.save(path, exif=exif.tobytes(), icc_profile=SRGB, dpi=(300, 300))
    stills.write(stills.read(path), copy)
    with Image.open(copy) as image:
        assert image.size == (30, 20)
        assert image.info["icc_profile"] == SRGB
        if ".webp" not in (source, target):
            assert np.allclose([float(x) for x in image.info["dpi"]], 300, atol=0.1)
        written = image.getexif()
        assert written[ExifTags.Base.Make] == "Leica"
        assert written.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
        assert written.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("source", [".jpg", ".webp"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".webp"])
def test_xmp_goes_along(tmp_path: Path, source: str, target: str) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">caf\xc3\xa9</x:xmpmeta>'
    path, copy = tmp_path / f"a{source}", tmp_path / f"b{target}"
    Image.fromarray(_pixels(20, 30, 3)).save(path, xmp=xmp)
    stills.write(stills.read(path), copy)
    assert stills.read(copy).metadata.xmp == xmp


def test_metadata_too_long_for_jpeg_does_not_stop_the_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "long " * 20_000
    Image.fromarray(_pixels(20, 30, 3)).save(tmp_path / "a.png", exif=exif)
    stills.write(stills.read(tmp_path / "a.png"), tmp_path / "b.jpg")
    assert stills.read(tmp_path / "b.jpg").metadata.exif is None


def test_damaged_exif_does_not_stop_the_image(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(_pixels(20, 30, 3)).save(path, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xffabc")
    assert stills.read(path).pixels.shape == (20, 30, 3)


def test_jpeg_keeps_the_full_colour_resolution(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    stills.write(Still(_pixels(64, 64, 3)), path)
    with Image.open(path) as image:
        assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1)
        reference = BytesIO()
        image.save(reference, "JPEG", quality=95, subsampling=0)
        assert image.quantization == Image.open(reference).quantization


def test_palettes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = Image.fromarray(_pixels(20, 30)).convert("P")
    image.putpalette([value for i in range(256) for value in (i, 255 - i, 7)])
    image.save(path)
    still = stills.read(path)
    assert still.alpha is None
    assert np.array_equal(still.pixels[..., 1], 255 - _pixels(20, 30))
    image.save(path, transparency=3)
    still = stills.read(path)
    assert np.array_equal(still.alpha == 0, _pixels(20, 30) == 3)
    assert np.array_equal(still.pixels[..., 0], _pixels(20, 30))


def test_bilevel(tmp_path: Path) -> None:
    Image.fromarray(_pixels(20, 30) > 50).save(tmp_path / "a.png")
    assert np.array_equal(stills.read(tmp_path / "a.png").pixels, (_pixels(20, 30) > 50) * 255)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).convert("CMYK").save(tmp_path / "a.jpg", icc_profile=SRGB)
    still = stills.read(tmp_path / "a.jpg")
    assert np.abs(still.pixels.astype(int) - red).max() <= 3
    saved = stills.write(_changed(still), tmp_path / "b.jpg")
    assert saved.lost == ("CMYK (now RGB)",)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.mode == "RGB"


def test_sixteen_bit_grey_is_kept(tmp_path: Path) -> None:
    deep = (np.indices((20, 30)).sum(0) * 1000).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    still = stills.read(tmp_path / "a.png")
    assert still.pixels.dtype == np.uint16
    assert np.array_equal(still.pixels, deep)
    stills.write(still, tmp_path / "b.png")
    assert np.array_equal(stills.read(tmp_path / "b.png").pixels, deep)
    stills.write(still, tmp_path / "b.jpg")
    assert np.abs(stills.read(tmp_path / "b.jpg").pixels - deep / 257.0).max() < 5


@pytest.mark.parametrize("ending", [".png", ".webp", ".tif"])
def test_animations_and_pages_are_refused(tmp_path: Path, ending: str) -> None:
    frames = [Image.fromarray(np.roll(_pixels(20, 30, 3), 9 * i, 1)) for i in range(3)]
    frames[0].save(tmp_path / f"a{ending}", save_all=True, append_images=frames[1:])
    with pytest.raises(UnshineError, match="single images"):
        stills.read(tmp_path / f"a{ending}")


def test_phone_images_of_several_views_are_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(_pixels(20, 30, 3) + i) for i in range(2)]
    frames[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert stills.read(tmp_path / "a.jpg").pixels.shape == (20, 30, 3)


def _sentence(path: Path) -> str:
    with pytest.raises(UnshineError) as info:
        stills.read(path)
    text = str(info.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert "no such file" in _sentence(tmp_path / "missing.png")
    (tmp_path / "folder.png").mkdir()
    assert "folder" in _sentence(tmp_path / "folder.png")
    (tmp_path / "empty.png").touch()
    assert "empty" in _sentence(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("this is no image")
    assert "not a JPEG, PNG" in _sentence(tmp_path / "text.png")
    Image.fromarray(_pixels(20, 30)).save(tmp_path / "a.gif")
    assert "not a JPEG, PNG" in _sentence(tmp_path / "a.gif")
    assert "cannot be read" in _sentence(tmp_path / ("long" * 200 + ".png"))
    Image.fromarray(_pixels(20, 30)).save(tmp_path / "large.png")
    with pytest.raises(UnshineError, match=r"large\.png: the image has 30 × 20 pixels, more than"):
        stills.read(tmp_path / "large.png", max_pixels=200)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_truncated_files(tmp_path: Path, ending: str, share: float) -> None:
    path = tmp_path / f"a{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    stills.write(Still(noise), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    _sentence(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_damaged_files_never_raise_anything_else(tmp_path: Path, ending: str) -> None:
    random = np.random.default_rng(0)
    path = tmp_path / f"a{ending}"
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Leica"
    stills.write(
        Still(_pixels(20, 30, 3), metadata=Metadata(exif=exif.tobytes()[6:], dpi=(72, 72))), path
    )
    data = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(150):
        damaged = data.copy()
        places = random.integers(0, min(len(data), 400), 4)
        damaged[places] = random.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        try:
            still = stills.read(path)
        except UnshineError:
            continue
        # What was read can be written.
        stills.write(still, tmp_path / f"copy{ending}", overwrite=True)


def test_existing_files_are_safe(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("precious")
    with pytest.raises(UnshineError, match="overwrite=True"):
        stills.write(Still(_pixels(4, 4, 3)), path)
    assert path.read_text() == "precious"
    stills.write(Still(_pixels(4, 4, 3)), path, overwrite=True)
    assert stills.read(path).pixels.shape == (4, 4, 3)
    assert os.listdir(tmp_path) == ["a.png"]


def test_written_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    stills.write(Still(_pixels(4, 4, 3)), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(self: Image.Image, file: BytesIO, *_: object, **__: object) -> None:
        file.write(b"half")
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises((UnshineError, KeyboardInterrupt), match=r"No space left|^$"):
        stills.write(Still(_pixels(4, 4, 3)), tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    still = Still(_pixels(4, 4, 3))
    with pytest.raises(UnshineError, match=r"must end in one of \.jpg"):
        stills.write(still, tmp_path / "a.xyz")
    with pytest.raises(UnshineError, match="does not exist"):
        stills.write(still, tmp_path / "missing" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UnshineError, match="a folder has this name"):
        stills.write(still, tmp_path / "folder.png", overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(UnshineError, match="cannot be written"):
        stills.write(still, tmp_path / "file" / "a.png")
    with pytest.raises(UnshineError, match=r"b\.webp: the image cannot be written as WebP"):
        stills.write(Still(np.zeros((1, 20_000, 3), np.uint8)), tmp_path / "b.webp")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UnshineError, match="no permission"):
        stills.write(still, tmp_path / "a.png")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]
